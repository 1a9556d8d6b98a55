"""Why a model cannot be had from the hub: every failure as one sentence that says what to do."""

import errno
import socket
import ssl
from collections.abc import Iterator

from huggingface_hub import constants, get_token
from huggingface_hub import errors as hub_errors

from attntui.core.amounts import human_time
from attntui.core.errors import TryAgain, UserError
from attntui.core.tokens import sanitise
from attntui.engine import endpoint

OFFLINE = constants.HF_HUB_OFFLINE
"""Whether the environment forbids the network (HF_HUB_OFFLINE)."""
LOG_IN = "log in on this machine with hf auth login, or set HF_TOKEN"
NETWORKS = {"httpx", "httpx2", "httpcore", "httpcore2"}


def of_hub(error: Exception, name: str, revision: str | None, offline: bool = False) -> Exception:
    """The sentence for an exception of the hub's client, or the exception itself: a fault."""
    causes = tuple(chain(error))
    shown = sanitise(name)
    if _any(causes, hub_errors.HFValidationError):
        return UserError(f"'{shown}' is neither a folder here nor a Hugging Face id (owner/name).")
    known = _of_repository(causes, shown, sanitise(revision or "main"))
    if known is not None:
        return known
    if offline:
        at = f" at revision '{sanitise(revision)}'" if revision else ""
        return UserError(
            f"{shown}{at} is not on this machine, and the network is off ({switch()}): load it "
            "once with the network, or choose one that attntui models lists."
        )
    return of_disk(causes) or _of_status(causes, shown) or _of_network(causes, shown) or error


def switch() -> str:
    """What turned the network off."""
    return "HF_HUB_OFFLINE" if OFFLINE else "--offline"


def _of_repository(
    causes: tuple[BaseException, ...], model: str, revision: str
) -> UserError | None:
    if _any(causes, hub_errors.GatedRepoError):
        if get_token() is None:
            return UserError(
                f"{model} is gated: accept its terms on its Hugging Face page, then {LOG_IN}."
            )
        return UserError(
            f"{model} is gated, and your token may not read it yet: accept its terms on its "
            "Hugging Face page with the account that the token is of."
        )
    if _any(causes, hub_errors.DisabledRepoError):
        return UserError(f"{model} was disabled on the hub: choose another model.")
    if _any(causes, hub_errors.RevisionNotFoundError):
        return UserError(f"{model} has no revision '{revision}': check the branch, tag or commit.")
    if _any(causes, hub_errors.RepositoryNotFoundError):
        private = "your token may not see it" if get_token() else LOG_IN
        return UserError(
            f"There is no model '{model}' on the Hugging Face hub, nor a folder of that name here. "
            f"Check the spelling; if it is private, {private}."
        )
    if _any(causes, hub_errors.RemoteEntryNotFoundError):
        return TryAgain(f"A file of {model} is gone from the hub: it was changed just now.")
    return None


def of_disk(causes: tuple[BaseException, ...]) -> UserError | None:
    """What keeps files from being written."""
    full = disk_full(causes)
    if full is not None:
        return full
    for cause in causes:
        forbidden = isinstance(cause, (PermissionError, NotADirectoryError, FileExistsError))
        if isinstance(cause, OSError) and (forbidden or cause.errno == errno.EROFS):
            where = sanitise(str(cause.filename or constants.HF_HUB_CACHE))
            return UserError(
                f"{where} cannot be written: mend its permissions, or set HF_HOME to a folder "
                "that is yours."
            )
    return None


def disk_full(causes: tuple[BaseException, ...]) -> UserError | None:
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}:
            return UserError(
                "The disk is full: free some space, or set HF_HOME to a folder on another disk."
            )
    return None


def _of_status(causes: tuple[BaseException, ...], model: str) -> UserError | None:
    responses = (getattr(cause, "response", None) for cause in causes)
    response = next((each for each in responses if each is not None), None)
    status = getattr(response, "status_code", None)
    if status == 401:
        return UserError(
            "The hub does not accept your token (status 401): it is wrong or has expired; "
            f"{LOG_IN}."
        )
    if status == 403:
        return UserError(f"The hub refuses {model} (status 403): your token may not read it.")
    if status == 429:
        wait = str(response.headers.get("Retry-After", "")) if response is not None else ""
        when = human_time(int(wait)) if wait.isdecimal() else "some minutes"
        return TryAgain(f"The hub has had too many requests from here (status 429): wait {when}.")
    if isinstance(status, int) and status >= 500:
        return TryAgain(f"The hub is out of order (status {status}): try again later.")
    if isinstance(status, int) and status >= 400:
        return UserError(
            f"{endpoint.host()} refuses {model} (status {status}): is it a Hugging Face hub?"
        )
    return None


def _of_network(causes: tuple[BaseException, ...], model: str) -> UserError | None:
    if not any(map(is_network, causes)):
        if any("too large to be downloaded" in str(cause) for cause in causes):
            return UserError(
                f"A file of {model} has more than 50 GB: fetch it with hf download {model}, then "
                "open it here."
            )
        return None
    return TryAgain(
        f"{model} is not on this machine, and {endpoint.host()} cannot be reached: {why(causes)}"
    )


def why(causes: tuple[BaseException, ...]) -> str:
    """What keeps a server from being reached, and what to do."""
    if _any(causes, socket.gaierror):
        return "its name is not known here (DNS). Check the network, or HF_ENDPOINT."
    if _any(causes, ConnectionRefusedError) or "Connection refused" in " ".join(map(str, causes)):
        return "nothing answers there (connection refused). Check HF_ENDPOINT and the network."
    if _any(causes, ssl.SSLError):
        return "its certificate is not trusted. Behind a proxy, name its own in SSL_CERT_FILE."
    kinds = {type(cause).__name__ for cause in causes}
    if "ProxyError" in kinds:
        return "the proxy refuses. Check HTTPS_PROXY."
    if any("Timeout" in kind for kind in kinds):
        return "it does not answer. Check the network, or name a model that attntui models lists."
    return "the connection breaks. Check the network, or name a model that attntui models lists."


def is_network(cause: BaseException) -> bool:
    """Whether an exception tells of a network, and not of what a server answered."""
    if isinstance(cause, hub_errors.HfHubHTTPError):
        return False
    if isinstance(cause, (ConnectionError, TimeoutError, hub_errors.LocalEntryNotFoundError)):
        return True
    return type(cause).__module__.split(".")[0] in NETWORKS


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def _any(causes: tuple[BaseException, ...], kind: type[BaseException]) -> bool:
    return any(isinstance(cause, kind) for cause in causes)
