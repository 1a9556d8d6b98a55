"""The three formats hold the same numbers, exactly."""

import csv
import io
import json

import numpy as np
import pytest

from attntui.cli.formats import Csv, Format, Json, Npz, Place

SHAPE = (2, 3, 4, 5)
WEIGHTS = np.random.default_rng(0).random(SHAPE, np.float32) ** 8
WEIGHTS[1, 2] = np.nan
TOKENS = ["a", " \x1b]0;x\x07", "日本", ""]


def fill(file: Format, rows: int) -> None:
    """Write as an export does, `rows` rows at a time."""
    file.entry("tokens", TOKENS)
    file.entry("layers", [4, 7])
    file.begin("attention", SHAPE)
    for layer in range(2):
        for head in range(3):
            for start in range(0, 4, rows):
                block = WEIGHTS[layer, head, start : start + rows]
                file.add(block, Place(layer + 4, head, start))
    file.begin("rollout", SHAPE[2:])
    file.add(WEIGHTS[0, 0], Place("all", "rollout", 0))
    file.entry("meta", {"model": "m"})
    file.finish()


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_npz_is_what_numpy_reads(rows: int) -> None:
    stream = io.BytesIO()
    fill(Npz(stream), rows)
    stream.seek(0)
    with np.load(stream, allow_pickle=False) as read:
        np.testing.assert_array_equal(read["attention"], WEIGHTS)
        np.testing.assert_array_equal(read["rollout"], WEIGHTS[0, 0])
        assert read["attention"].dtype == np.float32
        assert read["tokens"].tolist() == TOKENS
        assert read["layers"].tolist() == [4, 7] and read["layers"].dtype == np.int64
        assert json.loads(str(read["meta"])) == {"model": "m"}


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_json_reads_back_to_the_last_bit(rows: int) -> None:
    stream = io.BytesIO()
    fill(Json(stream), rows)
    text = stream.getvalue()
    assert text.isascii() and b"\x1b" not in text and b"NaN" not in text
    read = json.loads(text)
    np.testing.assert_array_equal(np.array(read["attention"], np.float32), WEIGHTS)
    assert read["attention"][1][2][0] == [None] * 5
    np.testing.assert_array_equal(np.array(read["rollout"], np.float32), WEIGHTS[0, 0])
    assert read["tokens"] == TOKENS
    assert read["meta"] == {"model": "m"}


def test_csv_has_a_line_for_every_weight() -> None:
    stream = io.BytesIO()
    fill(Csv(stream), 3)
    lines = list(csv.DictReader(io.StringIO(stream.getvalue().decode())))
    assert list(lines[0]) == ["layer", "head", "query", "key", "weight"]
    heads = [line for line in lines if line["layer"] != "all"]
    assert len(heads) == WEIGHTS.size
    for line in heads:
        at = int(line["layer"]) - 4, int(line["head"]), int(line["query"]), int(line["key"])
        np.testing.assert_equal(np.float32(line["weight"]), WEIGHTS[at])
    last = lines[-1]
    assert (last["layer"], last["head"], last["query"], last["key"]) == ("all", "rollout", "3", "4")


def test_an_empty_selection_stays_an_integer_array() -> None:
    stream = io.BytesIO()
    file = Npz(stream)
    file.entry("heads", [])
    file.finish()
    with np.load(io.BytesIO(stream.getvalue())) as read:
        assert read["heads"].dtype == np.int64
