"""A prompt run by an engine of its own, for commands that do one job and exit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attntui.cli.progress import ProgressLine
from attntui.client.engine import Engine, EngineFault, EngineGone
from attntui.client.questions import edit, load, trace
from attntui.core.protocol import Edits, ModelOptions, PromptInput
from attntui.export.source import Source

RUN = 1


@asynccontextmanager
async def traced(
    options: ModelOptions, prompt: PromptInput, edits: Edits, line: ProgressLine
) -> AsyncIterator[Source]:
    """Load the model, run the prompt with its edits, and end the engine with the block.

    Raises:
        UserError: a bad model or prompt.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    engine = Engine()
    try:
        async with engine:
            model = await load(engine, options, line)
            run = await trace(engine, RUN, prompt, line)
            if edits:
                run = await edit(engine, RUN + 1, RUN, edits, line)
            yield Source(engine, model, run, prompt, edits)
    except (EngineGone, EngineFault) as error:
        error.add_note("The engine's log:\n" + "\n".join(engine.log))
        raise
