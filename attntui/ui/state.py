"""What is looked at: one small immutable value. A key changes it; everything shown follows."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from msgspec.structs import replace as replace_struct

from attntui.core.head_tables import HeadTable
from attntui.core.pairs import sentence_boundary
from attntui.core.protocol import (
    Basis,
    Between,
    Chosen,
    Edits,
    Flow,
    Gradient,
    Head,
    HeadFusion,
    LessWeights,
    Mean,
    Measure,
    ModelInfo,
    Norm,
    Pooling,
    Reading,
    Relevance,
    Rollout,
    RunInfo,
    SideInfo,
    Sinks,
    Stack,
    StackInfo,
    Target,
    View,
    Word,
)
from attntui.core.scale import Scale
from attntui.ui.beside import counterpart, follow, same_outputs
from attntui.ui.choices import (
    LENS_PAGES,
    MAP_PAGES,
    NEEDS_AIM,
    PLACE,
    WAY,
    Axis,
    Lens,
    Lensed,
    LensShown,
    MapKind,
    Method,
    PageName,
    Shown,
    Unit,
)


@dataclass(frozen=True)
class RolloutOptions:
    """Options of attention rollout; the defaults are Abnar & Zuidema's."""

    residual: float = 0.5
    start_layer: int = 0
    head_fusion: HeadFusion = "mean"
    discard_ratio: float = 0.0


@dataclass(frozen=True)
class Look:
    """A run, a head, a cell, and how they are shown.

    `query` and `key` are positions of tokens, or of words where `words` is set.
    """

    model: ModelInfo | None = None
    run: RunInfo | None = None
    page: PageName = "grid"
    stack: Stack = "self"
    layer: int = 0
    head: int = 0
    query: int = 0
    key: int = 0
    lens: Lens = "head"
    chosen: tuple[tuple[int, int], ...] = ()
    """Heads chosen to be seen together, as (layer, head)."""
    map: MapKind = "cell"
    tables: tuple[HeadTable, ...] = ()
    """What files say of this model's heads, for the head map."""
    basis: Basis = "prompt"
    scale: Scale = "linear"
    threshold: float = 0.0
    """Weights below it are not drawn; no number changes."""
    pooling: Pooling = "max"
    """What a cell of many weights shows: their largest, or their mean."""
    words: bool = False
    left: tuple[int, int] = (0, 0)
    """Where words are looked at: the tokens, as (query, key), that the cursor was at before."""
    sinks: Sinks = "show"
    between: Between = "all"
    marked_queries: frozenset[int] = frozenset()
    marked_keys: frozenset[int] = frozenset()
    rollout: RolloutOptions = RolloutOptions()
    edits: Edits = field(default_factory=Edits)
    """What is changed in the model's attention."""
    before_edits: Edits = field(default_factory=Edits)
    """What was changed in the run before."""
    before: RunInfo | None = None
    """The run that the present one, `after`, is compared with; None where there is one run."""
    after: RunInfo | None = None
    shown: Shown = "after"
    is_retyped: bool = False
    """Whether `before` is the run of the text before it was changed."""
    facing: "Look | None" = None
    """The look that this one is compared with: as it was when it was pinned; or, where the run
    before is in sight, the look at the present one. None: the same look, at another run."""
    beside: bool = False
    """Whether both runs are in sight, side by side."""
    method: Method = "weights"
    lens_shown: LensShown = "lens"
    """Whether a lens is shown, or beside it the weights, or their difference."""
    aim: Target | None = None
    """The logit that gradient, relevance and the direct parts of heads are of."""
    aim_text: str = ""
    """The same in words, made safe."""
    target: Measure | None = None
    """What the head map's effects are effects on."""
    swaps: bool = False
    """Whether words were swapped, so that the head map can be coloured by what follows order."""
    expects: bool = False
    """Of a model that writes on, the predictions are of the query's own token, made before it."""
    estimates: bool = False
    """Effects estimated from one backward pass, not exact ones."""
    beyond: int = 8
    """Tokens that the distance page counts weights beyond."""
    ordered: bool = False
    """Small maps in the order of the head map's values, largest first, not by layer and head."""

    @property
    def stacks(self) -> tuple[StackInfo, ...]:
        """The stacks of the run, or of the model before its first run."""
        if self.run is not None:
            return self.run.stacks
        return self.model.stacks if self.model is not None else ()

    @cached_property
    def stack_info(self) -> StackInfo | None:
        """The stack looked at; None before a model is loaded."""
        return next((stack for stack in self.stacks if stack.name == self.stack), None)

    @property
    def is_given(self) -> bool:
        """Whether the weights are a file's, and what it left out is nowhere."""
        return self.model is not None and self.model.capture == "given"

    def side(self, axis: Axis) -> SideInfo | None:
        """The side along an axis of the present stack; None before a run."""
        stack = self.stack_info
        if self.run is None or stack is None:
            return None
        name = stack.queries if axis == "queries" else stack.keys
        return next(side for side in self.run.sides if side.name == name)

    def units(self, axis: Axis) -> tuple[Unit, ...]:
        """The tokens along an axis, or the words."""
        side = self.side(axis)
        if side is None:
            return ()
        return side.words if self.words and side.words else side.tokens

    @cached_property
    def queries(self) -> tuple[Unit, ...]:
        return self.units("queries")

    @cached_property
    def keys(self) -> tuple[Unit, ...]:
        return self.units("keys")

    @property
    def boundary(self) -> int | None:
        """Where the second sentence of a pair begins; None where the queries do not see one."""
        stack = self.stack_info
        same = stack is not None and stack.queries == stack.keys
        return sentence_boundary(self.queries) if same else None

    def token(self, axis: Axis) -> int:
        """The token at the cursor: of a word its last, which has read the whole of it."""
        return self.token_at(axis, self.query if axis == "queries" else self.key)

    def token_at(self, axis: Axis, at: int) -> int:
        """The token of a row or column."""
        units = self.units(axis)
        unit = units[at] if at < len(units) else None
        return unit.last if isinstance(unit, Word) else at

    def _left(self, axis: Axis) -> int:
        """The token that the word at the cursor came from; where it came from none, its last."""
        at, left = (self.query, self.left[0]) if axis == "queries" else (self.key, self.left[1])
        return left if self.unit_of(axis, left) == at else self.token(axis)

    def unit_of(self, axis: Axis, token: int) -> int:
        """The position of a token: itself, or of the word that holds it."""
        return _carried(replace(self, words=False), self, axis, token) if self.words else token

    @property
    def predicted_at(self) -> int:
        """The token after which the listed predictions are; -1 where nothing is before the query's.

        Of a word that is expected, that before its first.
        """
        if not self.expects or self.model is None or self.model.predicts != "next":
            return self.token("queries")
        unit = self.queries[self.query] if self.query < len(self.queries) else None
        return (unit.first if isinstance(unit, Word) else self.query) - 1

    @property
    def reading(self) -> Reading:
        """How the matrix is read, as the engine names it."""
        if self.before is None or self.shown != "difference" or self.why_apart:
            return self.own_reading
        other = self._in_the_way_of("before").view
        view = other if self.page not in MAP_PAGES and other != self.view else None
        if view is None and self.before is self.after:
            return self.own_reading
        return Reading(self.words, self.sinks, self.between, self.before.run, view)

    @property
    def heads_reading(self) -> Reading:
        """As `reading`, of all heads at once, each against the head of its own name."""
        if self.before is self.after:
            return self.own_reading
        return replace_struct(self.reading, against_view=None)

    @property
    def own_reading(self) -> Reading:
        """As `reading`, of the one run: for what does not show differences."""
        return Reading(self.words, self.sinks, self.between)

    @property
    def view(self) -> View:
        """The matrix looked at, as the engine names it."""
        view = self._own_view
        if self.lens_shown == "lens" or not self.has_lens or not isinstance(view, Lensed):
            return view
        less = LessWeights(view)
        return less if self.lens_shown == "difference" else less.weights

    @property
    def has_lens(self) -> bool:
        """Whether a lens or rollout is looked at where it can be seen beside the weights."""
        return self.page in LENS_PAGES and (self.method != "weights" or self.lens == "rollout")

    @property
    def _own_view(self) -> View:
        """The matrix looked at, whatever it is seen beside."""
        if self.method != "weights" and self.page in LENS_PAGES:
            return self._lens_view
        if self.lens == "head":
            return Head(self.stack, self.layer, self.head)
        if self.lens == "chosen":
            return Chosen(self.stack, self.chosen)
        if self.lens == "rollout":
            chosen = self.rollout
            return Rollout(
                self.stack,
                chosen.residual,
                chosen.start_layer,
                chosen.head_fusion,
                chosen.discard_ratio,
            )
        return Mean(self.stack, self.layer if self.lens == "mean" else None)

    @property
    def _lens_view(self) -> View:
        """The matrix that a lens makes; of a mean, that of all heads of the layer together."""
        head = self.head if self.lens == "head" else None
        if self.method == "flow":
            return Flow(self.stack)
        if self.method == "norm" or self.aim is None:
            return Norm(self.stack, self.layer, head)
        if self.method == "gradient":
            return Gradient(self.stack, self.layer, head, self.aim)
        return Relevance(self.stack, self.aim)

    @property
    def shows_head(self) -> bool:
        """Whether the head at the cursor is in sight by itself: looked at, or one of small maps."""
        return self.lens == "head" or self.page in {"layer", "model", "neuron", "distance"}

    def compare(
        self, before: RunInfo | None, after: RunInfo | None, is_retyped: bool = False
    ) -> "Look":
        """Two runs side by side, or (None) the present one alone."""
        shown = self.shown
        look = self.showing("after") if shown == "before" else self
        run = after or look.after or look.run
        look = replace(look, run=run, before=before, after=after, is_retyped=is_retyped)
        return look.showing(shown)

    def showing(self, shown: Shown) -> "Look":
        """The new run, the one before, or their difference; the cursor stays where it is in the
        text."""
        if self.before is None or self.after is None:
            return replace(self, before=None, after=None, shown="after")
        return follow(self, self._in_the_way_of(shown)).settle()

    def _in_the_way_of(self, shown: Shown) -> "Look":
        """The look at one of the runs, as that is looked at, wherever the cursor is."""
        run = self.before if shown == "before" else self.after
        look = replace(self, run=run, shown=shown)
        if self.facing is None or (self.shown == "before") == (shown == "before"):
            return look
        way = WAY if self.before is not self.after else (*WAY, *PLACE)
        kept = {name: getattr(self.facing, name) for name in way}
        mine = replace(self, before=None, after=None, shown="after", facing=None)
        return replace(look, **kept, facing=mine)

    def in_step(self, was: "Look") -> "Look":
        """With what it is compared with looked at alike, where that is another run, and both were
        looked at alike before this change: so `m` shows the means of two models."""
        facing = self.facing
        if facing is None or facing is not was.facing or self.before is self.after:
            return self
        if any(getattr(facing, name) != value for name, value in was._way_of(facing).items()):
            return self
        return replace(self, facing=replace(facing, **self._way_of(facing)))

    def _way_of(self, other: "Look") -> dict[str, Any]:
        """How this is looked at, as far as the other can be: no logit of another vocabulary."""
        runs = self.run, other.run
        is_same = runs[0] is None or runs[1] is None or same_outputs(runs[0], runs[1])
        look = self if is_same else self.without_logits()
        return {name: getattr(look, name) for name in WAY}

    @property
    def other(self) -> "Look | None":
        """The look at the run that this one is compared with; None where there is none. Its query
        or key is -1 where the token at the cursor has no counterpart."""
        if self.before is None or self.after is None:
            return None
        look = self._in_the_way_of("after" if self.shown == "before" else "before").settle()
        query = counterpart(self, look, "queries", self.query)
        key = counterpart(self, look, "keys", self.key)
        return replace(look, query=query, key=key)

    @property
    def is_compared(self) -> bool:
        """Whether there are two pictures: of two runs, or of one run in two ways."""
        if self.before is not self.after:
            return self.before is not None and self.after is not None
        if self.before is None or self.facing is None:
            return False
        other = self._in_the_way_of("after" if self.shown == "before" else "before")
        return (other.view, other.words) != (self.view, self.words)

    @property
    def why_apart(self) -> str:
        """Why the two pictures have no cells in common; empty where they have."""
        if self.before is None or self.facing is None:
            return ""
        if self.facing.words != self.words:
            units = [("words" if each.words else "tokens") for each in (self.facing, self)]
            return f"one picture is of {units[0]}, the other of {units[1]}"
        if self.before is self.after and self.facing.stack != self.stack:
            return "the two pictures are of other kinds of attention"
        return ""

    @property
    def is_off(self) -> bool:
        """Whether the head at the cursor is switched off."""
        return Head(self.stack, self.layer, self.head) in self.edits.ablated

    def settle(self) -> "Look":
        """This look with every index inside the present stack and run."""
        stacks = self.stacks
        if not stacks:
            return self
        stack = self.stack_info or stacks[0]
        layers = len(stack.layers)
        layer = min(max(self.layer, 0), layers - 1)
        if not stack.layers[layer].heads:
            attending = [at for at, info in enumerate(stack.layers) if info.heads]
            layer = min(attending, key=lambda at: abs(at - layer)) if attending else layer
        head = min(max(self.head, 0), max(stack.layers[layer].heads - 1, 0))
        chosen = tuple(
            (each, number)
            for each, number in self.chosen
            if each < layers and number < stack.layers[each].heads
        )
        lens: Lens = "head" if self.lens == "chosen" and not chosen else self.lens
        model = (self.run.model if self.run is not None else None) or self.model
        kept = replace(self, model=model, chosen=chosen, lens=lens)
        look = replace(kept, stack=stack.name, layer=layer, head=head)
        if look.run is None:  # a resumed place waits for its run
            return look
        look = look._in_reach()
        queries, keys = len(look.queries), len(look.keys)
        is_pair = look.boundary is not None
        return replace(
            look,
            between=self.between if is_pair else "all",
            map="cell" if self.map == "pair" and not is_pair else look._known_map(),
            query=min(max(self.query, 0), max(queries - 1, 0)),
            key=min(max(self.key, 0), max(keys - 1, 0)),
            marked_queries=frozenset(at for at in self.marked_queries if at < queries),
            marked_keys=frozenset(at for at in self.marked_keys if at < keys),
        )

    def _known_map(self) -> MapKind:
        """The head map's kind, where what it needs is there."""
        is_lost = (self.map == "shift" and self.before is self.after) or (
            self.map == "effect" and self.target is None
        )
        is_lost = is_lost or (self.map == "direct" and self.aim is None)
        is_lost = is_lost or (self.map == "order" and not self.swaps)
        return "cell" if is_lost else self.map

    def without_logits(self) -> "Look":
        """Without what is explained or measured: in another vocabulary it is another token."""
        method: Method = "weights" if self.method in NEEDS_AIM else self.method
        return replace(self, aim=None, aim_text="", target=None, method=method)

    def _in_reach(self) -> "Look":
        """Without what is explained or measured, where this text has no such place."""
        last = len(self.run.sides[-1].tokens) if self.run is not None else 0
        places = [each.position for each in (self.aim, self.target) if each is not None]
        return self if max(places, default=0) < max(last, 1) else self.without_logits()

    def move_layer(self, step: int) -> "Look":
        """The next layer that has attention, staying where there is none."""
        stack = self.stack_info
        if stack is None:
            return self
        layer = self.layer + step
        while 0 <= layer < len(stack.layers) and not stack.layers[layer].heads:
            layer += 1 if step > 0 else -1
        return replace(self, layer=layer).settle() if 0 <= layer < len(stack.layers) else self

    def move_head(self, step: int) -> "Look":
        return replace(self, head=self.head + step).settle()

    def move_cell(self, down: int, right: int) -> "Look":
        return replace(self, query=self.query + down, key=self.key + right).settle()

    def toggle_words(self) -> "Look":
        """Words for tokens, or back; the cursor and the marks stay where they are in the text."""
        other = replace(self, words=not self.words, left=(self.query, self.key))
        return replace(
            other,
            query=self._left("queries") if self.words else other.unit_of("queries", self.query),
            key=self._left("keys") if self.words else other.unit_of("keys", self.key),
            marked_queries=_carried_all(self, other, "queries", self.marked_queries),
            marked_keys=_carried_all(self, other, "keys", self.marked_keys),
        ).settle()


def _carried(before: Look, after: Look, axis: Axis, at: int) -> int:
    """The position after a change between words and tokens: a word's last token, a token's word."""
    units, others = before.units(axis), after.units(axis)
    if at >= len(units):
        return at
    unit = units[at]
    if isinstance(unit, Word):
        return unit.last
    words = (number for number, word in enumerate(others) if isinstance(word, Word))
    inside = (n for n in words if others[n].first <= at <= others[n].last)  # type: ignore[union-attr]
    return next(inside, at)


def _carried_all(before: Look, after: Look, axis: Axis, marks: frozenset[int]) -> frozenset[int]:
    """As `_carried`, for marks: a marked word marks all of its tokens."""
    units = before.units(axis)
    carried: set[int] = set()
    for at in marks:
        unit = units[at] if at < len(units) else None
        if isinstance(unit, Word):
            carried.update(range(unit.first, unit.last + 1))
        else:
            carried.add(_carried(before, after, axis, at))
    return frozenset(carried)
