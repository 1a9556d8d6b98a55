"""Keys as people write them, as Textual names them, and as the help shows them."""

import re
import string
import unicodedata
from collections.abc import Iterator

from textual.keys import KEY_NAME_REPLACEMENTS

MODIFIERS = {
    "ctrl": "ctrl",
    "control": "ctrl",
    "shift": "shift",
    "alt": "alt",
    "option": "alt",
    "meta": "meta",
    "super": "super",
    "hyper": "hyper",
}
SHOWN = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "home": "Home",
    "end": "End",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "insert": "Insert",
    "delete": "Delete",
    "backspace": "Backspace",
    "tab": "Tab",
    "enter": "Enter",
    "escape": "Esc",
    "space": "Space",
    **{f"f{number}": f"F{number}" for number in range(1, 25)},
}
SPELT = {
    "pgup": "pageup",
    "pgdn": "pagedown",
    "pgdown": "pagedown",
    "ins": "insert",
    "del": "delete",
    "return": "enter",
    "esc": "escape",
    "spacebar": "space",
    "dot": "full_stop",
    "period": "full_stop",
    "dash": "minus",
    "hash": "number_sign",
    "equals": "equals_sign",
    "pipe": "vertical_line",
}
TWINS = {
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+h": "backspace",
    "ctrl+left_square_bracket": "escape",
    "ctrl+space": "ctrl+@",
    "ctrl+slash": "ctrl+underscore",
}
"""What most terminals send for a key; those with Kitty's protocol tell the two apart."""

_MODIFIED = re.compile(rf"((?:(?:{'|'.join(MODIFIERS)})\s*[+-]\s*)*)(.+)", re.IGNORECASE)


def _name(character: str) -> str:
    """As Textual names a character's key: letters and digits by themselves."""
    if character.isalnum():
        return character
    name = unicodedata.name(character, character).lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


CHARACTERS = {_name(character): character for character in string.punctuation}
_NAMED = {
    **{name: name for name in SHOWN},
    **{_folded(name): name for name in CHARACTERS},
    **{_folded(unicodedata.name(each)): name for name, each in CHARACTERS.items()},
    **SPELT,
}


def key_names(written: str) -> Iterator[str]:
    """The keys in a list with commas between, by Textual's names.

    Raises:
        ValueError: one of them is no key; its spelling is the argument.
    """
    alone = {",", " "}
    for each in [written] if written in alone else written.split(","):
        name = _key_name(each)
        if name is None:
            raise ValueError(each.strip())
        yield name


def _key_name(written: str) -> str | None:
    """`Ctrl+W` and `^w` are ctrl+w, `Page Up` is pageup, `?` is question_mark; None is no key."""
    text = written if written == " " else written.strip()
    if len(text) == 2 and text[0] == "^":
        text = f"ctrl+{text[1]}"
    found = _MODIFIED.fullmatch(text)
    if found is None:
        return None
    modifiers = {MODIFIERS[each.lower()] for each in re.findall(r"\w+", found[1])}
    rest = found[2]
    if len(rest) > 1 or rest == " ":
        key = _NAMED.get(_folded(rest) or "space")
    elif not rest.isprintable():
        return None
    elif modifiers == {"shift"}:  # Terminals send the character that shift makes.
        return rest.upper() if rest.isalpha() else None
    else:
        key = _name(rest.lower() if modifiers else rest)
    return None if key is None else "+".join([*sorted(modifiers), key])


def shown(name: str) -> str:
    """A key by its Textual name, as a person reads it."""
    *modifiers, key = name.split("+")
    before = "".join("⇧" if each == "shift" else f"{each.capitalize()}+" for each in modifiers)
    key = SHOWN.get(key) or CHARACTERS.get(key, key)
    return before + (key.upper() if modifiers and len(key) == 1 else key)
