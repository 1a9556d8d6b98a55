"""What can become of a call besides its answer."""


class EngineGone(Exception):
    """The engine is not there any more: `str(error)` is one plain sentence that says why.

    `of_memory`: probably for want of memory, so that the same would end it again. `asked`: whether
    it was at work.
    """

    def __init__(self, sentence: str, of_memory: bool = False, asked: bool = False) -> None:
        super().__init__(sentence)
        self.of_memory, self.asked = of_memory, asked


class EngineFault(Exception):
    """The engine met a fault of its own: `str(error)` is one plain sentence; its log says more."""


class Superseded(Exception):
    """A newer request took this one's place before it was sent."""
