"""The user's config file: what `attntui` does where the command line says nothing."""

import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec
from platformdirs import user_config_path

from attntui.core.errors import UserError

RUNNING = (
    "ablate",
    "attribution",
    "compare",
    "distance",
    "export",
    "logit-lens",
    "order",
    "scan",
    "show",
)
"""Commands that run a model."""
COMMANDS = (*RUNNING, "doctor", "engine", "keys", "models", "view")
"""All of them, known before they are imported."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`config.toml`; every line of it may be left out."""

    model: str | None = None
    theme: Literal["auto", "dark", "light"] | None = None
    style: Literal["auto", "shade"] | None = None
    mouse: bool = True
    keys: dict[str, str] = {}
    """The user's own keys by the name of what they do, such as `"look.words" = "W"`."""


def config_path() -> Path:
    """Where the file is looked for."""
    return user_config_path("attntui", appauthor=False) / "config.toml"


def read_config() -> Config:
    """The file's settings; none where there is no file.

    Raises:
        UserError: it cannot be read, or says what is not understood.
    """
    path = config_path()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(content, Config)
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise UserError(f"{path} is not understood: {error}. Mend it or move it away.") from error


def defaults(config: Config) -> dict[str, Any]:
    """The options' defaults, those of the commands by their names."""
    model = {} if config.model is None else {"model": config.model}
    look = {"theme": config.theme, "style": config.style}
    screen = {name: value for name, value in look.items() if value is not None}
    if not config.mouse:
        screen["no_mouse"] = True  # type: ignore[assignment]
    return {**model, **screen, **{command: model for command in RUNNING}}
