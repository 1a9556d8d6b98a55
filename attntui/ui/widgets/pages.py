"""The pages, one in sight: each is imported and made when it is first shown."""

from textual.widgets import ContentSwitcher

from attntui.ui.choices import PageName
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.page import Page


class Pages(ContentSwitcher):
    """Opens on the grid; the first paint does not wait for the code of the others."""

    def __init__(self) -> None:
        super().__init__(AttentionGrid(), id="pages", initial="grid")

    def page(self, name: PageName) -> Page:
        """A page by its name, whether in sight or not."""
        for page in self.query_children(f"#{name}").results(Page):
            return page
        page = new_page(name)
        page.display = False
        self.mount(page)
        return page

    def show(self, name: PageName) -> None:
        """Bring a page into sight."""
        self.page(name)
        self.current = name


def new_page(name: PageName) -> Page:
    """A page as it is before it has shown anything."""
    match name:
        case "grid":
            return AttentionGrid()
        case "lines":
            from attntui.ui.widgets.lines_view import LinesView

            return LinesView()
        case "text":
            from attntui.ui.widgets.text_view import TextView

            return TextView()
        case "layer":
            from attntui.ui.widgets.layer_view import LayerView

            return LayerView()
        case "model":
            from attntui.ui.widgets.model_view import ModelView

            return ModelView()
        case "neuron":
            from attntui.ui.widgets.neuron_view import NeuronView

            return NeuronView()
        case "distance":
            from attntui.ui.widgets.distance_view import DistanceView

            return DistanceView()
