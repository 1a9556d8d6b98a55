"""Families of models: whose attention is recorded, read eagerly, or is no matrix at all."""

from transformers import PreTrainedConfig

from attntui.core.errors import UserError

EAGER_ONLY = {
    **dict.fromkeys(
        (
            "axk2",
            "deepseek_v32",
            "dots3_note",
            "glm5_next",
            "glm_moe_dsa",
            "hy_v4",
            "minimax_m3_vl",
            "mistral_large4",
        ),
        "it selects keys by an index, which only its eager attention merges into the mask",
    ),
    "diffllama": "it calls its attention twice in a layer",
    "doge": "it merges its mask with learned weights",
    "inkling2": "its sinks depend on the query",
    "diffusion_gemma": "it builds its masks for known kernels only",
    "t5gemma2": "its decoder merges self- and cross-attention into one",
}
"""Families that use the interface in a way that a registered function cannot record exactly."""

NOT_A_MATRIX = {
    "rwkv": "it has no softmax attention",
    "longformer": "its attention is windows, not a matrix",
    "led": "its encoder's attention is windows, not a matrix",
    "longt5": "its encoder's attention is blocks, not a matrix",
    "bigbird_pegasus": "its encoder's attention is sparse blocks, not a matrix",
    "pegasus_x": "its encoder's attention is blocks, not a matrix",
    "reformer": "its attention is hashed chunks, not a matrix",
    "funnel": "its layers pool the tokens",
    "canine": "its layers pool the characters",
    "perceiver": "its queries are no tokens",
    "nystromformer": "its attention is an approximation, not a matrix",
    "yoso": "its attention is an approximation, not a matrix",
    "prophetnet": "its decoder attends in several streams",
    "fnet": "it has no attention",
}
"""Families whose attention is no tokens x tokens matrix even in eager mode."""


def family(model_class: type) -> str:
    """The name of a transformers family, such as `gpt2`: its module's folder."""
    parts = model_class.__module__.split(".")
    return parts[-2] if len(parts) > 1 else parts[0]


def can_capture(model_class: type) -> bool:
    """Whether a model class routes all its attention through the interface, before loading it.

    A class that does not would compute wrong logits under a custom name (bloom, mpt, codegen,
    xglm), or fail with a KeyError (gptj, falcon): it must be loaded with eager attention.
    """
    can_set = getattr(model_class, "_can_set_attn_implementation", lambda: False)
    return family(model_class) not in EAGER_ONLY and bool(can_set())


def check_family(model_class: type, config: PreTrainedConfig) -> None:
    """Refuse a family that has no tokens x tokens weights, before its own weights are read.

    Raises:
        UserError: says why.
    """
    name = family(model_class)
    if name == "big_bird" and getattr(config, "attention_type", "") == "block_sparse":
        raise UserError(
            "big_bird: its attention is sparse blocks, not a matrix, unless its config's"
            " attention_type is original_full."
        )
    if name in NOT_A_MATRIX:
        raise UserError(f"{name}: {NOT_A_MATRIX[name]}; choose another model.")
