"""Lines between two columns of tokens, as strong as the weights."""

from attntui.ui.widgets.page import Page


class LinesView(Page):
    """Lines between two columns of tokens, as strong as the weights."""

    def __init__(self) -> None:
        super().__init__("lines")
