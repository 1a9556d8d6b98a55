"""The Python face of attntui: models, their traces, and attention computed elsewhere.

What is here is reached from `attntui` itself, as `attntui.load`, and loaded when first used.
"""

from attntui.api.elsewhere import given, view
from attntui.api.model import Model, load
from attntui.api.trace import Attended, Trace
from attntui.client.errors import EngineFault, EngineGone
from attntui.core.errors import UserError

__all__ = [
    "Attended",
    "EngineFault",
    "EngineGone",
    "Model",
    "Trace",
    "UserError",
    "given",
    "load",
    "view",
]
