"""Tiny random models of many families, built from their configs without any download."""

from typing import Any

import torch
import transformers
from transformers import PreTrainedModel

from attntui.core.protocol import ModelOptions, SideInfo, Token
from attntui.engine import capture
from attntui.engine.families import can_capture
from attntui.engine.model import Encoded, LoadedModel

torch.set_num_threads(1)  # models this small spend a second thread's time waiting: 10 s, not 100

VOCABULARY = 64
TOKENS = 40
"""Longer than every window and chunk below."""

BERT = dict(
    vocab_size=VOCABULARY,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=48,
    max_position_embeddings=64,
)
LLAMA = {**BERT, "num_hidden_layers": 3, "num_key_value_heads": 2, "pad_token_id": 0}
HEAD = {"head_dim": 8}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
SEQ2SEQ = dict(
    vocab_size=VOCABULARY,
    d_model=32,
    encoder_layers=2,
    decoder_layers=3,
    encoder_attention_heads=4,
    decoder_attention_heads=4,
    encoder_ffn_dim=48,
    decoder_ffn_dim=48,
    max_position_embeddings=64,
    pad_token_id=0,
    eos_token_id=1,
    bos_token_id=2,
    decoder_start_token_id=2,
    forced_eos_token_id=None,
)
WINDOWS = ["sliding_attention", "full_attention", "sliding_attention"]
QWEN_NEXT = dict(
    head_dim=8,
    layer_types=["linear_attention", "full_attention", "linear_attention"],
    linear_num_key_heads=2,
    linear_num_value_heads=4,
    linear_key_head_dim=8,
    linear_value_head_dim=8,
    num_experts=4,
    num_experts_per_tok=2,
    moe_intermediate_size=16,
    shared_expert_intermediate_size=16,
)
MLA = dict(
    q_lora_rank=16,
    kv_lora_rank=16,
    qk_nope_head_dim=8,
    qk_rope_head_dim=4,
    v_head_dim=12,
    n_routed_experts=4,
    num_experts_per_tok=2,
    n_group=1,
    topk_group=1,
    moe_intermediate_size=16,
    first_k_dense_replace=1,
)
GPT2 = dict(vocab_size=VOCABULARY, n_positions=1024, n_embd=32, n_layer=2, n_head=4)

# Family: model class, config class, config. Encoder-decoders are those with `decoder` in INPUTS.
INTERFACE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", GPT2),
    "gpt2_scaled": (
        "GPT2LMHeadModel",
        "GPT2Config",
        {**GPT2, "scale_attn_by_inverse_layer_idx": True},
    ),
    "gpt_bigcode": ("GPTBigCodeForCausalLM", "GPTBigCodeConfig", GPT2),
    "bert": ("BertForMaskedLM", "BertConfig", BERT),
    "roberta": ("RobertaForMaskedLM", "RobertaConfig", BERT),
    "electra": ("ElectraForMaskedLM", "ElectraConfig", {**BERT, "embedding_size": 16}),
    "albert": ("AlbertForMaskedLM", "AlbertConfig", {**BERT, "embedding_size": 16}),
    "distilbert": (
        "DistilBertForMaskedLM",
        "DistilBertConfig",
        dict(vocab_size=VOCABULARY, dim=32, n_layers=2, n_heads=4, hidden_dim=48),
    ),
    "modernbert": (
        "ModernBertForMaskedLM",
        "ModernBertConfig",
        {**LLAMA, "local_attention": 16, "global_attn_every_n_layers": 2},
    ),
    "llama": ("LlamaForCausalLM", "LlamaConfig", LLAMA),
    "mistral": ("MistralForCausalLM", "MistralConfig", {**LLAMA, "sliding_window": 8}),
    "mixtral": (
        "MixtralForCausalLM",
        "MixtralConfig",
        {**LLAMA, **EXPERTS, "sliding_window": 8},
    ),
    "qwen2": (
        "Qwen2ForCausalLM",
        "Qwen2Config",
        {**LLAMA, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
    ),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", {**LLAMA, **HEAD}),
    "phi": ("PhiForCausalLM", "PhiConfig", LLAMA),
    "phi3": ("Phi3ForCausalLM", "Phi3Config", {**LLAMA, "sliding_window": 8}),
    "gemma2": (
        "Gemma2ForCausalLM",
        "Gemma2Config",
        {**LLAMA, **HEAD, "sliding_window": 8, "attn_logit_softcapping": 0.5},
    ),
    "gemma3": (
        "Gemma3ForCausalLM",
        "Gemma3TextConfig",
        {**LLAMA, **HEAD, "sliding_window": 8, "layer_types": WINDOWS},
    ),
    "gpt_oss": (
        "GptOssForCausalLM",
        "GptOssConfig",
        {**LLAMA, **HEAD, **EXPERTS, "sliding_window": 8, "layer_types": WINDOWS},
    ),
    "deepseek_v3": (
        "DeepseekV3ForCausalLM",
        "DeepseekV3Config",
        {**LLAMA, **MLA, "num_key_value_heads": 4},
    ),
    "gpt_neox": ("GPTNeoXForCausalLM", "GPTNeoXConfig", BERT),
    "opt": (
        "OPTForCausalLM",
        "OPTConfig",
        {**BERT, "ffn_dim": 48, "word_embed_proj_dim": 32},
    ),
    "jamba": (
        "JambaForCausalLM",
        "JambaConfig",
        {
            **LLAMA,
            "num_hidden_layers": 4,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "num_experts": 4,
            "mamba_d_state": 4,
            "mamba_dt_rank": 4,
            "use_mamba_kernels": False,
        },
    ),
    "qwen3_next": ("Qwen3NextForCausalLM", "Qwen3NextConfig", {**LLAMA, **QWEN_NEXT}),
    "recurrent_gemma": (
        "RecurrentGemmaForCausalLM",
        "RecurrentGemmaConfig",
        {**LLAMA, "attention_window_size": 8, "lru_width": 32},
    ),
    "llama4": (
        "Llama4ForCausalLM",
        "Llama4TextConfig",
        {
            **LLAMA,
            **HEAD,
            **EXPERTS,
            "num_experts_per_tok": 1,
            "attention_chunk_size": 8,
            "num_hidden_layers": 4,
            "intermediate_size_mlp": 48,
        },
    ),
    "cohere2": (
        "Cohere2ForCausalLM",
        "Cohere2Config",
        {**LLAMA, "sliding_window": 8, "layer_types": WINDOWS},
    ),
    "starcoder2": ("Starcoder2ForCausalLM", "Starcoder2Config", {**LLAMA, "sliding_window": 8}),
    "olmo2": ("Olmo2ForCausalLM", "Olmo2Config", LLAMA),
    "granite": ("GraniteForCausalLM", "GraniteConfig", {**LLAMA, "attention_multiplier": 0.7}),
    "splinter": ("SplinterModel", "SplinterConfig", BERT),
    "t5": (
        "T5ForConditionalGeneration",
        "T5Config",
        dict(
            vocab_size=VOCABULARY,
            d_model=32,
            d_kv=8,
            d_ff=48,
            num_layers=2,
            num_decoder_layers=3,
            num_heads=4,
            decoder_start_token_id=0,
        ),
    ),
    "bart": ("BartForConditionalGeneration", "BartConfig", SEQ2SEQ),
    "mbart": ("MBartForConditionalGeneration", "MBartConfig", SEQ2SEQ),
    "marian": ("MarianMTModel", "MarianConfig", SEQ2SEQ),
    "m2m_100": ("M2M100ForConditionalGeneration", "M2M100Config", SEQ2SEQ),
}
EAGER: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bloom": (
        "BloomForCausalLM",
        "BloomConfig",
        dict(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4),
    ),
    "falcon": (
        "FalconForCausalLM",
        "FalconConfig",
        {**BERT, "new_decoder_architecture": True, "num_kv_heads": 2},
    ),
    "gptj": ("GPTJForCausalLM", "GPTJConfig", {**GPT2, "rotary_dim": 4}),
    "gpt_neo": (
        "GPTNeoForCausalLM",
        "GPTNeoConfig",
        dict(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_layers=2,
            num_heads=4,
            attention_types=[[["global", "local"], 1]],
            window_size=8,
            max_position_embeddings=64,
        ),
    ),
    "codegen": ("CodeGenForCausalLM", "CodeGenConfig", {**GPT2, "rotary_dim": 4}),
    "mpt": (
        "MptForCausalLM",
        "MptConfig",
        dict(vocab_size=VOCABULARY, d_model=32, n_layers=2, n_heads=4, max_seq_len=64),
    ),
    "xglm": (
        "XGLMForCausalLM",
        "XGLMConfig",
        dict(vocab_size=VOCABULARY, d_model=32, num_layers=2, attention_heads=4, ffn_dim=48),
    ),
    "deberta": (
        "DebertaForMaskedLM",
        "DebertaConfig",
        {**BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    ),
    "deberta_v2": (
        "DebertaV2ForMaskedLM",
        "DebertaV2Config",
        {**BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    ),
}
FAMILIES = {**INTERFACE, **EAGER}


def build(name: str, dtype: torch.dtype = torch.float32) -> LoadedModel:
    """A seeded random model of a family, captured as it would be after loading."""
    return load(*FAMILIES[name], dtype=dtype)


def load(
    class_name: str, config_name: str, options: dict[str, Any], dtype: torch.dtype = torch.float32
) -> LoadedModel:
    """As `build`, from the names of classes and a config."""
    model_class: type[PreTrainedModel] = getattr(transformers, class_name)
    captured = can_capture(model_class)
    config = getattr(transformers, config_name)(**options)
    config._attn_implementation = "sdpa" if captured else "eager"
    torch.manual_seed(0)
    model = _make(model_class, config).to(dtype).eval().requires_grad_(False)
    spread(model)
    capture.attach(model)
    return LoadedModel(
        model=model,
        tokenizer=None,  # type: ignore[arg-type]
        options=ModelOptions(model=class_name),
        device=torch.device("cpu"),
        dtype=dtype,
        capture="interface" if captured else "eager",
        predicts="next",
    )


def eager_outputs(loaded: LoadedModel, prompt: Encoded) -> Any:
    """The model's own outputs with eager attention: the reference for everything captured."""
    with torch.no_grad():
        if loaded.capture == "eager":
            return loaded.model(**prompt.inputs, output_attentions=True)
        loaded.model.set_attn_implementation("eager")
        outputs = loaded.model(**prompt.inputs, output_attentions=True)
        loaded.model.set_attn_implementation(capture.NAME)
    return outputs


def eager_attentions(outputs: Any) -> dict[str, list[torch.Tensor]]:
    """Each stack's attention layers (heads, queries, keys), those without attention left out."""
    fields = {
        "self": "attentions",
        "encoder": "encoder_attentions",
        "decoder": "decoder_attentions",
        "cross": "cross_attentions",
    }
    return {
        stack: [layer[0] for layer in layers if layer is not None]
        for stack, name in fields.items()
        if (layers := getattr(outputs, name, None))
    }


def _make(model_class: type[PreTrainedModel], config: Any) -> PreTrainedModel:
    """Families that the fused kernel does not serve start eager, as in from_pretrained."""
    try:
        return model_class(config)
    except ValueError:
        config._attn_implementation = "eager"
        return model_class(config)


def spread(model: PreTrainedModel) -> None:
    """Larger q and k weights and sinks: attention far from uniform, so that errors would show."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "embed" not in name:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise.to(parameter.dtype) * 0.2)
        elif name.endswith("sinks"):
            parameter.copy_(torch.randn(parameter.shape, generator=generator))


def prompt(loaded: LoadedModel, tokens: int = TOKENS, decoder_tokens: int = 27) -> Encoded:
    """A seeded random prompt, with a decoder's where the model has one."""
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(3, VOCABULARY, (1, tokens), generator=generator)
    if not loaded.model.config.is_encoder_decoder:
        return encoded(text=ids)
    return encoded(
        encoder=ids, decoder=torch.randint(3, VOCABULARY, (1, decoder_tokens), generator=generator)
    )


def encoded(**sides: torch.Tensor) -> Encoded:
    """An encoded prompt from ids (1, n) by side."""
    names = {"text": "input_ids", "encoder": "input_ids", "decoder": "decoder_input_ids"}
    return Encoded(
        inputs={names[side]: ids for side, ids in sides.items()},
        sides=tuple(
            SideInfo(side, tuple(Token(int(one), str(int(one))) for one in ids[0]))  # type: ignore[arg-type]
            for side, ids in sides.items()
        ),
    )
