"""What a caller gave, as a request with the types that it promises."""

import operator
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from attntui.core.errors import UserError
from attntui.core.tokens import sanitise

Kind = TypeVar("Kind", bound=msgspec.Struct)

CALLED = {"text": "prompt", "decoder_text": "decoder_prompt", "basis": "on", "GetTop.count": "k"}
"""What the fields are called that have another name in Python."""


def checked(struct: Kind) -> Kind:
    """The same struct, with numpy's numbers as Python's.

    Raises:
        UserError: a field is of another type; the engine would take that for noise, and end.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(struct, enc_hook=_plain), type(struct))
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise UserError(sanitise(_complaint(struct, what, where.rstrip("`")))) from error
    except TypeError as error:  # of a type that no field can have
        raise UserError(sanitise(f"{error}.")) from error


def _plain(value: Any) -> int | float:
    return operator.index(value) if hasattr(value, "__index__") else float(value)


def _complaint(struct: Any, what: str, where: str) -> str:
    """`special_tokens must be auto, none or bos, not 'all'.`"""
    *owners, field = where.partition("[")[0].split(".")
    for owner in owners:
        struct = getattr(struct, owner)
    value = getattr(struct, field)
    choices = _choices(get_type_hints(type(struct))[field])
    if choices and isinstance(value, str):
        allowed = f"{', '.join(choices[:-1])} or {choices[-1]}, not {value!r}"
    else:
        expected = what.partition("`")[2].partition("`")[0].replace("null", "None")
        allowed = f"{expected}, not {type(value).__name__}"
    name = CALLED.get(f"{type(struct).__name__}.{field}", CALLED.get(field, field))
    return f"{name} must be {allowed}."


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(choice) for choice in get_args(hint)]
    return [choice for part in get_args(hint) for choice in _choices(part)]
