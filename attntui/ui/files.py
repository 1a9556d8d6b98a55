"""A look as a file: the view in sight, or all heads where a page shows small maps of them.

Imported when the first file is written: it needs numpy, and the first paint does not wait for that.
"""

from attntui.core.errors import UserError
from attntui.core.protocol import Lens, LessWeights, PromptInput
from attntui.export.file import Looks, fill, kind_of
from attntui.export.matrices import Numbers, Wanted, numbers_of, sections
from attntui.export.source import Source
from attntui.export.tower import choose_tower
from attntui.export.write import whole_file
from attntui.ui.session import Session
from attntui.ui.state import Look


async def write_look(path: str, force: bool, look: Look, session: Session) -> tuple[str, ...]:
    """Write what a look shows, the kind of file told by its suffix; what the user should know.

    Raises:
        FileExists: the file exists and `force` is not given.
        UserError: it cannot be written, or no kind has this suffix.
        EngineGone, EngineFault: the engine failed.
    """
    kind = kind_of(path)
    with whole_file(path, force) as stream:
        looks = Looks(scale=look.scale)
        return await fill(stream, kind, _source(look, session), _numbers(look), looks)


def _source(look: Look, session: Session) -> Source:
    assert look.model is not None and look.run is not None
    prompt = session.prompt or PromptInput(text="")  # a file has none
    edits = look.before_edits if look.shown == "before" else look.edits
    return Source(session.engine, look.model, look.run, prompt, edits=edits)


def _numbers(look: Look) -> Numbers:
    assert look.model is not None and look.run is not None
    if isinstance(look.view, Lens | LessWeights):
        raise UserError("What a lens shows is written from the shell: attntui export --lens.")
    if look.page not in {"layer", "model"}:
        return numbers_of(look.model, look.run, look.view, look.own_reading)
    layers = ((look.layer, look.layer),) if look.page == "layer" else None
    tower = choose_tower(look.model, look.run, look.stack, layers, None, look.words)
    return Numbers(tower, sections(tower, Wanted()), look.own_reading)
