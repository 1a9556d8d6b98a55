"""The largest weights of rows or of columns."""

from dataclasses import replace

import torch
from torch import Tensor

from attntui.core.costs import MOST_JOINT, has_columns
from attntui.core.errors import UserError
from attntui.core.protocol import GetTop, Signed, Top, TopEntry
from attntui.core.topk import top
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.reading import Reader


def tops(
    reader: Reader, request: GetTop, check_cancel: CheckCancel = never, progress: Report = silent
) -> Top:
    """The answer that `GetTop` describes.

    Raises:
        UserError: the view or a position does not exist.
    """
    if request.count < 0:
        raise UserError("the number of entries must be 0 or more.")
    if not request.positions:
        raise UserError("name at least one position to sum over.")
    sums = _columns if request.direction == "attended_by" else _rows
    weights, sink, hidden, elsewhere = sums(reader, request, check_cancel, progress)
    entries = tuple(TopEntry(at, weight) for at, weight in top(weights.numpy(), request.count))
    listed = sum(entry.weight for entry in entries)
    if reader.comparison is not None:  # of differences, a sum of others says nothing
        return Top(request.run, entries, 0.0, hidden=hidden)
    rest = float(weights.double().nansum()) - listed
    rest = rest if isinstance(request.view, Signed) else max(0.0, rest)
    return Top(request.run, entries, rest, sink, hidden, max(0.0, elsewhere))


def _rows(
    reader: Reader, request: GetTop, check_cancel: CheckCancel, progress: Report
) -> tuple[Tensor, float, float, float]:
    """What some queries give: (keys), a learned sink, keys that hide, other sentences."""
    _check(request.positions, reader.shape[0], "query", "queries")
    total, sink, hidden, elsewhere = torch.zeros(reader.shape[1]), 0.0, 0.0, 0.0
    for at in request.positions:
        rows = reader.rows(request.view, at, at + 1, check_cancel, progress)
        total += rows.weights[0].cpu()
        sink += 0.0 if rows.sink is None else float(rows.sink)
        hidden += 0.0 if rows.hidden is None else float(rows.hidden)
        elsewhere += 0.0 if rows.elsewhere is None else float(rows.elsewhere)
    return total, sink, hidden, elsewhere


def _columns(
    reader: Reader, request: GetTop, check_cancel: CheckCancel, progress: Report
) -> tuple[Tensor, float, float, float]:
    """What some keys are given: (queries), no learned sink, how much hides, other sentences."""
    _check(request.positions, reader.shape[1], "key", "keys")
    if not has_columns(request.view, max(reader.shape)):
        raise UserError(
            f"what a token gives to each of {reader.shape[0]:,} takes every row, and each row all"
            f" weights of all layers: beyond {MOST_JOINT:,} tokens, look at rows."
        )
    keys = torch.tensor(request.positions)

    def sums(reader: Reader, keys: Tensor) -> Tensor:
        found = []
        for tile in reader.tiles(0, reader.shape[0]):
            check_cancel()
            weights = reader.rows(request.view, *tile, check_cancel, progress).weights
            found.append(weights[:, keys.to(weights.device)].sum(-1).cpu())
        return torch.cat(found)

    shown, hidden, elsewhere = sums(reader, keys), 0.0, 0.0
    hides = None if reader.hidden is None else keys[reader.hidden[keys]]
    if hides is not None and len(hides):
        hidden = float(sums(replace(reader, hidden=None, apart=None), hides).double().sum())
    if reader.apart is not None:
        elsewhere = float((sums(replace(reader, apart=None), keys) - shown).double().sum())
    return shown, 0.0, hidden, elsewhere


def _check(positions: tuple[int, ...], count: int, one: str, many: str) -> None:
    for at in positions:
        if not 0 <= at < count:
            raise UserError(f"there is no {one} {at}: {many} are 0 to {count - 1}.")
