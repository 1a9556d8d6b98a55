"""All heads of a layer as small maps."""

from attntui.ui.widgets.page import Page


class LayerView(Page):
    """All heads of a layer as small maps."""

    def __init__(self) -> None:
        super().__init__("layer")
