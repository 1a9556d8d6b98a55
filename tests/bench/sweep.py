"""What ablating every head costs at GPT-2-small size, and how well the estimate ranks heads.

    python tests/bench/sweep.py [--tokens 128] [--threads 2]

Seconds beside the plain forward of the same prompt in the same run, for the loss and for one
token's log-probability; then Spearman's rank correlation of exact and estimated effects on the
bundled models. Asserts nothing.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

TEXTS = {
    "demo": "There was once a queen who loved Doctor Mirabel. Every day Doctor Mir",
    "demo-bert": "The boy opened the [MASK] and went out.",
}


class Quiet:
    """Nobody watches the work."""

    def check_cancel(self) -> None: ...

    def progress(self, stage: str, *_: object, **__: object) -> None: ...


def all_effects(loaded: Any, held: Any, measure: Any, estimate: bool = False) -> np.ndarray:
    from attntui.core.protocol import GetEffects
    from attntui.engine.sweep import effects

    if estimate:
        asked = GetEffects(held.number, "self", 0, measure, estimate=True)
        return effects(loaded, held, asked, Quiet())[0]
    held.variants = None
    layers = range(len(held.views.tower("self").layers))
    asks = (GetEffects(held.number, "self", layer, measure) for layer in layers)
    return np.stack([effects(loaded, held, ask, Quiet())[0] for ask in asks])


def small(tokens: int) -> tuple[Any, Any]:
    """A random GPT-2 small and its run."""
    import torch
    import transformers

    from attntui.core.protocol import ModelOptions
    from attntui.engine import capture, run
    from attntui.engine.model import LoadedModel
    from tests.engine import families

    torch.manual_seed(0)
    config = transformers.GPT2Config(n_positions=4096, _attn_implementation=capture.NAME)
    loaded = LoadedModel(
        model=transformers.GPT2LMHeadModel(config).eval().requires_grad_(False),
        tokenizer=None,  # type: ignore[arg-type]
        options=ModelOptions(model="gpt2"),
        device=torch.device("cpu"),
        dtype=torch.float32,
        capture="interface",
        predicts="next",
    )
    prompt = families.encoded(text=torch.randint(0, 50257, (1, tokens)))
    return loaded, run.trace(loaded, prompt, 1)


def cost(tokens: int) -> None:
    import torch

    from attntui.core.protocol import Measure

    loaded, held = small(tokens)
    inputs = {**held.encoded.inputs, "use_cache": False}

    def plain() -> float:
        started = perf_counter()
        with torch.no_grad():
            loaded.model(**inputs)
        return perf_counter() - started

    plain()
    for name, measure in {
        "loss": Measure("loss"),
        "one token's log-probability": Measure("logprob", tokens - 1, 5),
    }.items():
        forward = min(plain() for _ in range(5))
        times = []
        for estimate in (False, True):
            started = perf_counter()
            all_effects(loaded, held, measure, estimate)
            times.append(perf_counter() - started)
        exact, estimated = times
        print(
            f"{name}: forward {forward:.3f} s; 144 heads exactly {exact:.2f} s,"
            f" {exact / forward:.1f} forwards; estimated {estimated:.2f} s,"
            f" {estimated / forward:.1f} forwards"
        )


def ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values.ravel()))


def correlation(name: str, text: str) -> None:
    from attntui.core.protocol import Load, Measure, ModelOptions, PromptInput, Trace
    from attntui.engine.session import Session

    session = Session()
    session.answer(Load(ModelOptions(model=name, device="cpu")), Quiet())
    session.answer(Trace(1, PromptInput(text=text)), Quiet())
    loaded, held = session._model, session._runs[1]
    texts = [token.text for token in held.encoded.sides[0].tokens]
    position = texts.index("[MASK]") if "[MASK]" in texts else len(texts) - 1
    token = int(held.logits[position].argmax())
    measures = [Measure("logprob", position, token)]
    if name == "demo":
        measures.append(Measure("loss"))
    for measure in measures:
        exact = all_effects(loaded, held, measure)
        estimated = all_effects(loaded, held, measure, estimate=True)
        found = np.corrcoef(ranks(exact), ranks(estimated))[0, 1]
        sizes = np.corrcoef(ranks(np.abs(exact)), ranks(np.abs(estimated)))[0, 1]
        top = np.unravel_index(np.abs(exact).argmax(), exact.shape)
        print(
            f"{name}, {measure.kind} of {texts[position]!r}: rank correlation {found:.2f}"
            f" ({sizes:.2f} of sizes); largest effect {exact[top]:+.2f} by {top[0]}.{top[1]},"
            f" estimated {estimated[top]:+.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    cost(options.tokens)
    for name, text in TEXTS.items():
        correlation(name, text)


if __name__ == "__main__":
    main()
