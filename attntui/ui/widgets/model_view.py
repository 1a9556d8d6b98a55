"""All heads of all layers as small maps."""

from textual.geometry import Size

from attntui.ui.widgets.map_sheet import Matrix, Sheet, flow, table
from attntui.ui.widgets.maps_page import MapsPage


class ModelView(MapsPage):
    """Layers down, heads across; or all heads in the order of their values, largest first."""

    def __init__(self) -> None:
        super().__init__("model")

    def subject(self) -> tuple[str, ...]:
        name = f"All {sum(len(heads) for heads in self.heads())} heads"
        if self.look.ordered:
            return (f"{name} · {self.order()}",)
        return name, "layers down, heads across"

    def lay_maps(self, matrix: Matrix, room: Size) -> Sheet:
        if not self.look.ordered:
            return table(self.heads(), matrix, room, self.zoom)
        heads = [head for layer in self.heads() for head in layer]
        return flow(self.in_order(heads), matrix, room, self.zoom)
