"""Numbers of heads from the .csv that scan and ablate write."""

import math

import numpy as np
import pytest

from attntui.cli.agreement import Agreement
from attntui.cli.spreads import Spreads
from attntui.core.errors import UserError
from attntui.core.head_tables import FORMS, tables_of
from attntui.core.protocol import Head, LayerInfo, StackInfo

STACK = StackInfo("self", "text", "text", True, (LayerInfo(2), LayerInfo(1)))
SCAN = ",".join(Spreads.columns)
TREEBANK = ",".join(Agreement.columns)
TASK = "layer,head,accuracy,logprob,logit_difference,n"


def test_it_knows_the_columns_that_are_written() -> None:
    assert all(any(set(form) <= set(each.split(",")) for form in FORMS) for each in (SCAN, TASK))
    lines = ["0,0,self,0.25,0.1,3", "0,1,self,nan,nan,0", "1,0,self,0.5,0,3"]
    more = ["0,0,distance,3.5,1,3", "0,1,distance,12.5,1,3", "1,0,distance,0,1,3"]
    of_self, distance = tables_of("\n".join([SCAN, *lines, *more]), "some/corpus.csv")
    np.testing.assert_array_equal(of_self.of(STACK), np.float32([[0.25, np.nan], [0.5, np.nan]]))
    assert (of_self.name, of_self.file, of_self.largest) == ("mean self", "corpus.csv", 1)
    assert (distance.unit, distance.largest, distance.has_sign) == ("tokens", 12.5, False)
    distance.check([STACK])
    for fewer in ((LayerInfo(2),), (LayerInfo(1), LayerInfo(1))):
        other = StackInfo("self", "text", "text", True, fewer)
        assert np.isnan(distance.of(other)).all(), "a pinned run of a smaller model"


def test_relations_in_both_directions() -> None:
    lines = [
        "nsubj,dependent_to_head,cross.0,0,0.5,1,0.4,9",
        "nsubj,head_to_dependent,cross.0,0,0.75,1,0.4,9",
        "obj\x1b[31m,head_to_dependent,cross.0,0,0.125,1,0.4,9",
    ]
    found = tables_of("\n".join([TREEBANK, *lines]), "ud.csv")
    assert [each.name for each in found[:2]] == ["nsubj dep→head", "nsubj head→dep"]
    assert "\x1b" not in found[2].name
    assert [each.values for each in found] == [
        ((Head("cross", 0, 0), value),) for value in (0.5, 0.75, 0.125)
    ]


def test_a_task_is_told_as_what_is_lost() -> None:
    lines = [",,0.75,-2,0.5,8", "0,0,0.5,-3.5,-1,8", "0,1,0.75,-2,0.5,8", "1,0,1,-1,0.75,8"]
    accuracy, logprob, difference = tables_of("\n".join([TASK, *lines]), "task.csv")
    assert [value for _, value in accuracy.values] == [-0.25, 0, 0.25]
    assert [value for _, value in logprob.values] == [-1.5, 0, 1]
    assert [value for _, value in difference.values] == [-1.5, 0, 0.25]
    assert accuracy.has_sign and logprob.largest == 1.5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no table of heads: a map is what attntui scan --csv"),
        ("layer,head,query,key,weight\n0,0,0,0,1", "is no table of heads"),
        (SCAN, "has no line of numbers"),
        (f'{SCAN}\n0,0,"self', "is no .csv"),
        (f"{SCAN}\n0,0,self,much,0,1", "has 'much' where mean is a number"),
        (f"{SCAN}\n0,0,self,inf,0,1", "has 'inf' where mean is a number"),
        (f"{SCAN}\n0,0", "has '' where mean is a number"),
        (f"{SCAN}\n0,x\x1b[31m,self,1,0,1", "has a line of no head: layer 0, head x"),
        (f"{SCAN}\n0,0,self,1,0,1\n0,0,self,1,0,1", "has head 0.0 twice"),
        (f"{TASK}\n0,0,1,1,1,1", "does not begin with the whole model"),
        (f"{TASK}\n,,1,1,1,1", "has the whole model and no head"),
        (f"{TASK}\n,,1,1,1,1\n,0.0+1.0,1,1,1,1", "is of sets of several heads"),
    ],
)
def test_what_is_no_map_is_said_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as raised:
        tables_of(text, "bad.csv")
    assert sentence in str(raised.value) and str(raised.value).startswith("bad.csv ")
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    ("heads", "sentence"),
    [
        (["0,0", "0,1", "1,0", "1,1"], "which has no head 1.1"),
        (["0,0", "1,0"], "which has a head 0.1 that the file lacks"),
        (["decoder.0,0"], "which has no head decoder.0.0"),
    ],
)
def test_heads_of_another_model(heads: list[str], sentence: str) -> None:
    (table,) = tables_of("\n".join([SCAN, *(f"{head},self,1,0,1" for head in heads)]), "x.csv")
    with pytest.raises(UserError, match=sentence):
        table.check([STACK])
    assert math.isclose(table.values[0][1], 1)
