"""All heads of all layers as small maps."""

from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip

from attntui.ui.widgets.map_sheet import Matrix, Sheet, flow, table
from attntui.ui.widgets.maps_page import MapsPage


class ModelView(MapsPage):
    """Layers down, heads across; or all heads in the order of their values, largest first."""

    def __init__(self) -> None:
        super().__init__("model")

    def subject(self) -> tuple[str, ...]:
        name = f"All {sum(len(heads) for heads in self.heads())} heads"
        if self.look.ordered:
            return (f"{name} · by {self.measured()}, largest first",)
        return name, "layers down, heads across"

    def lay_maps(self, matrix: Matrix, room: Size) -> Sheet:
        if not self.look.ordered:
            return table(self.heads(), matrix, room, self.zoom)
        heads = [head for layer in self.heads() for head in layer]
        return flow(self.in_order(heads), matrix, room, self.zoom)

    # Numbers of heads and layers, in sight wherever one has scrolled to.

    @property
    def fixed_lines(self) -> int:
        return 0 if self.look.ordered else 1

    @property
    def fixed_columns(self) -> int:
        return 0 if self.look.ordered else len(str(len(self.heads()))) + 2

    def column_numbers(self) -> list[Segment]:
        assert self.sheet is not None
        faint, current = self.style_of("faint"), self.style_of("current")
        segments = []
        for head in range(max(len(row) for row in self.sheet.rows)):
            number = f" {head}".ljust(self.sheet.slot)
            segments.append(Segment(number, current if head == self.look.head else faint))
        left = self.scroll_offset.x
        numbers = Strip(segments).crop(left, left + self.size.width)
        return [Segment(" " * self.fixed_columns, faint), *numbers]

    def row_number(self, row: int, at: int) -> list[Segment]:
        if not self.fixed_columns:
            return []
        style = self.style_of("current" if row == self.look.layer else "faint")
        number = row if at == 0 and row >= 0 else ""
        return [Segment(f"{number:>{self.fixed_columns - 1}} ", style)]
