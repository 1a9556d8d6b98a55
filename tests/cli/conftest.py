"""Two tiny models in folders, and the command line as a process."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from tests.cli.engine_here import EngineHere

WORDS = ("<unk>", "<s>", "</s>", "<pad>", "When", "Mary", "and", "John", "went", "home", ",")
PROMPT = "When Mary and John went home , John went"

Result = subprocess.CompletedProcess[str]
Command = Callable[..., Result]


def with_engine(engine: tuple[str, ...]) -> str:
    """The command line as a script, with another program in place of the engine."""
    return f"""
from attntui.cli import main
from attntui.client import engine
engine.ENGINE = {engine!r}
main()
"""


def word_tokenizer(closed: bool) -> PreTrainedTokenizerFast:
    """One token a word; `closed` puts <s> and </s> around a sentence."""
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if closed:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
    )


def save(model: PreTrainedModel, closed: bool, folder: Path) -> Path:
    for parameter in model.parameters():
        # As initialised, attention is nearly uniform and a wrong head looks right.
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    word_tokenizer(closed).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT-2 of 3 layers and 4 heads."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(WORDS),
        n_positions=32,
        n_embd=32,
        n_layer=3,
        n_head=4,
        bos_token_id=1,
        eos_token_id=2,
    )
    return save(GPT2LMHeadModel(config), False, tmp_path_factory.mktemp("models") / "gpt2")


@pytest.fixture(scope="session")
def bart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder-decoder of 2 + 3 layers and 2 heads."""
    torch.manual_seed(1)
    config = BartConfig(
        vocab_size=len(WORDS),
        max_position_embeddings=32,
        d_model=16,
        encoder_layers=2,
        decoder_layers=3,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
        decoder_start_token_id=2,
        forced_eos_token_id=None,
    )
    model = BartForConditionalGeneration(config)
    return save(model, True, tmp_path_factory.mktemp("models") / "bart")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a command: no network, no cache, no log of the developer's."""
    drop = ("HF_", "TEXTUAL_", "XDG_", "NO_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    home = Path(__file__).parents[2]
    return kept | {
        "HOME": str(tmp_path),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(home),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def warm(warm_engine: tuple[str, ...]) -> tuple[str, ...]:
    """The command line's program, with an engine whose imports are done."""
    return sys.executable, "-c", with_engine(warm_engine)


@pytest.fixture
def attntui(environment: dict[str, str], tmp_path: Path, warm: tuple[str, ...]) -> Command:
    """Run the command line to its end, in an empty folder."""

    def run(*arguments: str, stdin: str | None = None, **variables: str) -> Result:
        return subprocess.run(
            [*warm, *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment | variables,
            cwd=tmp_path,
            check=False,
        )

    return run


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[EngineHere]:
    """`attntui scan` with the engine in this process."""

    class Here(EngineHere): ...

    monkeypatch.setattr("attntui.cli.jobs.Engine", Here)
    monkeypatch.chdir(tmp_path)
    return Here


FAKE = Path(__file__).parents[1] / "client" / "fake_engine.py"


@pytest.fixture
def with_fake() -> tuple[str, ...]:
    """The command line's program, with a fake engine in place of the real one."""
    return sys.executable, "-c", with_engine((sys.executable, str(FAKE)))


@pytest.fixture
def faked(environment: dict[str, str], tmp_path: Path, with_fake: tuple[str, ...]) -> Command:
    """Run the command line with a fake engine to its end."""

    def run(*arguments: str, stdout: int | IO[str] = subprocess.PIPE, **variables: str) -> Result:
        return subprocess.run(
            [*with_fake, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env=environment | variables,
            cwd=tmp_path,
            check=False,
        )

    return run
