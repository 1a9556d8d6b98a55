"""Requests about a run, through the session: each reply as the protocol describes it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attntui.core.errors import UserError
from attntui.core.protocol import (
    STATISTICS,
    Arrays,
    Chosen,
    GetCellMap,
    GetHidden,
    GetMaps,
    GetStatistics,
    GetTop,
    GetWindow,
    Head,
    Hidden,
    Load,
    ModelOptions,
    PromptInput,
    Reading,
    Request,
    Statistics,
    Top,
    Trace,
)
from attntui.engine.session import Session

PAIR = PromptInput(text="The boy opened the door.", pair="Mary went to the store.")


@pytest.fixture
def ask(tiny: Callable[[str], Path], work: Any) -> Callable[[Request], Any]:
    """A session that has read a pair of sentences with a BERT."""
    session = Session()
    session.answer(Load(ModelOptions(model=str(tiny("bert")), device="cpu")), work)
    session.answer(Trace(1, PAIR), work)
    return lambda request: session.answer(request, work)


def test_every_reading_is_answered(ask: Callable[[Request], Any]) -> None:
    hidden, _ = ask(GetHidden(1, "self"))
    assert isinstance(hidden, Hidden) and len(hidden.special) == 3 and hidden.special[0] == 0
    last = hidden.special[-1]
    everything, reading = (0, last + 1), Reading(sinks="hide")
    reply, (weights, hides) = ask(
        GetWindow(1, Head("self", 1, 2), everything, everything, reading=reading)
    )
    assert reply == Arrays(1, ("weights", "hidden"))
    assert np.isnan(weights[:, list(hidden.special)]).all()
    top, _ = ask(GetTop(1, Head("self", 1, 2), (4, 5), "attends_to", 3, reading))
    assert isinstance(top, Top) and top.hidden == pytest.approx(
        float(hides[4] + hides[5]), abs=1e-5
    )
    listed = sum(entry.weight for entry in top.entries)
    assert listed + top.rest + top.hidden == pytest.approx(2, abs=1e-5)
    reply, (maps,) = ask(GetMaps(1, "self", 1, 1, 1, reading=reading))
    assert reply == Arrays(1, ("maps",)) and maps.shape == (4, last + 1, last + 1)
    np.testing.assert_allclose(maps[2], weights, atol=1e-6)
    reply, (cells,) = ask(GetCellMap(1, "self", 4, 5, reading))
    assert reply == Arrays(1, ("map",)) and cells[1, 2] == pytest.approx(weights[4, 5], abs=1e-6)
    _, (mean,) = ask(GetWindow(1, Chosen("self", ((1, 2),)), everything, everything))
    assert mean[4, 5] == pytest.approx(weights[4, 5], abs=1e-6)


def test_statistics_on_the_prompt_and_on_the_calibration_text(
    ask: Callable[[Request], Any],
) -> None:
    whole = GetWindow(1, Head("self", 1, 2), (0, 5), (0, 5))
    before = ask(whole)[1][0]
    separator, largest = STATISTICS.index("separator"), STATISTICS.index("largest")
    on_prompt, (scores,) = ask(GetStatistics(1, "self"))
    assert isinstance(on_prompt, Statistics)
    assert scores.shape == (len(STATISTICS), 2, 4) and scores.dtype == np.float32
    calibration, (others,) = ask(GetStatistics(1, "self", "calibration"))
    assert calibration.run == 1 and calibration.eligible[largest] == 2 + 2 * 31
    assert calibration.eligible != on_prompt.eligible and not np.isnan(others[separator]).any()
    # The held run is as it was.
    np.testing.assert_array_equal(ask(whole)[1][0], before)
    np.testing.assert_array_equal(ask(GetStatistics(1, "self"))[1][0], scores)


@pytest.mark.parametrize("basis", ["prompt", "calibration"])
def test_a_stack_that_is_not_there_is_named(ask: Callable[[Request], Any], basis: Any) -> None:
    with pytest.raises(UserError, match="no cross attention here, only self"):
        ask(GetStatistics(1, "cross", basis))
    with pytest.raises(UserError, match="no cross attention"):
        ask(GetHidden(1, "cross"))
