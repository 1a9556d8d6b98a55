"""The table of keys with a user's own in it."""

from collections.abc import Mapping
from difflib import get_close_matches

from attntui.core.errors import UserError
from attntui.ui.key_names import TWINS, key_names, shown
from attntui.ui.keys import KEYS, Key


def remapped(own: Mapping[str, str]) -> tuple[Key, ...]:
    """The table with the user's own keys, given as id → keys with commas between.

    Raises:
        UserError: there is no such id or no such key, or two would have the same key.
    """
    ids = [key.id for key in KEYS]
    for name in own:
        if name not in ids:
            near = get_close_matches(name, ids, 1)
            hint = f". Did you mean {near[0]}?" if near else "."
            raise UserError(f"The config file gives a key to {name}, which is nothing{hint}")
    table = tuple(_given(key, own[key.id]) if key.id in own else key for key in KEYS)
    owners = {"ctrl+q": "program.quit"}  # Textual's own, whatever else quits
    for key in table:
        for each in key.keys.split(","):
            if owners.setdefault(each, key.id) != key.id:
                raise UserError(
                    f"The config file gives {shown(each)} to {key.id} and {owners[each]} alike:"
                    " give one of them another key."
                )
    return table


def _given(key: Key, written: str) -> Key:
    """A line of the table with keys as the user writes them."""
    try:
        names = list(dict.fromkeys(key_names(written)))
    except ValueError as error:
        raise UserError(
            f'The config file gives {key.id} the key "{error}", which is none: write it as in'
            " w, W, ctrl+w, shift+up, pageup, f2, space or ?, and commas between several."
        ) from error
    twins = [TWINS[name] for name in names if name in TWINS]
    return key._replace(keys=",".join(names + twins), show=" ".join(map(shown, names)))
