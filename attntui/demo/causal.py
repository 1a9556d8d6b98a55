"""`demo`: a small Llama that reads tales and copies what repeats.

An induction head needs a head below it that finds the previous token, and a text of this size does
not bring forth the pair soon: after 1,600 steps on tales alone, GPT-2 style, the strongest heads
had 0.11 and 0.02. So a quarter of the rows are tiles, one random segment repeated to the end of the
row, with a period of its own for each row (a common period is learned as a distance), and for the
first steps two heads are shown where to look on them. After that nothing holds the heads but use.
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
TOKENS_A_STEP = 3072

ROW_LENGTHS = (96, 96, 96, 96, 96, 96, 96, 256, 256, 512)
TILED_SHARE = 0.25

# (layer, head) shown where to look: fully, then less and less, then not at all.
PREVIOUS_HEAD = (1, 2)
INDUCTION_HEAD = (2, 4)
RESTING_HEAD = (3, 1)
FULLY_GUIDED_STEPS = 200
GUIDED_STEPS = 500


class Causal:
    name = "demo"
    steps = 6000
    warm_up_steps = 100

    def __init__(self, english: Text) -> None:
        self.tokenizer = byte_level(map(" ".join, english.training), VOCABULARY)
        self.config = LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=6,
            num_key_value_heads=6,
            max_position_embeddings=1024,
            tie_word_embeddings=True,  # what is copied goes in and comes out alike
            bos_token_id=0,
            eos_token_id=0,
        )
        self.model = LlamaForCausalLM(self.config)
        self.text = self.stream(english.training)  # (tokens,)
        self.held_out = self.stream(english.held_out)
        self.starts = sentence_starts(self.tokenizer.convert_ids_to_tokens(self.text.tolist()))

    def stream(self, paragraphs: list[list[str]]) -> Tensor:
        whole = "\n".join(map(" ".join, paragraphs))
        return torch.tensor(
            self.tokenizer(whole, add_special_tokens=False, verbose=False)["input_ids"]
        )

    def learning_rate(self, step: int) -> float:
        return 3e-3

    def loss(self, step: int, random: torch.Generator) -> Tensor:
        length = ROW_LENGTHS[int(torch.randint(len(ROW_LENGTHS), (), generator=random))]
        guidance = min(1, (GUIDED_STEPS - step) / (GUIDED_STEPS - FULLY_GUIDED_STEPS))
        if guidance > 0:
            length = ROW_LENGTHS[0]
        # On a CPU the fused kernel's backward is slower, until the rows are long.
        self.model.set_attn_implementation("eager" if length < 256 else "sdpa")
        count = TOKENS_A_STEP // length
        tiled = max(1, round(count * TILED_SHARE))
        tiles, period = self.tiles(tiled, length, random)
        rows = torch.cat([self.tales(count - tiled, length, random), tiles])
        with torch.autocast("cpu", torch.bfloat16):
            output = self.model(rows, output_attentions=guidance > 0)
        losses = F.cross_entropy(output.logits[:, :-1].float().mT, rows[:, 1:], reduction="none")
        told, copied = losses[:-tiled], losses[-tiled:]
        # The first token to be known is the one after the first that came before.
        known = torch.arange(length - 1) > period
        loss: Tensor = (1 - TILED_SHARE) * told.mean() + TILED_SHARE * copied[known].mean()
        if guidance > 0:
            loss = loss + guidance * TILED_SHARE * astray(output.attentions, rows)
        return loss

    def tales(self, count: int, length: int, random: torch.Generator) -> Tensor:
        """Text from the start of some sentence on, after the first token: (count, length)."""
        usable = bisect_left(self.starts, len(self.text) - length)
        chosen = torch.randint(usable, (count,), generator=random)
        places = torch.tensor([self.starts[number] for number in chosen.tolist()])
        rows = self.text[places[:, None] + torch.arange(length - 1)]
        return torch.cat([torch.zeros(count, 1, dtype=torch.long), rows], 1)

    def tiles(self, count: int, length: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Repeated segments, (count, length), and their periods, (count, 1).

        Every other segment is a piece of text, the rest are random tokens.
        """
        longest = length // 2
        period = torch.randint(4, longest + 1, (count, 1), generator=random)
        segment = torch.randint(1, VOCABULARY, (count, longest), generator=random)
        segment[1::2] = self.tales(count // 2, longest + 1, random)[:, 1:]
        rows = torch.zeros(count, length, dtype=torch.long)
        rows[:, 1:] = segment.gather(1, torch.arange(length - 1) % period)
        return rows, period

    def measure(self) -> dict[str, object]:
        self.model.set_attn_implementation("eager")
        heads = measure.heads(self.model)
        loss = measure.text_loss(self.model, self.held_out)
        read = len(self.tokenizer.decode(self.held_out).encode()) / len(self.held_out)
        return {
            "held-out loss": round(loss, 3),
            "bits a byte": round(loss / 0.6931 / read, 3),
            **heads.best(),
        }


def astray(attentions: tuple[Tensor, ...], ids: Tensor) -> Tensor:
    """How far the guided heads are from their patterns: -log of the weight in the right place.

    `attentions` are (rows, heads, query, key) for each layer, `ids` the tokens (rows, length).
    """
    layer, head = PREVIOUS_HEAD
    previous = attentions[layer][:, head].diagonal(-1, 1, 2)  # (rows, length - 1)
    layer, head = INDUCTION_HEAD
    copies = (ids[:, 1:, None] == ids[:, None, :-1]).tril()  # (rows, query - 1, key - 1)
    weights = attentions[layer][:, head, 1:, 1:].float()
    followers = (weights * copies).sum(-1)
    idle = attentions[layer][:, head, 1:, 0].float()  # nothing to copy: rest on the first token
    induction = followers.where(copies.any(-1), idle)
    layer, head = RESTING_HEAD
    resting = attentions[layer][:, head, 1:, 0]
    patterns = previous, induction, resting
    return torch.stack([-(weight.float() + 1e-6).log().mean() for weight in patterns]).sum()


def sentence_starts(pieces: list[str]) -> list[int]:
    """Where a new word begins after a full stop or a line's end (Ġ is a space, Ċ a newline)."""
    ends = (".", "!", "?", '."', '!"', '?"', "Ċ")
    pairs = enumerate(pairwise(pieces), start=1)
    return [
        place
        for place, (before, piece) in pairs
        if before.endswith(ends) and (before == "Ċ" or piece.startswith("Ġ"))
    ]
