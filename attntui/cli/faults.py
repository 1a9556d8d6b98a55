"""A fault of ours: one sentence for the terminal, everything else in a log."""

import tempfile
import time
import traceback
from pathlib import Path

import platformdirs

from attntui.client.errors import EngineFault, EngineGone
from attntui.core.tokens import sanitise_lines


def report(error: BaseException) -> str:
    """Append `error` with its traceback to the log; one sentence that says where that is."""
    said = isinstance(error, EngineGone | EngineFault)
    sentence = str(error) if said else f"internal error: {type(error).__name__}: {error}"
    sentence = sentence.rstrip().removesuffix(".")
    text = "".join(traceback.format_exception(error))
    entry = f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{sanitise_lines(text)}\n"
    for folder in (platformdirs.user_log_path("attntui"), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "attntui.log").open("a", encoding="utf-8") as log:
                log.write(entry)
        except OSError:
            continue
        return f"{sentence} (log: {log.name})."
    return f"{sentence} (the log could not be written)."
