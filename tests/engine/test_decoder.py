"""What a decoder reads: a given text, or what the model writes, as transformers writes it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForSeq2SeqLM

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput, SideInfo
from attntui.engine import encoding, run
from attntui.engine.model import Cancelled, Encoded

Load = Callable[[str], Any]
KINDS = ("t5", "bart", "marian")
TEXT = "Mary went to the store"


def encode(loaded: Any, **more: Any) -> Encoded:
    return encoding.encode(loaded, PromptInput(text=TEXT, **more))


def decoder(encoded: Encoded) -> SideInfo:
    return encoded.sides[1]


def ids(side: SideInfo) -> list[int]:
    return [token.id for token in side.tokens]


@pytest.mark.parametrize("kind", KINDS)
def test_it_writes_what_transformers_writes(
    load: Load, tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Token for token, against a model that never saw our attention function.

    No token comes twice, so that small random models write different ones.
    """
    loaded = load(kind)
    eager = AutoModelForSeq2SeqLM.from_pretrained(tiny(kind), attn_implementation="eager")
    for model in (loaded.model, eager):
        monkeypatch.setattr(model.generation_config, "no_repeat_ngram_size", 1)
    encoded = encode(loaded, generate=12)
    own = eager.generate(
        encoded.inputs["input_ids"], do_sample=False, num_beams=1, max_new_tokens=12
    )[0].tolist()
    if own[-1] == eager.config.eos_token_id:  # at the limit BART and Marian force it
        own = own[:-1]
    assert len(own) >= 12 and ids(decoder(encoded)) == own
    assert encoded.inputs["decoder_input_ids"].tolist() == [own]
    assert (
        f"wrote the decoder's text itself: {len(own) - 1} tokens of at most 12."
        in (encoded.notes[0])
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_the_run_shows(load: Load, kind: str) -> None:
    """The likeliest token at each row of the run is the next row's token."""
    loaded = load(kind)
    encoded = encode(loaded, generate=8)
    rows = len(decoder(encoded).tokens)
    traced = run.trace(loaded, encoded, 1)
    assert traced.trust.exact and traced.logits is not None
    shapes = {tower.name: tower.shape for tower in traced.towers}
    assert shapes["cross"] == (rows, len(encoded.sides[0].tokens))
    assert shapes["decoder"] == (rows, rows) and rows >= 8
    likeliest = traced.logits.argmax(-1).tolist()
    forced = 1 if kind == "bart" else 0
    assert likeliest[forced:-1] == ids(decoder(encoded))[forced + 1 :]


def test_written_tokens(load: Load) -> None:
    """<s> is forced and special; words and offsets are of the text that was written."""
    side = decoder(encode(load("bart"), generate=10))
    assert [(token.text, token.special, token.part) for token in side.tokens[:2]] == [
        ("</s>", True, -1),
        ("<s>", True, -1),
    ]
    assert side.tokens[2].start == 0 and {token.part for token in side.tokens[2:]} == {0}
    covered = [at for word in side.words for at in range(word.first, word.last + 1)]
    assert covered == list(range(len(side.tokens)))
    assert "\ufffd" not in "".join(word.text for word in side.words)


def test_the_end_token_is_not_read(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, begun in (("bart", ["</s>", "<s>"]), ("marian", ["<pad>"])):
        loaded = load(kind)
        certain = loaded.model.final_logits_bias.clone()
        certain[0, loaded.model.config.eos_token_id] = 1e3
        monkeypatch.setitem(loaded.model._buffers, "final_logits_bias", certain)
        encoded = encode(loaded)
        assert [token.text for token in decoder(encoded).tokens] == begun
        assert f"itself: {len(begun) - 1} tokens" in encoded.notes[0]


def test_a_given_text_is_read_as_it_is(load: Load) -> None:
    encoded = encode(load("t5"), decoder_text="John")
    assert not encoded.notes
    tokens = decoder(encoded).tokens
    assert "".join(token.text for token in tokens) == "<pad> John"
    assert tokens[0].part == -1 and tokens[-1].end == 4
    assert [word.text for word in decoder(encoded).words] == ["<pad>", "John"]


def test_nothing_is_written_unasked(load: Load) -> None:
    assert [token.text for token in decoder(encode(load("t5"), generate=0)).tokens] == ["<pad>"]
    with pytest.raises(UserError, match="no decoder of its own"):
        encode(load("gpt2"), decoder_text="John")


def test_it_writes_no_more_than_the_decoder_reads(load: Load) -> None:
    encoded = encode(load("bart"), generate=1000)
    assert len(decoder(encoded).tokens) == 63  # the last of 64 is the end, which is not read


def test_writing_tells_and_can_be_given_up(load: Load) -> None:
    told: list[tuple[str, int, int]] = []

    def check_cancel() -> None:
        if told and told[-1][1] == 3:
            raise Cancelled

    prompt = PromptInput(text=TEXT, generate=9)
    with pytest.raises(Cancelled):
        encoding.encode(
            load("t5"), prompt, check_cancel=check_cancel, progress=lambda *each: told.append(each)
        )
    assert told == [("writing", 1, 9), ("writing", 2, 9), ("writing", 3, 9)]
    assert len(decoder(encode(load("t5"), generate=2)).tokens) == 3
