"""Which heads of `demo` copy: without its induction heads a repeated random sequence is new to it.

Olsson et al. 2022, "In-context Learning and Induction Heads": that a head looks where copying needs
it to is no proof that the copying goes through it; switching it off is.
"""

import random
import statistics

import pytest
import torch

from attntui.core.protocol import STATISTICS, Edits, Head, ModelOptions
from attntui.engine import calibration, loading, run
from attntui.engine.edits import changes
from tests.cli.engine_here import Work

HEADS = [(layer, head) for layer in range(4) for head in range(4)]


@pytest.fixture(scope="module")
def losses():
    """Gives the mean loss, in nats, over the first and the second half, with these heads off."""
    work = Work()
    loaded, _ = loading.load(loading.prepare(ModelOptions(model="demo", device="cpu"), work), work)
    base = run.trace(loaded, calibration.repeated(loaded), 1)
    ids = base.encoded.inputs["input_ids"][0]

    def found(heads):
        edits = Edits(tuple(Head("self", *head) for head in heads))
        logits = run.trace(loaded, base.encoded, 2, changes=changes(base, edits)).logits
        each = torch.nn.functional.cross_entropy(logits[:-1].float(), ids[1:], reduction="none")
        length = calibration.LENGTH  # after the first token; that of the second half is no copy yet
        return float(each[:length].mean()), float(each[length + 1 :].mean())

    measured = calibration.calibrated(loaded, "self").scores
    named = {
        name: [head for head in HEADS if measured[STATISTICS.index(name)][head] > 0.8]
        for name in ("induction", "previous")
    }
    return found, named["induction"], named["previous"]


def test_copying_goes_through_the_induction_heads(losses):
    found, induction, previous = losses
    # Induction heads find their key by what a previous-token head wrote there: it is needed, too.
    others = [head for head in HEADS if head not in induction + previous]
    chance = random.Random(0)
    first, whole = found([])
    off = found(induction)[1]
    sets = [sorted(chance.sample(others, len(induction))) for _ in range(20)]
    without_others = sorted(found(heads)[1] for heads in sets)
    print(
        f"loss on the second half: whole {whole:.2f}, without the induction heads {induction}"
        f" {off:.2f}, without {previous} {found(previous)[1]:.2f}; on the first half {first:.2f};"
        f" without as many others, 20 times {[f'{loss:.2f}' for loss in without_others]}"
    )
    assert whole < 0.5 and first > 10
    assert off > 10
    assert statistics.median(without_others) < 1
    assert found(previous)[1] > 10
