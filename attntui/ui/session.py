"""The engine on behalf of the screen: start, load, run, cancel, free, and start again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual.message import Message

from attntui.client.cache import AnswerCache
from attntui.client.engine import Engine, EngineFault, EngineGone
from attntui.core.amounts import how_far
from attntui.core.errors import NoRoom, TryAgain, UserError
from attntui.core.protocol import (
    Edit,
    Edits,
    Keep,
    Load,
    Loaded,
    ModelInfo,
    ModelOptions,
    Open,
    Progress,
    PromptInput,
    Reply,
    Request,
    RunInfo,
    Trace,
    Traced,
    Unload,
)
from attntui.core.tokens import sanitise
from attntui.ui.deaths import MOST, SHORTER, WAYS_ON, Deaths, Doing, fewer
from attntui.ui.examples import example_prompt
from attntui.ui.memory import Past
from attntui.ui.messages import (
    EditReady,
    EditRefused,
    Idle,
    ModelReady,
    Refused,
    RunReady,
    Trouble,
    Waiting,
)

if TYPE_CHECKING:
    import numpy as np

SOON = 0.3
"""Seconds from a run to when the engine drops the others: to collect garbage takes it 10 to 20 ms,
in which the run's first picture would wait."""
RESTS = 10.0
"""Seconds from a run to when the engine gives the memory back that it does not need any more."""
NO_PROMPT = PromptInput(text="")
"""A file of attention has its one run, whatever the prompt."""


@dataclass
class Session:
    """One engine, one model, one prompt; or a file of attention in place of both.

    Whatever happens is told by messages; nothing here raises but cancellation. `prompt` is what
    runs next, so it outlives the engine.
    """

    options: ModelOptions
    prompt: PromptInput | None
    post: Callable[[Message], object]
    engine: Engine
    file: str | None = None
    model: ModelInfo | None = None
    busy: bool = False
    _cache: AnswerCache = field(default_factory=AnswerCache)
    base: int | None = None
    """The run of the prompt as it is, without edits."""
    held: frozenset[int] = frozenset()
    """The runs that the engine can be asked about."""
    pinned: int | None = None
    """A run that is kept while others come and go."""
    _closed: bool = False
    _runs: int = 0
    _turns: int = 0
    offered: str | None = None
    """What `record` R makes of the present one."""
    _deaths: Deaths = field(default_factory=Deaths)
    _doing: Doing = "load"
    """What the engine was last asked for that may take much memory."""
    _drops: list[asyncio.TimerHandle] = field(default_factory=list)
    _last_model: ModelInfo | None = None
    """The one that was loaded last, whether or not the engine lives."""

    def __post_init__(self) -> None:
        self.engine.on_exit = self._engine_ended

    def _engine_ended(self, gone: EngineGone) -> None:
        """The engine ended by itself. While something waits for it, that call says so."""
        self.model = self.base = None
        self.held = frozenset()
        if not self.busy:
            again = not gone.asked or self._deaths.is_worth_another_try(gone, "show", self.prompt)
            way_on = "It starts again by itself." if again else WAYS_ON["show"]
            self.post(EngineEnded(f"{gone} {way_on}", again))

    async def run(self, past: Past | None = None) -> None:
        """Do what is left to do until the prompt (`past`, or the one before) has run."""
        if past is not None and self.file is None:
            self.prompt = self.reading(past)
        self._turns += 1
        turn, self.busy = self._turns, True
        try:
            while not await self._attempt():
                pass
        finally:
            if turn == self._turns:  # else a newer call cancelled this one, and is at work
                self.busy = False
                self.post(Idle())

    @property
    def is_two_sided(self) -> bool:
        """Whether a second text is the decoder's, and not a second sentence."""
        return self.model is not None and any(each.name == "cross" for each in self.model.stacks)

    def reading(self, past: Past) -> PromptInput:
        """A typed prompt as the model is to read it; options of the command line stay."""
        second = past.second or None
        before = self.prompt or PromptInput(text=past.text)
        ids = before.ids if past.text == before.text else None
        if self.is_two_sided:
            written = before.decoder_ids if second == before.decoder_text else None
            return replace(
                before, text=past.text, decoder_text=second, pair=None, ids=ids, decoder_ids=written
            )
        return replace(
            before, text=past.text, pair=second, decoder_text=None, ids=ids, decoder_ids=None
        )

    async def _attempt(self) -> bool:
        """Start, load, run; False when the engine died and it is worth another try."""
        try:
            await self._start()
            await self._load()
            await self._trace()
        except EngineGone as gone:
            return self._died(gone)
        except NoRoom as error:
            self.offered = "fit"
            self.post(Trouble(f"{error} R records what fits."))
        except UserError as error:
            hopeless = self.file is not None and self.model is None
            said = f"{error} R tries again." if isinstance(error, TryAgain) else str(error)
            self.post(Refused(said) if hopeless else Trouble(said))
        except EngineFault as fault:
            self.post(Trouble(f"This is a fault of attntui: {sanitise(str(fault))} (L: log)"))
        return True

    def _died(self, gone: EngineGone) -> bool:
        doing, offered = self._doing, fewer(self._last_model, self.options.record)
        self.model = self.base = None
        self.held = frozenset()
        if self._closed:
            return True
        if self._deaths.is_worth_another_try(gone, doing, self.prompt):
            self.post(Trouble(f"{gone} It starts again by itself.", lasts=True))
            return False
        if not gone.of_memory:
            self.post(Trouble(f"{gone} It ended {MOST} times; R tries again, L shows its log."))
            return True
        self.offered = offered if doing == "run" else None
        way_on = WAYS_ON[doing].format(fewer=offered)
        self.post(Trouble(f"{gone} {SHORTER if doing == 'run' and offered is None else way_on}"))
        return True

    async def _start(self) -> None:
        if not self.engine.alive:
            self.model = self.base = None
            self.held = frozenset()
            self.post(Waiting(self._starting))
            await self.engine.start()

    @property
    def _starting(self) -> str:
        name = self.engine.place.name
        return f"starting the engine on {name}" if name else "starting the engine"

    async def _load(self) -> None:
        if self.model is not None:
            return
        self._doing = "load"
        if self.file is not None:
            request: Request = Open(self.file)
            self.post(Waiting("reading the file"))
        else:
            request = Load(self.options, self._keep)
            self.post(Waiting(f"loading {sanitise(self.options.model)}"))
        reply, _ = await self.engine.ask(request, self.tell)
        assert isinstance(reply, Loaded)
        self.model, self.base = reply.model, None
        self._last_model = reply.model
        self.held = frozenset(self._keep)
        if self.prompt is None and self.file is None:
            self.prompt = example_prompt(self.options.model, reply.model)
        self.post(ModelReady(reply.model))

    async def open(self, options: ModelOptions, prompt: PromptInput | None = None) -> None:
        """Load another model and run a prompt; where that fails, what was there before stays.

        Without `prompt` the present text is read anew: another vocabulary has other tokens. A
        pinned run is kept, and its model with it.
        """
        before, held = (self.options, self.prompt, self.file), self.model
        self.options, self.model, self.file = options, None, None
        self.prompt = prompt or _read_anew(self.prompt)
        is_given_up = True
        try:
            await self.run()
            is_given_up = False
        finally:
            if self.model is None and self.options is options:
                self.options, self.prompt, self.file = before
                self.model = None if is_given_up or not self.engine.alive else held

    async def _trace(self) -> None:
        prompt = self.prompt if self.file is None else NO_PROMPT
        if prompt is None:
            return
        self._doing = "run"
        self.post(Waiting("running the prompt"))
        self._runs += 1
        spare = tuple(self.held.difference(self._keep))
        request = Trace(self._runs, prompt, tuple(self.held), spare, self.options.record)
        reply, _ = await self.engine.ask(request, self.tell)
        assert isinstance(reply, Traced)
        self._deaths.survived()
        self._cache.clear()
        self.base, self.held = reply.info.run, frozenset({reply.info.run, *self._keep})
        self._drop_others_soon()
        self.post(RunReady(reply.info))

    def accept(self) -> None:
        """What was offered is done from now on."""
        if self.offered is not None:
            self.options = replace(self.options, record=self.offered)
            self.offered = None

    @property
    def _keep(self) -> tuple[int, ...]:
        return () if self.pinned is None or self.pinned not in self.held else (self.pinned,)

    async def edit(self, edits: Edits) -> None:
        """Run the prompt once more with edits; the run without stays, to be compared with."""
        base, self._turns = self.base, self._turns + 1
        turn, self.busy = self._turns, True
        try:
            if base is None:
                return
            self._runs += 1
            self.post(Waiting("running with edits"))
            request = Edit(self._runs, base, edits, tuple(self.held))
            reply, _ = await self.engine.ask(request, self.tell)
            assert isinstance(reply, Traced)
            self.held = frozenset({base, reply.info.run, *self._keep})
            self._drop_others_soon()
            self.post(EditReady(edits, reply.info))
        except (UserError, EngineFault, EngineGone) as error:
            self.post(EditRefused(str(error)))
        finally:
            if turn == self._turns:
                self.busy = False
                self.post(Idle())

    def rest(self) -> None:
        """Nothing is at work, however that came."""
        if self.busy:
            self.busy = False
            self.post(Idle())

    def next_run(self) -> int:
        """The number of a run that is to be made."""
        self._runs += 1
        return self._runs

    def adopt(self, run: RunInfo) -> None:
        """A run of the present prompt that was made otherwise than by running it."""
        self._deaths.survived()
        self._cache.clear()
        self.base, self.held = run.run, frozenset({run.run, *self._keep})
        self._drop_others_soon()
        self.post(RunReady(run))

    def _drop_others_soon(self) -> None:
        """Have the engine drop the runs that are not held, and give back their memory once it
        rests; later, while a run is in the making."""
        for timer in self._drops:
            timer.cancel()
        later = asyncio.get_running_loop().call_later
        self._drops = [
            later(seconds, self._drop_others, tight)
            for seconds, tight in ((SOON, False), (RESTS, True))
        ]

    def _drop_others(self, tight: bool) -> None:
        if self._closed:
            return
        if self.busy:
            self._drop_others_soon()
        else:
            self.engine.tell(Keep(tuple(self.held), tight))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The engine is at work inside, until this ends or a newer call takes over."""
        self._turns += 1
        turn, self.busy = self._turns, True
        try:
            yield
        finally:
            if turn == self._turns:
                self.busy = False
                self.post(Idle())

    def tell(self, progress: Progress) -> None:
        """Say how far something is."""
        share = progress.done / progress.total if progress.total else None
        # Of other things than bytes the bar says enough, unless there is something to note.
        counts = progress.unit == "B" or bool(progress.note)
        self.post(Waiting(how_far(progress) if counts else sanitise(progress.stage), share))

    def known(self, request: Request) -> tuple[Reply, list[np.ndarray]] | None:
        """The answer, if it came before."""
        return self._cache.get(request)

    async def latest(
        self, slot: str, request: Request, progress: Callable[[Progress], None] | None = None
    ) -> tuple[Reply, list[np.ndarray]]:
        """Ask for something shown; the newest request of a slot wins."""
        reply, arrays = await self.engine.latest(slot, request, progress)
        self._cache.put(request, reply, arrays)
        return reply, arrays

    async def free(self) -> None:
        """Free the device; the prompt and the place stay, and running loads again."""
        if self.model is None or not self.engine.alive:
            return
        try:
            await self.engine.ask(Unload())
        except (EngineGone, EngineFault, UserError) as error:
            self.post(Trouble(sanitise(str(error))))
        self.model = self.base = None
        self.held = frozenset()
        self.post(Idle())

    async def close(self) -> None:
        """End the engine; no child is left."""
        self._closed = True
        self.engine.on_exit = None
        await asyncio.shield(self.engine.stop())


def _read_anew(prompt: PromptInput | None) -> PromptInput | None:
    """A prompt whose tokens follow from its text."""
    if prompt is None or (prompt.ids is None and prompt.decoder_ids is None):
        return prompt
    return replace(prompt, ids=None, decoder_ids=None)


class EngineEnded(Message):
    """The engine ended while the prompt was not running; whether it is to start again."""

    def __init__(self, sentence: str, again: bool) -> None:
        super().__init__()
        self.sentence, self.again = sentence, again
