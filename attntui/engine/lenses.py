"""Rows of the lenses: matrices of a run that are more than its attention weights."""

from collections.abc import Mapping

from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import Gradient, Norm, Relevance, Stack, Target
from attntui.engine import ranks
from attntui.engine.again import EAGER, NO_MODEL, Again
from attntui.engine.forward import CheckCancel, Report
from attntui.engine.gradients import mean_weighted, slopes, weighted
from attntui.engine.layers import Layer, RecordedLayer
from attntui.engine.norms import head_norms, products, summed_norms
from attntui.engine.projections import find_projections, head_weights
from attntui.engine.relevance import relevance, relevance_rows
from attntui.engine.split import Recorded
from attntui.engine.stacks import Tower

SCATTERED = (
    "the length of what all heads of a layer give together needs them in one process: choose one"
    " head, or use --parallel pipeline."
)


class Lenses:
    """What a run's lenses need, the newest of each kept. `again` is None for a file."""

    def __init__(self, again: Again | None) -> None:
        self._again = again
        self._products: tuple[tuple[Stack, int], Tensor | None] | None = None
        self._slopes: tuple[Target, list[Tensor]] | None = None

    def norm(self, view: Norm, layer: Layer, start: int, stop: int) -> Tensor:
        """(rows, keys) float32.

        Raises:
            UserError: values or the output projection are not known.
        """
        recorded, where = self._recorded(layer), (view.stack, view.layer)
        if view.head is None and recorded.scattered:
            raise UserError(SCATTERED)
        if self._products is None or self._products[0] != where:
            find_projections(self._needed())
            self._products = where, ranks.agreed(lambda: self._own_products(recorded.own))
        found = self._products[1]

        def take(own: RecordedLayer, heads: slice) -> Tensor:
            assert found is not None
            if view.head is None:
                return summed_norms(own, found, start, stop)[None]
            return head_norms(own, found, heads.start, start, stop)[None]

        return recorded.of_heads(take, None if view.head is None else _only(view.head))[0]

    def _own_products(self, own: RecordedLayer | None) -> Tensor | None:
        return None if own is None else products(own, head_weights(self._needed(), own))

    def gradient(
        self,
        view: Gradient,
        layer: Layer,
        start: int,
        stop: int,
        check_cancel: CheckCancel,
        progress: Report,
    ) -> Tensor:
        """(rows, keys) float32.

        Raises:
            UserError: values are not known, or there is no such target.
        """
        recorded = self._recorded(layer)
        slopes = self.slopes(view.target, check_cancel, progress)
        if view.head is None:
            return mean_weighted(recorded, slopes, start, stop)
        return weighted(recorded, slopes, start, stop, _only(view.head))[0]

    def relevance(
        self,
        view: Relevance,
        towers: Mapping[Stack, Tower],
        check_cancel: CheckCancel,
        progress: Report,
    ) -> Tensor:
        """(queries, keys) float32.

        Raises:
            UserError: values are not known, or there is no such target.
        """
        slopes = self._relevant(view, towers, check_cancel, progress)
        return relevance(view.stack, towers, slopes, check_cancel, progress)

    def relevance_rows(
        self,
        view: Relevance,
        tower: Tower,
        start: int,
        stop: int,
        check_cancel: CheckCancel,
        progress: Report,
    ) -> Tensor:
        """(rows, keys) float32 of self-attention.

        Raises:
            UserError: as of `relevance`.
        """
        slopes = self._relevant(view, {view.stack: tower}, check_cancel, progress)
        return relevance_rows(tower, slopes, start, stop, check_cancel, progress)

    def _relevant(
        self,
        view: Relevance,
        towers: Mapping[Stack, Tower],
        check_cancel: CheckCancel,
        progress: Report,
    ) -> list[Tensor]:
        for tower in towers.values():
            tower.check_recorded("Relevance")
            for layer in tower.present:
                self._recorded(layer)
        return self.slopes(view.target, check_cancel, progress)

    def slopes(self, target: Target, check_cancel: CheckCancel, progress: Report) -> list[Tensor]:
        """See `gradients.slopes`: of the newest target."""
        if self._slopes is None or self._slopes[0] != target:
            self._slopes = None  # two at a time are one too many
            self._slopes = target, slopes(self._needed(), target, check_cancel, progress)
        return self._slopes[1]

    def _needed(self) -> Again:
        if self._again is None:
            raise UserError(NO_MODEL)
        return self._again

    def _recorded(self, layer: Layer) -> Recorded:
        self._needed()
        if not isinstance(layer, Recorded):
            raise UserError(EAGER)
        return layer


def _only(head: int) -> slice:
    return slice(head, head + 1)
