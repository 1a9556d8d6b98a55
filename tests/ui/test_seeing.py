"""Direct attribution on the head map and the logit lens: against an eager model, taken apart."""

import re

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from attntui.core import costs
from attntui.demo import MODELS
from attntui.ui.captions import NO_COLUMNS
from attntui.ui.screens.windows import Window
from attntui.ui.start import Start
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.pattern_pane import PatternPane
from attntui.ui.widgets.ranked_list import RankedList
from tests.ui.conftest import PROMPT, Opener


class Apart:
    """The bundled model's logits at the last token, after each layer, and what heads add."""

    def __init__(self) -> None:
        folder = MODELS["demo"].folder
        net = AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation="eager", dtype=torch.float32
        )
        self.net = net.eval().requires_grad_(False)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        body, kept = net.base_model, dict[torch.nn.Module, torch.Tensor]()
        self.layers, self.norm = body.layers, body.norm
        self.kept = kept
        for module in [self.norm, *(layer.self_attn.o_proj for layer in self.layers)]:
            module.register_forward_pre_hook(
                lambda module, given: kept.update({module: given[0][..., -1, :].flatten()})
            )
        ids = self.tokenizer(PROMPT, return_tensors="pt")["input_ids"]
        outputs = net(ids, output_hidden_states=True, output_attentions=True)
        self.weights = torch.stack(outputs.attentions)[:, 0].numpy()
        self.logits = outputs.logits[0, -1]
        self.stream = self.kept[self.norm].clone()
        early = [net.lm_head(self.norm(each[0, -1:]))[0] for each in outputs.hidden_states[:-1]]
        self.depths = [*early, self.logits]

    def heads(self, token: int, foil: int | None = None) -> np.ndarray:
        """(layers, heads): what each adds to a logit."""
        rows = self.net.lm_head.weight
        row = rows[token] - (0 if foil is None else rows[foil])
        reader = self.norm.weight * row * (self.stream.square().mean() + 1e-6).rsqrt()
        size = self.net.config.hidden_size // self.net.config.num_attention_heads
        found = []
        for layer in self.layers:
            projection = layer.self_attn.o_proj
            parts = (projection.weight * self.kept[projection]).T @ reader
            found.append(parts.reshape(-1, size).sum(-1))
        return torch.stack(found).numpy()


async def test_f_and_y_look_into_the_likeliest_logit(open_app: Opener) -> None:
    apart = Apart()
    first, second = apart.logits.argsort(descending=True)[:2].tolist()
    async with open_app() as screen:
        heads = screen.main.query_one(HeadMap)
        await screen.press("F")
        assert heads.values is not None
        np.testing.assert_allclose(heads.values, apart.heads(first), atol=1e-4)
        parts = dict(screen.main.query_one(PatternPane).parts)
        logit = parts.pop("the logit")
        assert abs(logit - float(apart.logits[first])) < 1e-4
        assert abs(sum(parts.values()) - logit) < 1e-4
        assert "adds to logit" in screen.text and f"is {logit:+.2f}: all heads" in screen.text
        assert f"{parts['embedding']:+.3f} embedding" in screen.text
        layer, head = np.unravel_index(np.abs(heads.values).argmax(), heads.values.shape)
        await screen.press("G")
        assert (screen.main.look.layer, screen.main.look.head) == (layer, head)
        assert heads._levels[layer][head] in {0, heads.palette.count - 1}

        await screen.press("F")
        np.testing.assert_allclose(heads.values, apart.heads(first, second), atol=1e-4)
        gap = float(apart.logits[first] - apart.logits[second])
        assert f"is {gap:+.2f}: all heads" in screen.text and " less " in screen.text
        await screen.press("equals_sign")
        assert "Elhage et al. 2021" in screen.text
        await screen.press("escape", "Y")
        assert isinstance(screen.app.screen, Window) and "nostalgebraist 2020" in screen.text
        lines = [line for line in screen.lines if re.search(r"│ +(embedding|layer \d) +\d", line)]
        for line, logits in zip(lines, apart.depths, strict=True):
            rank = int((logits > logits[first]).sum()) + 1
            p = float(logits.softmax(0)[first])
            assert f" {rank}  " in line and f" {p:.3f} " in line
            best = apart.tokenizer.decode([int(logits.argmax())]).strip()
            assert best in line


async def test_d_shows_a_lens_beside_the_weights_that_it_is_of(open_app: Opener) -> None:
    weights = Apart().weights
    async with open_app(start=Start(layer=1, head=2)) as screen:
        grid = screen.main.query_one(AttentionGrid)

        def shown() -> np.ndarray:
            assert grid.window is not None
            return grid.window.weights

        await screen.press("V")
        lens = shown()
        await screen.press("D")
        np.testing.assert_allclose(shown(), weights[1, 2], atol=1e-5)
        await screen.press("D")
        expected = np.zeros_like(lens)
        for i, j in np.ndindex(*lens.shape):
            expected[i, j] = lens[i, j] / lens[i].sum() - weights[1, 2, i, j]
        np.testing.assert_allclose(shown(), expected, atol=1e-5)
        assert grid.palette.zero and "less the weights, both as shares of their row" in screen.text
        assert "difference -1" in screen.lines[-2] or "-1 " in screen.lines[-2]
        await screen.press("equals_sign")
        assert "D[i, j] = L[i, j]" in screen.text
        await screen.press("escape", "V", "V", "V", "V", "r")
        assert screen.main.look.method == "weights"
        rollout = np.eye(len(lens))
        for layer in weights:
            rollout = (0.5 * layer.mean(0) + 0.5 * np.eye(len(lens))) @ rollout
        np.testing.assert_allclose(shown(), rollout - weights.mean((0, 1)), atol=1e-5)
        await screen.press("D")
        np.testing.assert_allclose(shown(), rollout, atol=1e-5)
        await screen.press("r", "D")
        assert "x switches a head off" in screen.text


async def test_a_long_rollout_has_rows_and_no_columns(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "MOST_JOINT", 8)
    async with open_app("demo", "The cat saw the dog. The cat saw", size=(120, 36)) as screen:
        attended = screen.app.screen.query_one("#attended", RankedList)
        assert attended.entries
        await screen.press("r")
        assert screen.app.screen.query_one("#attends", RankedList).entries
        assert not attended.entries and attended.title == NO_COLUMNS[0][0]
        await screen.press("r")
        assert attended.entries


async def test_a_masked_model_has_no_such_sum_and_says_why(open_app: Opener) -> None:
    async with open_app("demo-bert", None, size=(80, 24)) as screen:
        await screen.press("F")
        assert screen.main.look.map == "cell"
        assert "direct attribution needs a logit that is a sum" in " ".join(screen.text.split())
        await screen.press("Y")
        assert "masked token" in screen.text or "Rank and p of" in screen.text
