"""Models of random weights in folders, with a tokenizer and a prompt of so many tokens."""

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

SPREAD = 0.05
"""Standard deviation of the weights: attention is then neither even nor all on one token."""


@dataclass(frozen=True)
class Shape:
    """What decides how much work and memory a model takes."""

    name: str
    kind: Literal["gpt2", "llama"]
    layers: int
    heads: int
    key_heads: int
    size: int
    """Dimensions of a head."""
    inner: int
    """Dimensions between the two halves of an MLP."""
    words: int
    lengths: tuple[int, ...]

    def recorded(self, tokens: int, item: int) -> int:
        """Bytes of q, k and v of all layers, `item` bytes a number."""
        return self.layers * tokens * self.size * (self.heads + 2 * self.key_heads) * item


SHAPES = {
    "gpt2": Shape("GPT-2 small", "gpt2", 12, 12, 12, 64, 3072, 50257, (1024, 4096)),
    "llama": Shape("small Llama", "llama", 4, 8, 2, 64, 1376, 32000, (1024, 4096, 16384, 32768)),
    "8b": Shape("8B Llama", "llama", 32, 32, 8, 128, 14336, 128256, (4096, 16384, 65536)),
    "tiny": Shape("tiny Llama", "llama", 2, 4, 2, 16, 64, 512, (64, 128)),
}


def build(shape: Shape, folder: Path, dtype: str = "float32", device: str = "cpu") -> None:
    """Write a model of random weights and its tokenizer, of one token a word."""
    import torch
    import transformers

    from tests.terminal.conftest import word_tokenizer

    common: dict[str, Any] = {
        "vocab_size": shape.words,
        "initializer_range": SPREAD,
        "bos_token_id": None,
        "eos_token_id": None,
        "dtype": getattr(torch, dtype),
    }
    width = shape.heads * shape.size
    longest = max(shape.lengths)
    if shape.kind == "gpt2":
        config: Any = transformers.GPT2Config(
            **common,
            n_positions=longest,
            n_embd=width,
            n_layer=shape.layers,
            n_head=shape.heads,
            n_inner=shape.inner,
        )
    else:
        config = transformers.LlamaConfig(
            **common,
            hidden_size=width,
            intermediate_size=shape.inner,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.key_heads,
            head_dim=shape.size,
            max_position_embeddings=longest,
        )
    torch.manual_seed(0)
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    word_tokenizer(words(shape.words)).save_pretrained(folder)


def words(count: int) -> tuple[str, ...]:
    return ("<unk>", *(f"w{number}" for number in range(1, count)))


def prompt(shape: Shape, tokens: int) -> str:
    """The same words every time."""
    draw = random.Random(0)
    return " ".join(f"w{draw.randrange(1, shape.words)}" for _ in range(tokens))


def give_prompt(folder: Path, shape: Shape, tokens: int) -> None:
    """Write the prompt of so many tokens that the ways run."""
    (folder / "prompt.txt").write_text(prompt(shape, tokens))


@contextmanager
def built(shape: Shape, dtype: str = "float32", device: str = "cpu") -> Iterator[Path]:
    """A folder with a model of random weights, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="attntui-bench-") as name:
        build(shape, Path(name), dtype, device)
        yield Path(name)
