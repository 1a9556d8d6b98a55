"""Tiny random models with tokenizers of the common kinds, saved as any model is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
)

from tests.engine.tiny_tokenizers import (
    byte_fallback_tokenizer,
    byte_level_tokenizer,
    roberta_tokenizer,
    unigram_tokenizer,
    word_piece_tokenizer,
)


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


def _llama(tokenizer: PreTrainedTokenizerFast, **more: Any) -> PreTrainedModel:
    sizes = dict(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **(sizes | more)))


def _mistral(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Each query sees 8 keys."""
    config = _llama(tokenizer).config.to_dict()
    config = {name: config[name] for name in config if name not in ("model_type", "architectures")}
    return MistralForCausalLM(MistralConfig(**config, sliding_window=8))


def _dynamic(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Beyond 16 tokens every key turns otherwise with the length of the text."""
    return _llama(
        tokenizer,
        max_position_embeddings=16,
        rope_parameters={"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0},
    )


def _bloom(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Outside of transformers' attention interface."""
    return BloomForCausalLM(
        BloomConfig(vocab_size=len(tokenizer), hidden_size=32, n_layer=2, n_head=4)
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
    return _llama(
        tokenizer,
        intermediate_size=32,
        num_hidden_layers=24,
        num_key_value_heads=4,
        max_position_embeddings=100_000,
    )


KINDS: dict[str, tuple[Callable[[], Any], Callable[[Any], PreTrainedModel]]] = {
    "gpt2": (byte_level_tokenizer, _gpt2),
    "bert": (word_piece_tokenizer, lambda tokenizer: BertForMaskedLM(_bert_config(tokenizer))),
    "classifier": (word_piece_tokenizer, _classifier),
    "llama": (byte_fallback_tokenizer, _llama),
    "deep": (byte_fallback_tokenizer, lambda tokenizer: _llama(tokenizer, num_hidden_layers=4)),
    "mistral": (byte_fallback_tokenizer, _mistral),
    "dynamic": (byte_fallback_tokenizer, _dynamic),
    "bloom": (byte_level_tokenizer, _bloom),
    "slow": (byte_fallback_tokenizer, _slow),
    "t5": (unigram_tokenizer, _t5),
    "bart": (roberta_tokenizer, _bart),
    "marian": (unigram_tokenizer, _marian),
    "roberta": (roberta_tokenizer, _roberta),
}


def save_tiny(kind: str, folder: Path) -> None:
    """Save a model of a kind and its tokenizer, the same at every call."""
    torch.manual_seed(0)
    make_tokenizer, make_model = KINDS[kind]
    tokenizer = make_tokenizer()
    make_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
