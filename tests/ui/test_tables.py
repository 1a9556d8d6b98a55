"""Tables of heads on the head map."""

import numpy as np

from attntui.core.head_tables import tables_of
from attntui.ui.start import Start
from attntui.ui.widgets.head_map import HeadMap
from tests.ui.conftest import Opener

WHOLE = (0.75, -2.0, 0.5)
SCORES = {
    (layer, head): (0.75 - 0.125 * head, -2 - layer - head, 0.5 + head)
    for layer in range(4)
    for head in range(4)
}


def task(heads: int = 4) -> str:
    rows = [("", "", *WHOLE)]
    rows += [(*place, *row) for place, row in SCORES.items() if place[1] < heads]
    lines = [",".join(map(str, (*row, 8))) for row in rows]
    return "\n".join(["layer,head,accuracy,logprob,logit_difference,n", *lines])


def scan() -> str:
    lines = [f"{layer},{head},distance,{layer + head / 2},1,3" for layer, head in SCORES]
    return "\n".join(["layer,head,statistic,mean,std,n", *lines])


async def test_they_are_kinds_of_the_head_map(open_app: Opener) -> None:
    fitting = [*tables_of(task(), "task.csv"), *tables_of(scan(), "corpus.csv")]
    other = tables_of(task(3), "other.csv")
    start = Start(layer=2, head=3, tables=(*fitting, *other))
    async with open_app(start=start) as screen:
        heads = screen.main.query_one(HeadMap)
        assert "which has a head 0.3 that the file lacks" in " ".join(screen.text.split())
        assert "accuracy, head off" in screen.text
        lost = np.array([SCORES[place][0] - WHOLE[0] for place in SCORES]).reshape(4, 4)
        np.testing.assert_allclose(heads.values, lost)
        assert heads.palette.zero and heads.bound == 0.375
        assert heads.value_here() == -0.375 and "-0.375" in screen.text
        levels = heads._levels[2]
        assert levels[0] == heads.palette.zero and levels[3] == 0

        await screen.press("o")
        assert "2.3   -5.00 nats" in screen.text
        await screen.press("o", "o")
        assert "mean distance" in screen.text and "2.3   3.50 tokens" in screen.text
        assert not heads.palette.zero and heads.bound == 4.5
        await screen.pilot.resize_terminal(80, 24)
        await screen.settled()
        assert "mean distance 3.50 tokens" in screen.text
        await screen.press("G")
        assert (screen.main.look.layer, screen.main.look.head) == (3, 3)
        await screen.press("equals_sign")
        assert "column mean of corpus.csv, by attntui scan" in screen.text
        await screen.press("escape", "o")
        assert screen.main.look.map == "cell"
        await screen.press("O")
        assert "mean distance" in screen.text
