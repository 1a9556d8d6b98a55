"""`demo`: a small Llama that learns to copy before it learns to write.

An induction head needs a head below it that finds the previous token, and a text of this size does
not bring forth the pair: after 1,600 steps on tales alone, GPT-2 style, the strongest heads had
0.11 and 0.02. So the first rows are tiles: one random segment repeated to the end of the row, with
a period of its own for each row (a common period is learned as a distance), over few tokens at
first (over 2,048 from the start, 600 steps taught nothing). Two layers of width 128 find the pair
within 300 steps; four of width 192 had not after 600. So two layers learn to copy, the alphabet is
widened, and then two more layers that change nothing at first are put on top, and tales come in,
with a quarter of tiles kept.
"""

from bisect import bisect_left
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from attntui.demo import measure
from attntui.demo.corpus import Text
from attntui.demo.vocabulary import byte_level

VOCABULARY = 4096
LAYERS, COPYING_LAYERS = 4, 2

FIRST_ALPHABET = 512
NARROW_STEPS = 500
COPYING_STEPS = 1000
"""The alphabet is narrow, then grows evenly; from here on, tales and all layers."""
TILE_ROWS, TILE_LENGTH, LONGEST_PERIOD = 64, 64, 28

TOKENS_A_STEP = 3072
ROW_LENGTHS = (96, 96, 96, 96, 96, 96, 96, 256, 256, 512)
TILED_SHARE = 0.25


class Causal:
    name = "demo"
    steps = 5000
    steady_steps = COPYING_STEPS
    warm_up_steps = 50

    def __init__(self, english: Text) -> None:
        self.tokenizer = byte_level(map(" ".join, english.training), VOCABULARY)
        self.config = LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=LAYERS,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=1024,
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=0,
        )
        self.model = LlamaForCausalLM(self.config)
        self.layers = self.model.model.layers
        for layer in self.layers[COPYING_LAYERS:]:
            torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
            torch.nn.init.zeros_(layer.mlp.down_proj.weight)
        self.text = self.stream(english.training)  # (tokens,)
        self.held_out = self.stream(english.held_out)
        self.starts = sentence_starts(self.tokenizer.convert_ids_to_tokens(self.text.tolist()))

    def stream(self, paragraphs: list[list[str]]) -> Tensor:
        whole = "\n".join(map(" ".join, paragraphs))
        return torch.tensor(
            self.tokenizer(whole, add_special_tokens=False, verbose=False)["input_ids"]
        )

    def learning_rate(self, step: int) -> float:
        return 3e-3 if step < COPYING_STEPS else 1.8e-3

    def loss(self, step: int, random: torch.Generator) -> Tensor:
        # On a CPU the fused kernel's backward is slower, until the rows are long.
        self.model.set_attn_implementation("eager")
        self.model.model.layers = self.layers[: COPYING_LAYERS if step < COPYING_STEPS else LAYERS]
        if step < COPYING_STEPS:
            tiles, period = self.tiles(TILE_ROWS, TILE_LENGTH, alphabet(step), random)
            return copying(self.losses(tiles, alphabet(step)), period)
        length = ROW_LENGTHS[int(torch.randint(len(ROW_LENGTHS), (), generator=random))]
        if length >= 256:
            self.model.set_attn_implementation("sdpa")
        count = TOKENS_A_STEP // length
        tiled = max(1, round(count * TILED_SHARE))
        tiles, period = self.tiles(tiled, length, VOCABULARY, random)
        losses = self.losses(torch.cat([self.tales(count - tiled, length, random), tiles]))
        told, copied = losses[:-tiled], losses[-tiled:]
        loss: Tensor = (1 - TILED_SHARE) * told.mean() + TILED_SHARE * copying(copied, period)
        return loss

    def losses(self, rows: Tensor, symbols: int = VOCABULARY) -> Tensor:
        """Loss among the first `symbols` tokens at every place but the last: (rows, length - 1)."""
        hidden = self.model.model(rows).last_hidden_state[:, :-1]
        logits = hidden @ self.model.lm_head.weight[:symbols].T
        return F.cross_entropy(logits.mT, rows[:, 1:], reduction="none")

    def tales(self, count: int, length: int, random: torch.Generator) -> Tensor:
        """Text from the start of some sentence on, after the first token: (count, length)."""
        usable = bisect_left(self.starts, len(self.text) - length)
        chosen = torch.randint(usable, (count,), generator=random)
        places = torch.tensor([self.starts[number] for number in chosen.tolist()])
        rows = self.text[places[:, None] + torch.arange(length - 1)]
        return torch.cat([torch.zeros(count, 1, dtype=torch.long), rows], 1)

    def tiles(
        self, count: int, length: int, symbols: int, random: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Random segments repeated after a first token, (count, length), and their periods."""
        longest = max(LONGEST_PERIOD, length // 3)
        period = torch.randint(4, longest + 1, (count, 1), generator=random)
        segment = torch.randint(1, symbols, (count, longest), generator=random)
        rows = torch.zeros(count, length, dtype=torch.long)
        rows[:, 1:] = segment.gather(1, torch.arange(length - 1) % period)
        return rows, period

    def measure(self, step: int) -> dict[str, object]:
        self.model.set_attn_implementation("eager")
        heads = measure.heads(self.model, alphabet(step))
        loss = measure.text_loss(self.model, self.held_out)
        read = len(self.tokenizer.decode(self.held_out).encode()) / len(self.held_out)
        return {
            "held-out loss": round(loss, 3),
            "bits a byte": round(loss / 0.6931 / read, 3),
            "copied": round(measure.copied(self.model, alphabet(step)), 3),
            **heads.best(),
        }


def alphabet(step: int) -> int:
    """How many tokens the tiles are made of."""
    grown = (step - NARROW_STEPS) / (COPYING_STEPS - NARROW_STEPS)
    return round(FIRST_ALPHABET + (VOCABULARY - FIRST_ALPHABET) * min(max(grown, 0.0), 1.0))


def copying(losses: Tensor, period: Tensor) -> Tensor:
    """Mean of (rows, length - 1) losses where the next token can be known from an earlier copy."""
    known = torch.arange(losses.shape[1]) > period
    return losses[known].mean()


def sentence_starts(pieces: list[str]) -> list[int]:
    """Where a new word begins after a full stop or a line's end (Ġ is a space, Ċ a newline)."""
    ends = (".", "!", "?", '."', '!"', '?"', "Ċ")
    pairs = enumerate(pairwise(pieces), start=1)
    return [
        place
        for place, (before, piece) in pairs
        if before.endswith(ends) and (before == "Ċ" or piece.startswith("Ġ"))
    ]
