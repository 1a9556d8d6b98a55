"""Explore the attention of Hugging Face transformers in the terminal.

From Python: `attntui.load` a model and trace prompts, `attntui.given` attention that was computed
elsewhere the same methods, or `attntui.view` it on the screen. Importing this package imports
neither torch nor textual, and what these need only when one of them is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attntui.api import (
        Attended,
        EngineFault,
        EngineGone,
        Model,
        Trace,
        UserError,
        given,
        load,
        view,
    )

__version__ = "0.1.0"

__all__ = [
    "Attended",
    "EngineFault",
    "EngineGone",
    "Model",
    "Trace",
    "UserError",
    "__version__",
    "given",
    "load",
    "view",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("attntui.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
