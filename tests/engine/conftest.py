"""Tiny models with tokenizers of the common kinds, built once, saved as any model is."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
)

from attntui.core.frames import PREFIX, decode_answer, decode_prefix, encode_call
from attntui.core.protocol import Answer, Hello, Progress, Reply, Request

torch.set_num_threads(2)

TEXT = [
    "When Mary and John went to the store, John gave a drink to Mary.",
    "The boy opened the door and went into the garden, playing with the dog.",
    "吾輩は猫である。名前はまだ無い。",
]
"""What the tokenizers are trained on."""


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    """As GPT-2's: any text, leading spaces inside the offsets."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT[:2] * 5, trainer)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=end, eos_token=end, unk_token=end
    )


def word_piece_tokenizer() -> PreTrainedTokenizerFast:
    """As BERT's: lower case, [CLS] and [SEP], segment ids."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def byte_fallback_tokenizer() -> PreTrainedTokenizerFast:
    """As Llama 2's: SentencePiece BPE, what is in no piece becomes bytes such as <0xE3>."""
    special = ["<unk>", "<s>", "</s>"]
    names = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Replace(" ", "▁")
    trainer = trainers.BpeTrainer(vocab_size=80, show_progress=False)
    trained.train_from_iterator(TEXT[:2] * 5, trainer)
    learned = sorted(trained.get_vocab(), key=trained.get_vocab().__getitem__)
    vocabulary = {name: at for at, name in enumerate([*names, *learned])}
    merges = [tuple(m) for m in json.loads(trained.to_str())["model"]["merges"]]
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 1)]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    made.chat_template = (
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}"
        "{% endfor %}{% if add_generation_prompt %} [assistant]{% endif %}"
    )
    return made


def unigram_tokenizer() -> PreTrainedTokenizerFast:
    """As T5's: SentencePiece Unigram, </s> at the end."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT * 5, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def roberta_tokenizer() -> PreTrainedTokenizerFast:
    """As RoBERTa's: byte-level, <s> and </s>, no segments."""
    made = byte_level_tokenizer()
    backend = Tokenizer.from_str(made.backend_tokenizer.to_str())
    for name in ("<s>", "</s>", "<pad>", "<mask>"):
        backend.add_special_tokens([AddedToken(name, special=True)])
    ends = [(name, backend.token_to_id(name)) for name in ("<s>", "</s>")]
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        mask_token="<mask>",
        unk_token="<|endoftext|>",
    )


def _save(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _gpt2(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=2, n_head=4)
    )


def _bert_config(tokenizer: PreTrainedTokenizerFast, **more: Any) -> BertConfig:
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        **more,
    )


def _classifier(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return BertForSequenceClassification(
        _bert_config(tokenizer, id2label={0: "dull", 1: "bright", 2: "odd"})
    )


def _llama(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
        )
    )


def _t5(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            decoder_start_token_id=0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def _seq2seq(tokenizer: PreTrainedTokenizerFast, **more: Any) -> dict[str, Any]:
    return dict(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=64,
        init_std=0.5,
        **more,
    )


def _bart(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """As BART's: starts with </s>, then <s> by force, and its generation config asks for beams."""
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    model = BartForConditionalGeneration(
        BartConfig(
            **_seq2seq(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=start,
            eos_token_id=end,
            decoder_start_token_id=end,
            forced_eos_token_id=end,
        )
    )
    model.generation_config.forced_bos_token_id = start
    model.generation_config.num_beams = 4
    return model


def _marian(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    ids = dict(pad_token_id=pad, eos_token_id=end, decoder_start_token_id=pad)
    return MarianMTModel(MarianConfig(**_seq2seq(tokenizer, **ids, forced_eos_token_id=end)))


def _roberta(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return RobertaForMaskedLM(
        RobertaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=34,
            type_vocab_size=1,
            pad_token_id=1,
        )
    )


def _slow(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Small to load, and slow on a long prompt: many layers."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=24,
            num_attention_heads=4,
            max_position_embeddings=100_000,
        )
    )


KINDS: dict[str, tuple[Callable[[], Any], Callable[[Any], PreTrainedModel]]] = {
    "gpt2": (byte_level_tokenizer, _gpt2),
    "bert": (word_piece_tokenizer, lambda tokenizer: BertForMaskedLM(_bert_config(tokenizer))),
    "classifier": (word_piece_tokenizer, _classifier),
    "llama": (byte_fallback_tokenizer, _llama),
    "slow": (byte_fallback_tokenizer, _slow),
    "t5": (unigram_tokenizer, _t5),
    "bart": (roberta_tokenizer, _bart),
    "marian": (unigram_tokenizer, _marian),
    "roberta": (roberta_tokenizer, _roberta),
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with a tiny random model of a kind and its tokenizer."""
    root = tmp_path_factory.mktemp("models")

    def folder(kind: str) -> Path:
        where = root / kind
        if not where.exists():
            torch.manual_seed(0)
            make_tokenizer, make_model = KINDS[kind]
            tokenizer = make_tokenizer()
            _save(where, make_model(tokenizer), tokenizer)
        return where

    return folder


class Pipe:
    """One engine process and the two ends that a client holds."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            (sys.executable, *(arguments or ("-m", "attntui.engine"))),
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._last = 0
        self.progress: list[Progress] = []

    def send(self, request: Request) -> int:
        self._last += 1
        assert self.process.stdin is not None
        self.process.stdin.write(encode_call(self._last, request))
        self.process.stdin.flush()
        return self._last

    def read(self) -> tuple[Answer, list[np.ndarray]]:
        stream = self.process.stdout
        assert stream is not None
        header, body = decode_prefix(stream.read(PREFIX.size))
        return decode_answer(stream.read(header), stream.read(body))

    def reply_to(self, call: int) -> tuple[Reply, list[np.ndarray]]:
        """The one reply that ends a call; progress on the way is kept."""
        while True:
            answer, arrays = self.read()
            assert answer.id == call
            if not isinstance(answer.reply, Progress):
                return answer.reply, arrays
            self.progress.append(answer.reply)

    def ask(self, request: Request) -> tuple[Reply, list[np.ndarray]]:
        return self.reply_to(self.send(request))

    def await_stage(self, stage: str) -> None:
        while True:
            answer, _ = self.read()
            assert isinstance(answer.reply, Progress), answer.reply
            if answer.reply.stage == stage:
                return

    def close(self) -> str:
        """End it as a client does, and return what it wrote to its log."""
        assert self.process.stdin is not None and self.process.stderr is not None
        self.process.stdin.close()
        log = self.process.stderr.read().decode()
        self.process.wait(10)
        return log


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[Pipe]:
    """An engine that has greeted; `environment` is added to this process's own."""
    pipe = Pipe(*arguments, **environment)
    answer, _ = pipe.read()
    assert answer.id == 0
    assert isinstance(answer.reply, Hello)
    try:
        yield pipe
    finally:
        pipe.process.kill()
        pipe.process.wait()


@pytest.fixture(scope="session")
def start_engine() -> Callable[..., AbstractContextManager[Pipe]]:
    """Starts the engine's process."""
    return started


class Quiet:
    """Work that nobody watches; `stages` keeps what was told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int, int, str]] = []

    def check_cancel(self) -> None: ...

    def progress(self, stage: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        self.stages.append((stage, done, total, unit))


@pytest.fixture
def work() -> Quiet:
    return Quiet()


@pytest.fixture(scope="session")
def load(tiny: Callable[[str], Path]) -> Callable[[str], Any]:
    """A loaded tiny model of a kind, loaded once."""
    from attntui.core.protocol import ModelOptions
    from attntui.engine import loading

    held: dict[str, Any] = {}

    def loaded(kind: str) -> Any:
        if kind not in held:
            options = ModelOptions(model=str(tiny(kind)), device="cpu")
            work = Quiet()
            held[kind], _ = loading.load(loading.prepare(options, work), work)
        return held[kind]

    return loaded
