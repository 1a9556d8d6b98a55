"""A prompt run by an engine of its own, for commands that do one job and exit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from attntui.cli.generation import Generation
from attntui.cli.progress import ProgressLine
from attntui.client.engine import Engine, EngineFault, EngineGone
from attntui.client.questions import continued, edit, load, trace
from attntui.core.protocol import Edits, ModelOptions, PromptInput
from attntui.export.source import Source


@asynccontextmanager
async def traced(
    options: ModelOptions,
    prompt: PromptInput,
    edits: Edits,
    line: ProgressLine,
    generation: Generation | None = None,
) -> AsyncIterator[Source]:
    """Load the model, run the prompt with its edits and what the model adds to it, and end the
    engine with the block.

    Raises:
        UserError: a bad model or prompt.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    engine = Engine()
    try:
        async with engine:
            model = await load(engine, options, line)
            numbers = count(1)
            run = await trace(engine, next(numbers), prompt, line)
            if edits:
                run = await edit(engine, next(numbers), run.run, edits, line)
            sampling = None
            if generation is not None:
                sampling = generation.sampling
                run = await continued(
                    engine, numbers, run.run, edits, generation.count, sampling, line
                )
            prompt = run.generated.prompt if run.generated is not None else prompt
            yield Source(engine, model, run, prompt, edits, sampling)
    except (EngineGone, EngineFault) as error:
        error.add_note("The engine's log:\n" + "\n".join(engine.log))
        raise
