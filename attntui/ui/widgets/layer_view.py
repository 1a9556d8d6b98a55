"""All heads of a layer as small maps."""

from textual.geometry import Size

from attntui.ui.state import Look
from attntui.ui.widgets.map_sheet import Matrix, Sheet, flow
from attntui.ui.widgets.maps_page import MapsPage


class LayerView(MapsPage):
    """All heads of a layer as small maps, each with its name and its value on the head map."""

    def __init__(self) -> None:
        super().__init__("layer")

    def subject(self) -> tuple[str, ...]:
        name = f"Layer {self.look.layer} · all heads"
        if self.look.ordered:
            return (f"{name} · {self.order()}",)
        here = self.look.map == "cell"
        return name, f"numbers: {'the cell at the cursor' if here else self.measured()}"

    def move(self, look: Look, down: int, right: int) -> Look:
        """Above the first map and under the last one is the next layer."""
        moved = super().move(look, down, right)
        return look.move_layer(down) if down and moved.head == look.head else moved

    def turn(self, look: Look, pages: int) -> Look:
        moved = super().turn(look, pages)
        return look.move_layer(pages) if moved.head == look.head else moved

    def lay_maps(self, matrix: Matrix, room: Size) -> Sheet:
        heads = self.heads()[self.look.layer]
        return flow(self.in_order(heads), matrix, room, self.zoom)
