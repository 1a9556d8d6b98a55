"""What the model predicts at a token, and how likely it found the token itself beforehand."""

from dataclasses import dataclass

from attntui.cli.progress import ProgressLine
from attntui.client.questions import ask
from attntui.core.errors import UserError
from attntui.core.expected import standing
from attntui.core.protocol import Arrays, GetLogits, GetPredictions, Predictions, Token, Word
from attntui.core.tokens import sanitise, visible
from attntui.export.source import Source
from attntui.export.tower import Tower
from attntui.render.labels import quote
from attntui.render.ranking import Entry


@dataclass(frozen=True)
class Outlook:
    """A ranked list of predictions under a title, and a sentence about the token itself."""

    title: str
    entries: tuple[Entry, ...]
    itself: str = ""


async def outlook(
    source: Source, tower: Tower, query: int, count: int, line: ProgressLine
) -> Outlook:
    """What is predicted at a query; of a word, at its last token.

    Raises:
        UserError: the model predicts nothing there.
    """
    side = source.run.sides[-1]
    if source.model.predicts is None or tower.stack.queries != side.name:
        raise UserError("The model predicts nothing at these queries: leave out --predict.")
    unit = tower.queries[query]
    first, last = (unit.first, unit.last) if isinstance(unit, Word) else (query, query)
    request = GetPredictions(source.run.run, last, count)
    found, _ = await ask(source.engine, request, Predictions, line)
    entries = tuple(Entry(visible(one.text), None, one.probability) for one in found.entries)
    title = f"{sanitise(found.what)}, at {last} {quote(side.tokens[last].text)}"
    if source.model.predicts != "next" or not first:
        return Outlook(title, entries)
    return Outlook(title, entries, await _itself(source, side.tokens[first], first, line))


async def _itself(source: Source, token: Token, at: int, line: ProgressLine) -> str:
    """How likely a token was to the position before it."""
    request = GetLogits(source.run.run, (at - 1, at))
    _, arrays = await ask(source.engine, request, Arrays, line)
    probability, rank = standing(arrays[0][0], token.id)
    return f"{at} {quote(token.text)} itself was expected with {probability:.3f}, number {rank:,}"
