"""What is kept between sessions: prompts, the place where one left, and the models used last.

Plain files in the platform's state folder, private to the user. A session may end at any moment, by
a lost connection or a kill, so the place is written while it changes and each file whole. Several
may be open at once: each has a file of its own for its place, and the one written last counts.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import msgspec
from platformdirs import user_state_path

from attntui.core.head_tables import HeadTable
from attntui.core.protocol import Edits, ModelOptions, PromptInput
from attntui.ui.state import Look

PROMPTS, MODELS, PLACES = "prompts.jsonl", "models.json", "session-*.json"
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
    _name: str = field(default_factory=lambda: PLACES.replace("*", secrets.token_hex(4)))
    """The file of this session's place."""
    _before: dict[Path, os.stat_result] = field(default_factory=dict)
    """The places that it takes over from, as they were then."""

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
        """The place written last, as every session does when it ends; None where none is known."""
        return next((place for place in map(_read_place, self._places()) if place), None)

    def take_over(self, in_box: Past | None) -> None:
        """Go on from the sessions before; their places go once this one has its own.

        What they left unrun joins the prompts, except for the one that is in the box again.
        """
        self._before = self._places()
        for place in map(_read_place, reversed(self._before)):
            if place is not None and place.draft not in {None, in_box}:
                self.add_prompt(place.draft)

    def save_place(self, place: Place) -> None:
        look = replace(
            place.look.showing("after"),
            model=None,
            run=None,
            before=None,
            after=None,
            facing=None,
            beside=False,
            shown="after",
            before_edits=Edits(),
            target=None,
            swaps=False,
            is_retyped=False,
            method="weights",
            lens_shown="lens",
            aim=None,
            aim_text="",
            map="cell" if isinstance(place.look.map, HeadTable) else place.look.map,
            tables=(),
        )
        data = msgspec.json.encode(msgspec.structs.replace(place, look=look))
        if self._write(self._name, data) is None:
            return
        for path, found in self._before.items():
            with suppress(OSError):
                if path.stat().st_ino == found.st_ino:  # else its session lives
                    path.unlink()
        self._before = {}

    def _places(self) -> dict[Path, os.stat_result]:
        """The files of all sessions, the newest first."""
        found: dict[Path, os.stat_result] = {}
        for path in self.folder.glob(PLACES):
            with suppress(OSError):
                found[path] = path.stat()
        return dict(sorted(found.items(), key=lambda each: each[1].st_mtime_ns, reverse=True))

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


def _read_place(path: Path) -> Place | None:
    with suppress(OSError):
        return _decoded(path.read_bytes(), Place)
    return None


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
