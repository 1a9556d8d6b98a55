"""The prompt as a page of text, shaded by what the selected token gives or takes."""

from attntui.ui.widgets.page import Page


class TextView(Page):
    """The prompt as a page of text, shaded by what the selected token gives or takes."""

    def __init__(self) -> None:
        super().__init__("text")
