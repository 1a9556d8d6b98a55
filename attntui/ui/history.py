"""Every run of the session, as a tree: what was changed, and from where one went on.

Only what decides a run is kept. Going back runs it again, and gives the same.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from attntui.core.edit_names import cut_name, head_name
from attntui.core.protocol import Edits, ModelOptions, PromptInput
from attntui.core.tokens import sanitise
from attntui.render.labels import ELLIPSIS

SHORT, LONG = 24, 48
"""Characters of a changed part that are told, and of a whole text."""
NO_EDITS = Edits()
_PARTS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class State:
    """What decides a run."""

    model: ModelOptions
    prompt: PromptInput
    edits: Edits = NO_EDITS


@dataclass(eq=False)
class Node:
    """A run, the one it was made from, and those made from it, the newest last."""

    state: State
    change: str
    """How it differs from the one before, in a few words made safe."""
    before: "Node | None" = None
    after: "list[Node]" = field(default_factory=list)


class History:
    """The tree, and where in it one is."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.here: Node | None = None

    def add(self, state: State) -> None:
        """A run is in sight. One that is the present one, the one before or one after is that."""
        here = self.here
        if here is None:
            self.root = self.here = Node(state, difference(None, state))
            return
        for near in (here, *([here.before] if here.before else []), *reversed(here.after)):
            if near.state == state:
                self.here = near
                return
        self.here = Node(state, difference(here.state, state), here)
        here.after.append(self.here)

    def lines(self) -> Iterator[tuple[str, Node]]:
        """Every run with the branches drawn before it; a run that has one after it needs none."""
        if self.root is not None:
            yield from _lines(self.root, "", "")


def _lines(node: Node, lead: str, rest: str) -> Iterator[tuple[str, Node]]:
    """`lead` is drawn before the first line, `rest` before those that go on from it."""
    yield lead, node
    while len(node.after) == 1:
        (node,) = node.after
        yield rest, node
    for child in node.after:
        is_last = child is node.after[-1]
        mark, under = ("└ ", "  ") if is_last else ("├ ", "│ ")
        yield from _lines(child, rest + mark, rest + under)


def difference(before: State | None, after: State) -> str:
    """What changed, in a few words; of the first run, its text."""
    if before is None:
        return _quoted(after.prompt.text, LONG)
    parts = []
    if before.model != after.model:
        same = before.model.model == after.model.model
        parts.append(sanitise(after.model.model) + (" opened otherwise" if same else ""))
    if before.prompt != after.prompt:
        parts.append(_of_prompts(before.prompt, after.prompt))
    if before.edits != after.edits:
        parts.append(_of_edits(before.edits, after.edits))
    return " · ".join(parts) or "the same again"


def _of_prompts(before: PromptInput, after: PromptInput) -> str:
    texts = [
        (one or "", other or "")
        for one, other in (
            (before.text, after.text),
            (before.pair, after.pair),
            (before.decoder_text, after.decoder_text),
        )
        if (one or "") != (other or "")
    ]
    return ", ".join(_of_texts(*each) for each in texts) or "read otherwise"


def _of_texts(before: str, after: str) -> str:
    """`‘cat’ → ‘dog’`, `‘cat’ deleted`, `‘cat’ added`; of one that differs much, its beginning."""
    old, new = _PARTS.findall(before), _PARTS.findall(after)
    start = _same(old, new)
    stop = _same(old[start:][::-1], new[start:][::-1])
    gone, come = ("".join(each[start : len(each) - stop]).strip() for each in (old, new))
    if max(len(gone), len(come)) > SHORT or not (gone or come):
        return f"new text {_quoted(after, LONG)}"
    if not come:
        return f"{_quoted(gone)} deleted"
    return f"{_quoted(gone)} → {_quoted(come)}" if gone else f"{_quoted(come)} added"


def _same(old: list[str], new: list[str]) -> int:
    """How many at the beginning are the same."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(old), len(new)))


def _quoted(text: str, most: int = SHORT) -> str:
    safe = sanitise(text)
    return f"‘{safe}’" if len(safe) <= most else f"‘{safe[: most - 1]}{ELLIPSIS}’"


def _of_edits(before: Edits, after: Edits) -> str:
    if not after:
        return "all heads on, all edges whole"
    parts = [f"{head_name(each)} off" for each in after.ablated if each not in before.ablated]
    parts += [f"{head_name(each)} on" for each in before.ablated if each not in after.ablated]
    parts += [f"cut {cut_name(each)}" for each in after.cuts if each not in before.cuts]
    parts += [f"{cut_name(each)} whole" for each in before.cuts if each not in after.cuts]
    if before.ablate_with != after.ablate_with and after.ablated:
        parts.append("zeros" if after.ablate_with == "zero" else "at the mean")
    return ", ".join(parts)
