"""Trains the two bundled models from a folder of public-domain text.

    python attntui/demo/train.py CORPUS_DIR [--out DIR] [--only demo|demo-bert] [--minutes M]

CORPUS_DIR holds English as `*.txt` and Japanese as `*.ja.txt` (see `corpus.py`). Each model becomes
a Hugging Face folder, DIR/demo and DIR/demo-bert, of float16 weights that load as float32.
Every file is replaced whole, each time the model has been measured, so the folder can be used while
training goes on. Batches are drawn from a generator seeded by the step; with `--minutes` the decay
of the learning rate follows the clock instead, and two runs differ.
"""

import argparse
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from attntui.demo import corpus
from attntui.demo.causal import Causal
from attntui.demo.masked import Masked

SEED = 20
MEASURE_EVERY = 200
LAST_RATE = 0.05


class Recipe(Protocol):
    name: str
    steps: int
    steady_steps: int
    warm_up_steps: int
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    def learning_rate(self, step: int) -> float:
        """The peak; warming up and decay are multiplied on."""

    def loss(self, step: int, random: torch.Generator) -> Tensor: ...

    def measure(self, step: int) -> dict[str, object]: ...


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    english = corpus.read(options.corpus, "english")
    if options.only != "demo-bert":
        set_seed(SEED)
        train(Causal(english), options)
    if options.only != "demo":
        set_seed(SEED)
        japanese = corpus.read(options.corpus, "japanese")
        train(Masked({"english": english, "japanese": japanese}), options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--only", choices=["demo", "demo-bert"])
    parser.add_argument("--steps", type=int, help="default: the recipe's own number")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop each model then")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def train(recipe: Recipe, options: argparse.Namespace) -> None:
    steps = options.steps or recipe.steps
    optimizer = torch.optim.AdamW(groups(recipe.model), betas=(0.9, 0.98), fused=True)
    begun, progress, step, average = time.monotonic(), 0.0, 0, 0.0
    while progress < 1:
        rate = recipe.learning_rate(step) * decay(progress, recipe.steady_steps / steps)
        rate *= min(1, (step + 1) / recipe.warm_up_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = recipe.loss(step, torch.Generator().manual_seed(SEED + step))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(recipe.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        average += (loss.item() - average) * max(0.02, 1 / step)
        elapsed = time.monotonic() - begun
        progress = max(step / steps, elapsed / 60 / options.minutes)
        if step % MEASURE_EVERY == 0 or progress >= 1:
            recipe.model.eval()
            result = {"loss": round(average, 3), **recipe.measure(step)}
            recipe.model.train()
            write(recipe, options.out / recipe.name)
            print(f"{recipe.name} {step}/{steps} {elapsed:.0f}s {json.dumps(result)}", flush=True)


def decay(progress: float, steady: float) -> float:
    """A cosine from 1 to `LAST_RATE`, after a steady share of the run."""
    share = min(1.0, max(0.0, (progress - steady) / (1 - steady)))
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * share)) / 2


def groups(model: PreTrainedModel) -> list[dict[str, object]]:
    """Matrices decay; biases and norms do not."""
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    vectors = [weight for weight in model.parameters() if weight.dim() < 2]
    return [
        {"params": matrices, "weight_decay": 0.01},
        {"params": vectors, "weight_decay": 0.0},
    ]


def write(recipe: Recipe, folder: Path) -> None:
    """Replace the folder's files one by one, each whole. The config goes on saying float32."""
    folder.mkdir(parents=True, exist_ok=True)
    tied = set(recipe.model.all_tied_weights_keys)
    weights = recipe.model.state_dict()
    half = {name: weight.half() for name, weight in weights.items() if name not in tied}
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        recipe.model.save_pretrained(temporary, state_dict=half)
        recipe.tokenizer.save_pretrained(temporary)
        for path in Path(temporary).iterdir():
            path.chmod(0o644)
            path.replace(folder / path.name)


if __name__ == "__main__":
    main()
