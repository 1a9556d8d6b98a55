"""All heads of all layers as small maps."""

from attntui.ui.widgets.page import Page


class ModelView(Page):
    """All heads of all layers as small maps."""

    def __init__(self) -> None:
        super().__init__("model")
