"""`attntui keys`: every key, and the name by which the config file gives it others."""

from attntui.cli.config import read_config
from attntui.cli.table import aligned
from attntui.ui.own_keys import remapped


def list_keys() -> int:
    """Print every key of the screen, the user's own in their place, one a line."""
    table = remapped(read_config().keys)
    rows = [(key.show, key.id, key.description) for key in table]
    print(aligned([("key", "name", "does"), *rows]))
    return 0
