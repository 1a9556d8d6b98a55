"""Rows of the lenses: matrices of a run that are more than its attention weights."""

from collections.abc import Mapping

from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import Gradient, Norm, Relevance, Stack, Target
from attntui.engine.again import EAGER, NO_MODEL, Again
from attntui.engine.forward import CheckCancel, Report
from attntui.engine.gradients import mean_weighted, slopes, weighted
from attntui.engine.layers import Layer, RecordedLayer
from attntui.engine.norms import head_norms, products, summed_norms
from attntui.engine.projections import head_weights
from attntui.engine.relevance import relevance
from attntui.engine.stacks import Tower


class Lenses:
    """What a run's lenses need, the newest of each kept. `again` is None for a file."""

    def __init__(self, again: Again | None) -> None:
        self._again = again
        self._products: tuple[tuple[Stack, int], Tensor] | None = None
        self._slopes: tuple[Target, list[Tensor]] | None = None

    def norm(self, view: Norm, layer: Layer, start: int, stop: int) -> Tensor:
        """(rows, keys) float32.

        Raises:
            UserError: values or the output projection are not known.
        """
        own, again = self._recorded(layer), self._needed()
        where = view.stack, view.layer
        if self._products is None or self._products[0] != where:
            weights = head_weights(again.loaded, again.encoded, own)
            self._products = where, products(own, weights)
        found = self._products[1]
        if view.head is None:
            return summed_norms(own, found, start, stop)
        return head_norms(own, found, view.head, start, stop)

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
        own = self._recorded(layer)
        slope = self.slopes(view.target, check_cancel, progress)[own.call.index]
        if view.head is None:
            return mean_weighted(own, slope, start, stop)
        return weighted(own, slope, start, stop, slice(view.head, view.head + 1))[0]

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
        for tower in towers.values():
            tower.check_recorded("Relevance")
            for layer in tower.present:
                self._recorded(layer)
        slopes = self.slopes(view.target, check_cancel, progress)
        return relevance(view.stack, towers, slopes, check_cancel, progress)

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

    def _recorded(self, layer: Layer) -> RecordedLayer:
        self._needed()
        if not isinstance(layer, RecordedLayer):
            raise UserError(EAGER)
        return layer
