"""What the bundled models can do, measured with plain transformers and eager attention."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Heads:
    """One score per head, each of shape (layers, heads): a mean weight over eligible rows."""

    previous: Tensor
    induction: Tensor
    first: Tensor

    def best(self) -> dict[str, str]:
        """The strongest head for each pattern, as `layer.head score`."""
        return {name: strongest(scores) for name, scores in vars(self).items()}


def strongest(scores: Tensor) -> str:
    layer, head = divmod(int(scores.argmax()), scores.shape[1])
    return f"{layer}.{head} {scores.max():.3f}"


def repeated_tokens(first: int, vocabulary: int, length: int, seed: int) -> Tensor:
    """The first token, then random ordinary tokens, then the same ones again: (1, 1 + 2 length)."""
    generator = torch.Generator().manual_seed(seed)
    segment = torch.randint(first + 1, vocabulary, (length,), generator=generator)
    return torch.cat([torch.tensor([first]), segment, segment])[None]


@torch.no_grad()
def attention(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """Weights of one row of tokens, (layers, heads, query, key)."""
    return torch.cat(list(model(ids, output_attentions=True).attentions)).float()


def heads(
    model: PreTrainedModel,
    symbols: int | None = None,
    seeds: Sequence[int] = range(8),
    length: int = 40,
) -> Heads:
    """Scores on repeated random tokens below `symbols`, after token 0; needs eager attention."""
    totals = []
    for seed in seeds:
        ids = repeated_tokens(0, symbols or model.config.vocab_size, length, seed)
        weights = attention(model, ids)
        totals.append(
            [
                weights.diagonal(-1, 2, 3).mean(-1),
                induction(weights, ids[0]),
                weights[:, :, 1:, 0].mean(-1),
            ]
        )
    return Heads(*(torch.stack(scores).mean(0) for scores in zip(*totals, strict=True)))


@torch.no_grad()
def copied(
    model: PreTrainedModel,
    symbols: int | None = None,
    seeds: Sequence[int] = range(8),
    length: int = 40,
) -> float:
    """Share of a repeated random segment's second copy, after its first token, guessed right."""
    right = []
    for seed in seeds:
        ids = repeated_tokens(0, symbols or model.config.vocab_size, length, seed)
        guesses = model(ids).logits[0, length + 1 : -1].argmax(-1)
        right.append((guesses == ids[0, length + 2 :]).float().mean())
    return float(torch.stack(right).mean())


def induction(weights: Tensor, ids: Tensor) -> Tensor:
    """Mean weight on keys that follow an earlier copy of the query's token, where there are any."""
    targets = torch.zeros(len(ids), len(ids), dtype=torch.bool)  # (query, key)
    targets[:, 1:] = ids[:, None] == ids[None, :-1]
    targets = targets.tril()
    eligible = targets.any(-1)
    return (weights * targets).sum(-1)[..., eligible].mean(-1)


@torch.no_grad()
def text_loss(model: PreTrainedModel, ids: Tensor, length: int = 255) -> float:
    """Mean loss per token, in nats, over a stream cut into rows that begin with token 0."""
    rows = ids[: len(ids) // length * length].view(-1, length)
    rows = torch.cat([torch.zeros(len(rows), 1, dtype=torch.long), rows], 1)
    chunks = [rows[start : start + 16] for start in range(0, len(rows), 16)]
    losses = [model(chunk, labels=chunk).loss for chunk in chunks]
    return float(torch.stack(losses).mean())


@dataclass(frozen=True)
class Accuracy:
    """Masked tokens guessed right at first, beside the best that one constant answer could do."""

    model: float
    constant: float
    targets: int

    def __str__(self) -> str:
        return f"{self.model:.1%} of {self.targets}, one answer {self.constant:.1%}"


@torch.no_grad()
def accuracy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str]
) -> Accuracy:
    """Every seventh ordinary token is masked, from a place that moves on with each sentence."""
    answers: Counter[int] = Counter()
    right = 0
    for number, sentence in enumerate(sentences):
        inputs = tokenizer(sentence, return_tensors="pt", truncation=True)
        ids = inputs["input_ids"]
        ordinary = torch.arange(1, ids.shape[1] - 1)
        places = ordinary[(ordinary + number) % 7 == 0]
        expected = ids[0, places]
        inputs["input_ids"] = ids.index_fill(1, places, tokenizer.mask_token_id)
        guesses = model(**inputs).logits[0, places].argmax(-1)
        right += int((guesses == expected).sum())
        answers.update(expected.tolist())
    targets = answers.total()
    return Accuracy(right / targets, answers.most_common(1)[0][1] / targets, targets)
