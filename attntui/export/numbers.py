"""Numbers on their way from the engine into a file."""

import numpy as np

from attntui.client.questions import OnProgress, ask, logit_rows
from attntui.core.errors import UserError
from attntui.core.pairs import sentence_boundary
from attntui.core.protocol import (
    STATISTICS,
    GetHidden,
    GetStatistics,
    Hidden,
    Progress,
    Statistics,
    Token,
)
from attntui.core.tokens import whole_text
from attntui.export.formats import NOWHERE, Entry, Format, Place
from attntui.export.matrices import Matrix, Numbers, Section
from attntui.export.meta import describe_source
from attntui.export.source import Source


async def write_numbers(
    source: Source, numbers: Numbers, file: Format, progress: OnProgress = None
) -> None:
    """Ask for all of `numbers` and write them; `file` is begun and finished here.

    Raises:
        UserError: the model has not what is wanted.
    """
    if numbers.logits:
        _check_logits(source, numbers)
    writing = _Writing(source, numbers, file, progress)
    await writing.try_single_views()
    statistics = await writing.statistics()
    vocabulary = await writing.vocabulary()
    file.start(await writing.entries(), writing.shapes(tuple(statistics), vocabulary))
    for section in numbers.sections:
        await writing.section(section)
    for name, values in statistics.items():
        file.begin(name)
        file.add(values)
    if numbers.logits:
        await writing.logits()
    file.finish()


def _check_logits(source: Source, numbers: Numbers) -> None:
    if source.model.predicts is None:
        raise UserError(f"{source.model.name} predicts nothing: leave out --logits.")
    if source.run.sides[-1].name != numbers.tower.stack.queries:
        raise UserError("Logits are the decoder's: use --attention decoder or cross with --logits.")
    if numbers.reading.words:
        raise UserError("Logits belong to tokens, not to words: leave out --logits or --words.")


class _Writing:
    """One file being written."""

    def __init__(
        self, source: Source, numbers: Numbers, file: Format, progress: OnProgress
    ) -> None:
        self._source, self._numbers, self._file = source, numbers, file
        self._progress = progress
        self._tower = numbers.tower
        self._says_hidden = numbers.reading.sinks != "show" and not file.matrices_only

    async def try_single_views(self) -> None:
        """Their first row, so that a bad option is said before the long work, not after it."""
        _, keys = self._tower.shape
        for section in self._numbers.sections:
            view = section.matrices[0].view if section.matrices else None
            if view is not None and not section.grid:
                async for _ in self._source.rows(
                    view, (1, keys), self._numbers.reading, self._progress
                ):
                    pass

    async def statistics(self) -> dict[str, np.ndarray]:
        """(layers, heads) by name; empty where none are wanted."""
        basis, tower = self._numbers.statistics, self._tower
        if basis is None:
            return {}
        request = GetStatistics(self._source.run.run, tower.stack.name, basis)
        _, arrays = await ask(self._source.engine, request, Statistics, self._progress)
        chosen = arrays[0][:, tower.layers][:, :, tower.heads]
        return dict(zip(STATISTICS, chosen, strict=True))

    async def vocabulary(self) -> int:
        """How wide a row of logits is; 0 where none are wanted."""
        if not self._numbers.logits:
            return 0
        async for _, rows in logit_rows(self._source.engine, self._source.run.run, 1):
            return int(rows.shape[-1])
        return 0

    async def entries(self) -> dict[str, Entry]:
        """Everything but the arrays."""
        tower, hidden = self._tower, None
        entries: dict[str, Entry] = {"tokens": [whole_text(unit.text) for unit in tower.queries]}
        if not self._numbers.reading.words:
            entries["token_ids"] = [unit.id for unit in tower.queries if isinstance(unit, Token)]
        if tower.stack.keys != tower.stack.queries:
            entries["key_tokens"] = [whole_text(unit.text) for unit in tower.keys]
        elif (second := sentence_boundary(tower.queries)) is not None:
            entries["sentence_b_start"] = [second]
        if self._numbers.reading.sinks != "show":
            request = GetHidden(self._source.run.run, tower.stack.name, self._numbers.reading.words)
            hidden, _ = await ask(self._source.engine, request, Hidden, self._progress)
        entries["layers"] = tower.layers
        entries["heads"] = tower.heads
        entries["meta"] = describe_source(self._source, self._numbers, hidden)
        return entries

    def shapes(self, statistics: tuple[str, ...], vocabulary: int) -> dict[str, tuple[int, ...]]:
        """Of every array, in the order of writing."""
        tower, shapes = self._tower, dict[str, tuple[int, ...]]()
        for section in self._numbers.sections:
            shapes[section.name] = (*section.grid, *tower.shape)
            if self._says_hidden:
                shapes[_hidden_name(section)] = (*section.grid, tower.shape[0])
        shapes |= {name: (len(tower.layers), len(tower.heads)) for name in statistics}
        if vocabulary:
            shapes["logits"] = (tower.shape[0], vocabulary)
        return shapes

    async def section(self, section: Section) -> None:
        """An array of matrices, and after it what the reading hides from their rows."""
        self._file.begin(section.name)
        hidden = []
        for done, matrix in enumerate(section.matrices):
            if self._progress is not None:
                self._progress(Progress(section.stage, done, len(section.matrices)))
            hidden.append(await self._matrix(matrix))
        if self._says_hidden:
            self._file.begin(_hidden_name(section))
            self._file.add(np.reshape(hidden, (-1, self._tower.shape[0])))

    async def _matrix(self, matrix: Matrix) -> np.ndarray:
        """Write a matrix; (queries): the weight that is hidden from each row."""
        queries, keys = self._tower.shape
        hidden = np.full(queries, np.nan if matrix.view is None else 0, np.float32)
        if matrix.view is None:
            row = np.full((1, keys), np.nan, np.float32)
            for query in range(queries):
                self._file.add(row, Place(matrix.layer, matrix.head, query))
            return hidden
        reading = self._numbers.reading
        async for rows in self._source.rows(matrix.view, (queries, keys), reading, self._progress):
            self._file.add(rows.weights, Place(matrix.layer, matrix.head, rows.first))
            if rows.hidden is not None:
                hidden[rows.first : rows.first + len(rows.hidden)] = rows.hidden
        return hidden

    async def logits(self) -> None:
        self._file.begin("logits")
        queries = self._tower.shape[0]
        run = self._source.run.run
        async for _, rows in logit_rows(self._source.engine, run, queries, self._progress):
            self._file.add(rows, NOWHERE)


def _hidden_name(section: Section) -> str:
    return f"{section.name}_hidden"
