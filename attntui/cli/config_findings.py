"""The user's own settings, and where attntui keeps what it remembers."""

from collections.abc import Iterator

from platformdirs import user_state_path

from attntui.cli.config import config_path, read_config
from attntui.cli.findings import Finding
from attntui.core.errors import UserError


def find() -> Iterator[Finding]:
    from attntui.ui.own_keys import remapped

    path = config_path()
    try:
        remapped(read_config().keys)
    except UserError as error:
        yield Finding("problem", "config", str(error))
    else:
        yield Finding("ok", "config", str(path) if path.exists() else f"none ({path})")
    yield Finding("ok", "state", str(user_state_path("attntui", appauthor=False)))
