"""Whom models are fetched from: the Hugging Face hub, or what HF_ENDPOINT names in its place."""

from urllib.parse import urlsplit

from huggingface_hub import constants, get_token

from attntui.core.tokens import sanitise

OWN = {"huggingface.co", "hf.co", "hub-ci.huggingface.co"}


def host() -> str:
    """The host, with its port where it has one, and never a name or password."""
    return sanitise(urlsplit(constants.ENDPOINT).netloc.rpartition("@")[2]) or "the hub"


def is_foreign() -> bool:
    """Whether it is not Hugging Face's own."""
    return urlsplit(constants.ENDPOINT).hostname not in OWN


def title() -> str:
    """As progress names it."""
    sent = ", is sent your token" if note() else ""
    return f"{host()} (HF_ENDPOINT{sent})" if is_foreign() else "the hub"


def note() -> str:
    """What should be known of a foreign one; empty where nothing.

    The hub's client sends the token to whatever HF_ENDPOINT names.
    """
    if is_foreign() and get_token() is not None:
        return f"HF_ENDPOINT: models come from {host()}, which is sent your token."
    return ""
