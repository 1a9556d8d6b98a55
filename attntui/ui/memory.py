"""What is kept between sessions: prompts, the place where one left, and the models used last.

Plain files in the platform's state folder, private to the user. A session may end at any moment, by
a lost connection or a kill, so the place is written while it changes and each file whole.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import msgspec
from platformdirs import user_state_path

from attntui.core.protocol import ModelOptions, PromptInput
from attntui.ui.state import Look

PROMPTS, PLACE, MODELS = "prompts.jsonl", "session.json", "models.json"
KEPT_PROMPTS, KEPT_MODELS = 500, 20

Kind = TypeVar("Kind")


class Past(msgspec.Struct, frozen=True):
    """A prompt as it was typed; `second` is a pair's second sentence, or a decoder's text."""

    text: str
    second: str = ""


class Place(msgspec.Struct, frozen=True):
    """Where a session is: what `--resume` opens. `draft` was typed and has not run."""

    options: ModelOptions
    prompt: PromptInput | None
    look: Look
    draft: Past | None = None


@dataclass
class Memory:
    """The state folder. What cannot be written or read is done without, never in the way."""

    folder: Path = field(default_factory=lambda: user_state_path("attntui", appauthor=False))

    def prompts(self) -> list[Past]:
        """The prompts that ran or were laid aside, the newest last."""
        found = [past for line in self._lines(PROMPTS) if (past := _decoded(line, Past))]
        latest = {past: at for at, past in enumerate(found)}
        return sorted(latest, key=latest.__getitem__)[-KEPT_PROMPTS:]

    def add_prompt(self, past: Past) -> None:
        """One line at the end: two sessions at once lose none."""
        with suppress(OSError):
            self._make_folder()
            path = self.folder / PROMPTS
            with open(path, "ab", opener=_private) as file:
                file.write(msgspec.json.encode(past) + b"\n")
            if path.stat().st_size > KEPT_PROMPTS * 4_000:
                self._write(PROMPTS, b"".join(self._lines(PROMPTS)[-KEPT_PROMPTS:]))

    def place(self) -> Place | None:
        """Where the last session was; None where none is known."""
        with suppress(OSError):
            return _decoded((self.folder / PLACE).read_bytes(), Place)
        return None

    def keep_draft(self, in_box: Past | None) -> None:
        """Put what the last session left unrun among the prompts, where it is not in the box:
        this session's place replaces it."""
        place = self.place()
        if place is not None and place.draft is not None and place.draft != in_box:
            self.add_prompt(place.draft)

    def save_place(self, place: Place) -> None:
        look = replace(place.look, model=None, run=None)
        self._write(PLACE, msgspec.json.encode(msgspec.structs.replace(place, look=look)))

    def models(self) -> list[ModelOptions]:
        """The models used last, the newest first."""
        with suppress(OSError):
            return _decoded((self.folder / MODELS).read_bytes(), list[ModelOptions]) or []
        return []

    def add_model(self, options: ModelOptions) -> None:
        others = [each for each in self.models() if each.model != options.model]
        self._write(MODELS, msgspec.json.encode([options, *others][:KEPT_MODELS]))

    def write_copy(self, text: str) -> Path | None:
        """Keep a copied text as a file, for terminals without a clipboard; None where it cannot."""
        return self._write("copied.txt", text.encode())

    def _lines(self, name: str) -> list[bytes]:
        with suppress(OSError):
            return (self.folder / name).read_bytes().splitlines(keepends=True)
        return []

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _write(self, name: str, data: bytes) -> Path | None:
        """Replace a file whole."""
        path = self.folder / name
        partial = self.folder / f".{name}-{secrets.token_hex(4)}"
        try:
            self._make_folder()
            with open(partial, "xb", opener=_private) as file:
                file.write(data)
            partial.replace(path)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            return None
        return path


def _private(path: str, flags: int) -> int:
    """Opens a file that others may not read."""
    return os.open(path, flags, 0o600)


def _decoded(data: bytes, kind: type[Kind]) -> Kind | None:
    """What a file says, None where another version or another program wrote it."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def past_of(prompt: PromptInput) -> Past:
    """A prompt as it would have been typed."""
    return Past(prompt.text, prompt.pair or prompt.decoder_text or "")
