"""Attention that somebody else computed: as a `Trace`, or on the screen."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from attntui.api import forms
from attntui.api.host import Host, Recipe
from attntui.api.trace import Trace
from attntui.client.engine import Engine
from attntui.client.questions import open_file
from attntui.core.axes import Layers
from attntui.core.errors import UserError
from attntui.core.given import assemble
from attntui.core.protocol import PromptInput
from attntui.ui.terminal import has_terminal

NOTHING = Recipe(PromptInput(text=""))


def given(
    attention: object = None,
    tokens: Sequence[str] | None = None,
    sentence_b_start: int | None = None,
    *,
    key_tokens: Sequence[str] | None = None,
    encoder_attention: object = None,
    decoder_attention: object = None,
    cross_attention: object = None,
    encoder_tokens: Sequence[str] | None = None,
    decoder_tokens: Sequence[str] | None = None,
) -> Trace:
    """Attention computed elsewhere as a `Trace`, which gives means, rollout and the rest of it.

    Args:
        attention: weights after the softmax, as arrays or tensors: (layers, heads, query, key),
            (heads, query, key), (query, key), or a list of layers, each (heads, query, key) or
            a batch of one of it; or the whole output of a transformers model, or a cache of
            TransformerLens's.
        tokens: the text of each token, special tokens included.
        sentence_b_start: the position at which the second sentence starts, of two.
        key_tokens: the text of each key, where these are other tokens than the queries.
        encoder_attention, decoder_attention, cross_attention: those of an encoder-decoder, each in
            the forms of `attention`, with `encoder_tokens` and `decoder_tokens`.

    Raises:
        UserError: this can be no attention of these tokens.
        EngineFault, EngineGone: the process that holds it failed.
    """
    weights = _weights(attention, encoder_attention, decoder_attention, cross_attention)
    texts = _texts(tokens, key_tokens, encoder_tokens, decoder_tokens)
    host = Host()
    try:
        with _file(weights, texts, sentence_b_start) as path:

            async def start(engine: Engine) -> None:
                await engine.start()
                await open_file(engine, str(path))

            host.do(start)
        return Trace(host, NOTHING, host.trace(NOTHING))
    except BaseException:
        host.close()
        raise


def view(
    attention: object = None,
    tokens: Sequence[str] | None = None,
    sentence_b_start: int | None = None,
    *,
    key_tokens: Sequence[str] | None = None,
    encoder_attention: object = None,
    decoder_attention: object = None,
    cross_attention: object = None,
    encoder_tokens: Sequence[str] | None = None,
    decoder_tokens: Sequence[str] | None = None,
    layer: int | None = None,
    head: int | None = None,
) -> None:
    """Open the screen on attention computed elsewhere, and stay until the user leaves.

    Takes what `given` takes, and the layer and head to start at.

    Raises:
        UserError: there is no terminal, or this can be no attention of these tokens.
        EngineFault, EngineGone: the process that holds it failed.
    """
    weights = _weights(attention, encoder_attention, decoder_attention, cross_attention)
    texts = _texts(tokens, key_tokens, encoder_tokens, decoder_tokens)
    with _file(weights, texts, sentence_b_start) as path:
        if not has_terminal():
            raise UserError(
                "The screen needs a terminal: attntui.given takes the same arguments and gives the"
                " numbers without one."
            )
        from attntui.ui.app import run_file
        from attntui.ui.start import Start

        run_file(str(path), Start(layer=layer, head=head))


def _weights(
    attention: object, encoder: object, decoder: object, cross: object
) -> dict[str, Layers]:
    named = {} if attention is None else forms.by_name(attention)
    named |= {
        name: found
        for name, found in {
            "encoder_attention": encoder,
            "decoder_attention": decoder,
            "cross_attention": cross,
        }.items()
        if found is not None
    }
    return {name: forms.layers(found, name) for name, found in named.items()}


def _texts(
    tokens: object, key_tokens: object, encoder: object, decoder: object
) -> dict[str, list[str]]:
    named = {
        "tokens": tokens,
        "key_tokens": key_tokens,
        "encoder_tokens": encoder,
        "decoder_tokens": decoder,
    }
    return {name: forms.texts(found, name) for name, found in named.items() if found is not None}


@contextmanager
def _file(
    weights: Mapping[str, Layers], texts: Mapping[str, list[str]], second: int | None
) -> Iterator[Path]:
    """A private file of checked attention, which is gone after.

    Raises:
        UserError: this can be no attention of these tokens.
    """
    assemble(weights, texts)
    arrays = {name: _padded(layers) for name, layers in weights.items()}
    if second is not None:
        if not 0 < second < len(texts.get("tokens", ())):
            raise UserError("sentence_b_start must be the position of a token after the first.")
        arrays["sentence_b_start"] = np.array([second], np.int64)
    with tempfile.TemporaryDirectory(prefix="attntui-") as folder:  # for this user's eyes only
        path = Path(folder) / "attention.safetensors"
        save_file(arrays, path, {name: json.dumps(found) for name, found in texts.items()})
        yield path


def _padded(layers: Layers) -> np.ndarray:
    """(layers, heads, query, key): what a layer lacks is NaN."""
    held = [layer for layer in layers if layer is not None]
    shape = (len(layers), max(map(len, held)), *held[0].shape[1:])
    padded = np.full(shape, np.nan, np.float32)
    for at, layer in enumerate(layers):
        if layer is not None:
            padded[at, : len(layer)] = layer
    return padded
