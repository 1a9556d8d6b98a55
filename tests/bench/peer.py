"""One way to see attention, measured in its own environment: a line of JSON for each figure.

    python peer.py WAY FOLDER [--repeats 5] [--device cpu] [--memory]

Every way runs the same weights on the same prompt; what is timed is from the call to the finished
figure, page or cache entry that shows one head. Each repeat runs the plain SDPA forward first, in
the same process. `--memory` measures the peak of one forward of each, and no times. `plain` serves:
a forward for each line on its standard input.

Logits: of all tokens, and of the last alone where all take over 256 MiB.
"""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

out = os.fdopen(os.dup(1), "w")  # libraries print, and IPython shows pages by printing
os.dup2(2, 1)

import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from tests.bench import memory  # noqa: E402
from tests.bench.repeats import LEAST, PATIENCE, SHORT  # noqa: E402

LATE_LOGITS = 2**28
OTHER_HEADS = 5


def tell(**figures: Any) -> None:
    print(json.dumps(figures), file=out, flush=True)


class Forward:
    """A model and a prompt: the plain SDPA forward, which every way is compared with."""

    def __init__(self, folder: Path, device: str) -> None:
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa")
        self.model = model.eval().requires_grad_(False).to(device)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        text = (folder / "prompt.txt").read_text()
        self.ids = self.tokenizer(text, return_tensors="pt")["input_ids"].to(device)
        self.tokens = self.tokenizer.convert_ids_to_tokens(self.ids[0].tolist())
        logits = self.ids.shape[1] * model.config.vocab_size * model.dtype.itemsize
        self.keep = {"logits_to_keep": 1} if logits > LATE_LOGITS else {}

    def plain(self, ids: torch.Tensor) -> Any:
        with torch.no_grad():
            return self.model(ids, use_cache=False, **self.keep)

    def seconds(self, work: Callable[[], Any]) -> float:
        self._wait()
        start = perf_counter()
        result = work()
        self._wait()
        seconds = perf_counter() - start
        del result
        return seconds

    def _wait(self) -> None:
        if self.ids.is_cuda:
            torch.cuda.synchronize()


class Eager:
    """transformers' own `output_attentions`, one head drawn by matplotlib."""

    def __init__(self, forward: Forward) -> None:
        self.forward, self.attention = forward, ()
        self.tokens: list[str] = []
        self.libraries()

    def libraries(self) -> None:
        """Import what draws, before anything is timed."""
        import matplotlib

        matplotlib.use("agg")
        from matplotlib import pyplot  # noqa: F401

    def run(self, ids: torch.Tensor) -> None:
        """All that has to be kept to draw any head."""
        model, keep = self.forward.model, self.forward.keep
        with torch.no_grad():
            outputs = model(ids, use_cache=False, output_attentions=True, **keep)
        self.attention, self.tokens = outputs.attentions, self.forward.tokens[: ids.shape[1]]

    def draw(self, layer: int, head: int) -> Any:
        return heatmap(self.attention[layer][0, head])

    def warm_up(self) -> None:
        """A picture of a few tokens: what a library does once is not timed."""
        self.into()
        self.run(self.forward.ids[:, :SHORT])
        self.draw(0, 0)
        self.back()

    def into(self) -> None:
        """Make the model ready for this way."""
        self.forward.model.set_attn_implementation("eager")

    def back(self) -> None:
        """Give up what was kept, and make the model ready for the plain forward."""
        self.attention = ()
        self.forward.model.set_attn_implementation("sdpa")


def heatmap(weights: torch.Tensor) -> bytes:
    """A figure of one head as a PNG."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.imshow(weights.float().cpu().numpy())
    page = io.BytesIO()
    figure.savefig(page)
    pyplot.close(figure)
    return page.getvalue()


class Bertviz(Eager):
    """`head_view` of one layer, which is the least it can show: a page of all of its heads."""

    def libraries(self) -> None:
        import bertviz  # noqa: F401

    def draw(self, layer: int, head: int) -> Any:
        from bertviz import head_view

        page = head_view(
            self.attention,
            self.tokens,
            layer=layer,
            heads=[head],
            include_layers=[layer],
            html_action="return",
        )
        return page.data


class CircuitsVis(Eager):
    """`attention_pattern` of one head: a page."""

    def libraries(self) -> None:
        import circuitsvis.attention  # noqa: F401

    def draw(self, layer: int, head: int) -> Any:
        from circuitsvis.attention import attention_pattern

        page = attention_pattern(self.tokens, self.attention[layer][0, head].float())
        return page.local_src


class Inspectus(Eager):
    """`attention` of one head: a page."""

    def libraries(self) -> None:
        import inspectus.attention_viz  # noqa: F401

    def draw(self, layer: int, head: int) -> Any:
        import inspectus

        weights = self.attention[layer][0, head].float().cpu().numpy()
        inspectus.attention(weights, self.tokens)


class TransformerLens(Eager):
    """`run_with_cache` of every layer's attention pattern; one head drawn by matplotlib."""

    def __init__(self, forward: Forward) -> None:
        from transformer_lens.model_bridge import TransformerBridge

        super().__init__(forward)
        # Its bridge changes the modules of the model that it is given.
        model = AutoModelForCausalLM.from_pretrained(forward.model.config._name_or_path)
        model = model.eval().requires_grad_(False).to(forward.ids.device)
        self.bridge = TransformerBridge.boot_transformers(
            "gpt2",
            hf_model=model,
            tokenizer=forward.tokenizer,
            device=str(forward.ids.device),
            dtype=model.dtype,
        )

    def run(self, ids: torch.Tensor) -> None:
        with torch.no_grad():
            _, cache = self.bridge.run_with_cache(
                ids,
                names_filter=lambda name: name.endswith("hook_pattern"),
                use_cache=False,
                **self.forward.keep,
            )
        layers = range(self.forward.model.config.num_hidden_layers)
        self.attention = tuple(cache["pattern", layer] for layer in layers)

    def into(self) -> None: ...

    def back(self) -> None:
        self.attention = ()


WAYS = {
    "eager": Eager,
    "bertviz": Bertviz,
    "transformer_lens": TransformerLens,
    "circuitsvis": CircuitsVis,
    "inspectus": Inspectus,
}


def serve(forward: Forward) -> None:
    """A plain forward for each line that comes."""
    for _ in sys.stdin:
        tell(plain=forward.seconds(lambda: forward.plain(forward.ids)))


def time(way: Eager, repeats: int) -> None:
    forward, ids = way.forward, way.forward.ids

    def picture() -> Any:
        way.run(ids)
        return way.draw(0, 0)

    way.warm_up()
    forward.plain(ids)
    begun = perf_counter()
    for number in range(repeats):
        if number >= LEAST and perf_counter() - begun > PATIENCE:
            break
        plain = forward.seconds(lambda: forward.plain(ids))
        tell(plain=plain)
        way.into()
        tell(plain=plain, picture=forward.seconds(picture))
        way.back()
    way.into()
    way.run(ids)
    heads = forward.model.config.num_attention_heads
    for number in range(1, OTHER_HEADS + 1):
        layer, head = number % len(way.attention), number % heads
        tell(another=forward.seconds(lambda layer=layer, head=head: way.draw(layer, head)))


def measure_memory(forward: Forward, way: Eager | None) -> None:
    """Bytes that the plain forward took at once, and what the way took, its picture included."""
    device, ids = str(forward.ids.device), forward.ids
    forward.plain(ids[:, :SHORT])
    held = memory.start(device)
    forward.plain(ids)
    tell(plain_peak=memory.peak(device) - held)
    if way is None:
        return
    way.warm_up()
    way.into()
    held = memory.start(device)
    way.run(ids)
    page = way.draw(0, 0)
    tell(peak=memory.peak(device) - held)
    del page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("way", choices=("plain", *WAYS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    forward = Forward(options.folder, options.device)
    way = None if options.way == "plain" else WAYS[options.way](forward)
    if options.memory:
        measure_memory(forward, way)
    elif way is None:
        serve(forward)
    else:
        time(way, options.repeats)


if __name__ == "__main__":
    main()
