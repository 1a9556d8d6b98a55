"""`demo-bert`: a small BERT that reads English and Japanese, one sentence or two."""

from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM

from attntui.demo import measure
from attntui.demo.corpus import Language, Text
from attntui.demo.vocabulary import SPECIALS, word_piece

PIECES = 7000  # learned from the text; kanji and kana that it lacks are added
TOKENS_A_STEP = 4096

# The longest rows are rare and only there so that every position has been trained.
ROW_LENGTHS = (32, 32, 32, 64, 64, 64, 64, 128, 128, 512)
MASKED_SHARE = 0.15


class Masked:
    name = "demo-bert"
    steps = 6000
    steady_steps = 0
    warm_up_steps = 400

    def __init__(self, texts: dict[Language, Text]) -> None:
        """Each of the texts gets an equal share of the rows, however long it is."""
        sentences = [text.sentences() for text in texts.values()]
        longest = max(map(total_length, sentences))
        balanced = [one for many in sentences for one in many * (longest // total_length(many))]
        self.tokenizer = word_piece(balanced, PIECES)
        self.config = BertConfig(
            vocab_size=len(self.tokenizer),
            hidden_size=192,
            num_hidden_layers=4,
            num_attention_heads=6,
            intermediate_size=768,
            max_position_embeddings=512,
            initializer_range=0.06,
            attention_probs_dropout_prob=0.0,
            hidden_dropout_prob=0.1,
        )
        self.config._attn_implementation = "eager"  # on a CPU the fused kernel's backward is slower
        self.model = BertForMaskedLM(self.config)
        self.languages = [
            self.tokenizer(many, add_special_tokens=False)["input_ids"] for many in sentences
        ]
        self.held_out = {language: text.unseen_sentences() for language, text in texts.items()}

    def learning_rate(self, step: int) -> float:
        return 1.2e-3

    def loss(self, step: int, random: torch.Generator) -> Tensor:
        length = ROW_LENGTHS[int(torch.randint(len(ROW_LENGTHS), (), generator=random))]
        rows = [
            self.row(self.languages[number % len(self.languages)], length, random)
            for number in range(TOKENS_A_STEP // length)
        ]
        batch = self.tokenizer.pad(
            {
                "input_ids": [first + second for first, second in rows],
                "token_type_ids": [[0] * len(first) + [1] * len(second) for first, second in rows],
            },
            return_tensors="pt",
        )
        expected = batch["input_ids"]
        batch["input_ids"], chosen = self.mask(expected, random)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = self.model.bert(**batch).last_hidden_state[chosen]
            logits = self.model.cls(hidden)  # (chosen, vocabulary): a seventh of the work of all
        return F.cross_entropy(logits.float(), expected[chosen])

    def row(
        self, sentences: list[list[int]], length: int, random: torch.Generator
    ) -> tuple[list[int], list[int]]:
        """Sentences that follow one another, in one segment or, half the time, cut into two."""
        place, half = torch.randint(len(sentences), (2,), generator=random).tolist()
        room = length - 3
        taken = [sentences[place][:room]]
        while sum(map(len, taken)) + len(sentences[(place + len(taken)) % len(sentences)]) <= room:
            taken.append(sentences[(place + len(taken)) % len(sentences)])
        cut = len(taken) if half % 2 else 1 + place % len(taken)
        first, second = list(chain(*taken[:cut])), list(chain(*taken[cut:]))
        start, end = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        return [start, *first, end], [*second, end] if second else []

    def mask(self, ids: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Asks for 15 % of the ordinary tokens: 80 % masked, 10 % replaced, 10 % as they are."""
        dice = torch.rand(ids.shape, generator=random)
        chosen = (dice < MASKED_SHARE) & (ids >= len(SPECIALS))
        others = torch.randint(len(SPECIALS), len(self.tokenizer), ids.shape, generator=random)
        seen = ids.where(dice > 0.9 * MASKED_SHARE, others)
        seen = seen.where(dice > 0.8 * MASKED_SHARE, self.tokenizer.mask_token_id)
        return seen.where(chosen, ids), chosen

    def measure(self, step: int) -> dict[str, object]:
        return {
            language: str(measure.accuracy(self.model, self.tokenizer, sentences))
            for language, sentences in self.held_out.items()
        }


def total_length(sentences: list[str]) -> int:
    """In bytes, by which a kanji weighs about what it says in English letters."""
    return sum(len(sentence.encode()) for sentence in sentences)
