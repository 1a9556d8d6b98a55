"""What can become of a call besides its answer."""


class EngineGone(Exception):
    """The engine is not there any more: `str(error)` is one plain sentence that says why."""


class EngineFault(Exception):
    """The engine met a fault of its own: `str(error)` is one plain sentence; its log says more."""


class Superseded(Exception):
    """A newer request took this one's place before it was sent."""
