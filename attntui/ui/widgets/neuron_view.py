"""One score taken apart: which dimensions of query and key make it."""

from attntui.ui.widgets.page import Page


class NeuronView(Page):
    """One score taken apart: which dimensions of query and key make it."""

    def __init__(self) -> None:
        super().__init__("neuron")
