"""The program in a terminal of its own: a pty that this process reads as a terminal would."""

import codecs
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
import torch
from rich.cells import cell_len
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

WORDS = ("<unk>", "When", "Mary", "and", "John", "went", "home", ",")
PROMPT = "When Mary and John went home , John went"
LONG = "Mary went home , " * 2_000

STRING = re.compile(rb"\x1b[]PX^_].*?(?:\x07|\x1b\\)", re.DOTALL)
"""OSC, DCS, SOS, PM and APC: a terminal acts on what stands in these."""
CONTROL = re.compile(
    rb"\x1b\[(?P<arguments>[0-?]*)[ -/]*(?P<final>[@-~])"
    rb"|" + STRING.pattern + rb"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
UNFINISHED = re.compile(rb"\x1b(?:[]PX^_](?:(?!\x07|\x1b\\).)*|\[[0-?]*[ -/]*|[ -/]*)\Z", re.DOTALL)
"""A control sequence whose end is still to come."""


class Picture:
    """What a terminal shows after a stream of bytes, piece by piece: placed text, no colours."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self.rows: list[list[str]] = []
        self._unfinished = b""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self.clear()

    def clear(self) -> None:
        self.rows = [[" "] * self.columns for _ in range(self.lines)]
        self.x = self.y = 0

    def feed(self, data: bytes) -> None:
        data = self._unfinished + data
        unfinished = UNFINISHED.search(data)
        end = unfinished.start() if unfinished else len(data)
        data, self._unfinished = data[:end], data[end:]
        at = 0
        for control in CONTROL.finditer(data):
            self._write(data[at : control.start()])
            at = control.end()
            if control["final"] == b"H":
                line, _, column = control["arguments"].partition(b";")
                self.y, self.x = int(line or 1) - 1, int(column or 1) - 1
            elif control["final"] == b"J" or control["arguments"] == b"?1049":
                self.clear()
        self._write(data[at:])

    def _write(self, data: bytes) -> None:
        for char in self._decode(data):
            if char == "\r":
                self.x = 0
            elif char == "\n":
                self.y += 1
            elif self.y < self.lines and self.x < self.columns and char >= " ":
                self.rows[self.y][self.x] = char
                width = cell_len(char)
                if width == 2 and self.x + 1 < self.columns:
                    self.rows[self.y][self.x + 1] = ""
                self.x += width

    @property
    def text(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self.rows)


class Terminal:
    """A program on a pty: its keyboard, its picture, every byte it wrote."""

    def __init__(
        self, argv: list[str], env: dict[str, str], columns: int = 120, lines: int = 36
    ) -> None:
        self._ours, theirs = os.openpty()
        self.stream = b""
        self.resize(columns, lines, tell=False)
        self.before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env, preexec_fn=_take_terminal
        )
        self._theirs = theirs

    def resize(self, columns: int, lines: int, tell: bool = True) -> None:
        """Another size; whatever was shown is stale, and only what comes now counts."""
        self.columns, self.lines = columns, lines
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._picture, self._seen = Picture(columns, lines), len(self.stream)
        if tell:
            os.kill(self.process.pid, signal.SIGWINCH)

    def read(self, seconds: float = 0.05) -> bytes:
        """What comes within some time, as soon as it comes."""
        ready, _, _ = select.select([self._ours], [], [], seconds)
        data = b""
        if ready:
            try:
                data = os.read(self._ours, 2**16)
            except OSError:  # Linux says EIO once nobody holds the other end.
                time.sleep(seconds)
        self.stream += data
        return data

    def send(self, keys: str | bytes) -> None:
        data = keys.encode("utf-8", "surrogateescape") if isinstance(keys, str) else keys
        while data:
            data = data[os.write(self._ours, data[:512]) :]
            self.read(0)

    def paste(self, text: str) -> None:
        """As a terminal pastes: between brackets."""
        self.send(f"\x1b[200~{text}\x1b[201~")

    @property
    def text(self) -> str:
        """The picture as text."""
        return self.text_after(len(self.stream))

    def text_after(self, length: int) -> str:
        """The picture as text, of so many bytes; of more, where more were looked at before."""
        if self._seen < length:
            self._picture.feed(self.stream[self._seen : length])
            self._seen = length
        return self._picture.text

    def until(self, holds: str | Callable[[], object], seconds: float = 60) -> float:
        """Wait until a text is in the picture, or something holds; the seconds it took."""
        start = time.monotonic()
        while not (holds in self.text if isinstance(holds, str) else holds()):
            waited = time.monotonic() - start
            if waited > seconds:
                raise AssertionError(f"no {holds!r} within {seconds} s; it shows:\n{self.text}")
            self.read()
        return time.monotonic() - start

    def settle(self, quiet: float = 0.3, seconds: float = 20) -> None:
        """Read until nothing has come for `quiet` seconds."""
        end = time.monotonic() + seconds
        while self.read(quiet) and time.monotonic() < end:
            pass

    def wait(self, seconds: float = 10) -> int:
        """The exit status, everything written until then read."""
        self.until(lambda: self.process.poll() is not None, seconds)
        while self.read(0.05):
            pass
        status = self.process.poll()
        assert status is not None
        return status

    def attributes(self) -> list[object]:
        """The terminal's settings now, to compare with `before`."""
        return termios.tcgetattr(self._theirs)

    def hang_up(self) -> None:
        """Close the terminal's window: the kernel sends SIGHUP and input ends."""
        os.close(self._theirs)
        os.close(self._ours)
        self._ours = self._theirs = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for descriptor in {self._ours, self._theirs} - {-1}:
            os.close(descriptor)


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that still run, zombies left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state not in "ZX":
            found.append(int(stat.parent.name))
    return found


def runs(pid: int) -> bool:
    """Whether a process is there and does something; a zombie is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


class Opener(Protocol):
    def __call__(
        self,
        *arguments: str,
        columns: int = 120,
        lines: int = 36,
        program: tuple[str, ...] = ...,
        **variables: str,
    ) -> Terminal: ...


PROGRAM = (sys.executable, "-P", "-m", "attntui")


def with_engine(*engine: str) -> tuple[str, ...]:
    """The program with another in place of the engine."""
    script = f"""
from attntui.cli import main
from attntui.client import engine
engine.ENGINE = {engine!r}
main()
"""
    return sys.executable, "-P", "-c", script


FAKED = with_engine(sys.executable, str(Path(__file__).parents[1] / "client" / "fake_engine.py"))
"""The program with a fake engine, which starts at once: only for what the engine has no part in."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A terminal of 256 colours, no network, nothing of the developer's."""
    drop = ("HF_", "TEXTUAL_", "XDG_", "NO_COLOR", "COLORTERM", "COLORFGBG", "TERM")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    return kept | {
        "HOME": str(tmp_path),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TERM": "xterm-256color",
    }


@pytest.fixture
def open_terminal(environment: dict[str, str]) -> Iterator[Opener]:
    """Opens programs on ptys, by default attntui; closes them at the end."""
    opened: list[Terminal] = []

    def run(
        *arguments: str,
        columns: int = 120,
        lines: int = 36,
        program: tuple[str, ...] = PROGRAM,
        **variables: str,
    ) -> Terminal:
        terminal = Terminal([*program, *arguments], environment | variables, columns, lines)
        opened.append(terminal)
        return terminal

    yield run
    for terminal in opened:
        terminal.close()


def word_tokenizer(words: tuple[str, ...]) -> PreTrainedTokenizerFast:
    """One token a word; the first word stands for all others."""
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, words[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=words[0])


def save_gpt2(folder: Path, words: tuple[str, ...]) -> Path:
    """A random GPT-2 of 2 layers and 4 heads that knows these words."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(words),
        n_positions=64,
        n_embd=32,
        n_layer=2,
        n_head=4,
        bos_token_id=None,
        eos_token_id=None,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    word_tokenizer(words).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that runs at once."""
    return save_gpt2(tmp_path_factory.mktemp("models") / "quick", WORDS)


@pytest.fixture(scope="session")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama whose forward on `LONG` takes half a minute, and on a few words no time."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=24,
        num_attention_heads=64,
        num_key_value_heads=64,
        head_dim=8,
        max_position_embeddings=2**20,
    )
    folder = tmp_path_factory.mktemp("models") / "slow"
    LlamaForCausalLM(config).save_pretrained(folder)
    word_tokenizer(WORDS).save_pretrained(folder)
    return folder
