"""Views and readings in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attntui.core.edit_names import cut_name, head_name
from attntui.core.protocol import (
    Between,
    Chosen,
    Edits,
    Flow,
    Gradient,
    Head,
    LessWeights,
    Mean,
    Norm,
    Reading,
    Relevance,
    Rollout,
    Sampling,
    Stack,
    Target,
    View,
)

if TYPE_CHECKING:
    import numpy as np

STACKS: dict[Stack, str] = {
    "self": "",
    "encoder": "Encoder ",
    "decoder": "Decoder ",
    "cross": "Cross ",
}


def view_name(view: View, aim: str = "") -> str:
    """`Layer 5 Head 1`, `Cross Layer 0 · mean over heads`, `Rollout · residual 0.5`, `Relevance ·
    target 318 at 12`: the output of that number, at that position, or `aim` in its place."""
    return STACKS[view.stack] + _name(view, aim)


def _name(view: View, aim: str) -> str:
    if isinstance(view, Head):
        return f"Layer {view.layer} Head {view.head}"
    if isinstance(view, Mean):
        return (
            "Mean over all layers and heads"
            if view.layer is None
            else f"Layer {view.layer} · mean over heads"
        )
    if isinstance(view, Chosen):
        named = ", ".join(f"{layer}.{head}" for layer, head in view.heads)
        return f"Mean over heads {named}"
    if isinstance(view, Norm):
        summed = "sum of heads" if view.head is None else f"Head {view.head}"
        return f"Layer {view.layer} {summed} · length of what is passed on"
    if isinstance(view, Gradient):
        heads = "mean over heads" if view.head is None else f"Head {view.head}"
        return (
            f"Layer {view.layer} {heads} · attention x gradient · {aim or target_name(view.target)}"
        )
    if isinstance(view, Relevance):
        return f"Relevance · {aim or target_name(view.target)}"
    if isinstance(view, Flow):
        return f"Flow · residual {view.residual:g}"
    if isinstance(view, LessWeights):
        return f"{_name(view.of, aim)} · less the weights, both as shares of their row"
    return " · ".join(["Rollout", f"residual {view.residual:g}", *_options(view)])


def _options(view: Rollout) -> list[str]:
    """What is not as Abnar & Zuidema have it."""
    options = []
    if view.start_layer:
        options.append(f"from layer {view.start_layer}")
    if view.head_fusion != "mean":
        options.append(f"{view.head_fusion} of heads")
    if view.discard_ratio:
        options.append(f"discard {view.discard_ratio:g} (vit-explain's)")
    return options


def target_name(target: Target) -> str:
    """`target 318 at 12`, `target 318 less 262 at 12`: outputs by number, and the position."""
    less = "" if target.foil is None else f" less {target.foil}"
    return f"target {target.token}{less} at {target.position}"


def short_name(view: View) -> str:
    """`Head 5.1`, `Mean of layer 0`, `Rollout 0.5`, `Norm 5.1`: where there is little room."""
    return STACKS[view.stack] + _short(view)


def _short(view: View) -> str:
    if isinstance(view, Head):
        return f"Head {view.layer}.{view.head}"
    if isinstance(view, Mean):
        return "Mean of all heads" if view.layer is None else f"Mean of layer {view.layer}"
    if isinstance(view, Chosen):
        return f"Mean of {len(view.heads)} heads"
    if isinstance(view, Norm | Gradient):
        where = f"layer {view.layer}" if view.head is None else f"{view.layer}.{view.head}"
        return f"Norm {where}" if isinstance(view, Norm) else f"Gradient {where}"
    if isinstance(view, Relevance):
        return f"Relevance to {view.target.position}"
    if isinstance(view, Flow):
        return f"Flow {view.residual:g}"
    if isinstance(view, LessWeights):
        return f"{_short(view.of)} less weights, shares of rows"
    return ", ".join([f"Rollout {view.residual:g}", *_options(view)])


def reading_name(reading: Reading) -> list[str]:
    """What a reading does, in parts of a title; nothing where it changes nothing."""
    pair = [] if reading.between == "all" else [pair_name(reading.between)]
    return [*(["words"] if reading.words else []), *hiding_name(reading)[:1], *pair]


def hiding_name(reading: Reading) -> tuple[str, ...]:
    """What a reading hides, in words from long to short; nothing where it hides nothing."""
    if reading.sinks == "show":
        return ()
    if reading.sinks == "hide":
        return ("special tokens and sinks hidden", "sinks hidden")
    return ("special tokens and sinks hidden, rows scaled to 1", "sinks hidden, rows to 1")


def edits_name(edits: Edits) -> list[str]:
    """What is changed in a run, in parts of a title: `without heads 5.1, 6.2`."""
    parts = []
    if edits.ablated:
        heads = ", ".join(map(head_name, edits.ablated))
        many = "heads" if len(edits.ablated) > 1 else "head"
        mean = " at their mean" if len(edits.ablated) > 1 else " at its mean"
        parts.append(f"{many} {heads}{mean if edits.ablate_with == 'mean' else ' off'}")
    if edits.cuts:
        parts.append(f"cut {', '.join(map(cut_name, edits.cuts))}")
    return parts


def sampling_name(sampling: Sampling) -> list[str]:
    """How tokens are drawn, in parts: `temperature 0.8`, `top-k 40`, `seed 1`; none if greedily."""
    if sampling.temperature is None:
        return []
    parts = [f"temperature {sampling.temperature:g}"]
    if sampling.top_k is not None:
        parts.append(f"top-k {sampling.top_k}")
    if sampling.top_p is not None:
        parts.append(f"top-p {sampling.top_p:g}")
    return [*parts, f"seed {sampling.seed}"]


def pair_name(between: Between) -> str:
    """Of two sentences whose queries look at whose keys: `A→B`."""
    return between.replace("-", "→")


def hidden_name(share: float | None) -> str:
    """The share of a matrix's weight that a reading hides, for the end of its title."""
    return "" if share is None else f" · {100 * share:.0f} % hidden"


def depth_names(count: int) -> list[str]:
    """The depths of a logit lens: before the first layer, then after each."""
    return ["embedding", *(f"layer {layer}" for layer in range(count - 1))]


def direct_parts(heads: np.ndarray, rest: np.ndarray) -> list[tuple[str, float]]:
    """The large parts of a logit that is taken apart: their names and what they add.

    `heads` (layers, heads) and `rest` (layers + 2) as the engine gives them; the parts add up to
    the logit. The embedding is what came into the first layer, the rest of layers their other
    sublayers and biases.
    """
    import numpy as np

    return [
        ("all heads", float(np.nansum(heads.astype(np.float64)))),
        ("embedding", float(rest[0])),
        ("rest of layers", float(rest[1:-1].sum(dtype=np.float64))),
        ("last biases", float(rest[-1])),
    ]
