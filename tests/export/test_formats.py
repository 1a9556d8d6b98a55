"""Every format holds the same numbers, exactly."""

import csv
import io
import json
import math

import numpy as np
import pytest
import safetensors
from safetensors.numpy import load

from attntui.export.formats import FORMATS, Format, Place

SHAPE = (2, 3, 4, 5)
WEIGHTS = np.random.default_rng(0).random(SHAPE, np.float32) ** 8
WEIGHTS[1, 2] = np.nan
SCORES = np.array([[0.25, np.nan, 3], [1, 2, 1e-7]], np.float32)
TOKENS = ["a", " \x1b]0;x\x07", "日本", ""]


def fill(file: Format, rows: int) -> None:
    """Write as an export does, `rows` rows at a time."""
    entries = {"tokens": TOKENS, "layers": [4, 7], "heads": [], "meta": {"model": "m"}}
    shapes = {"attention": SHAPE, "rollout": SHAPE[2:]}
    file.start(entries, shapes if file.matrices_only else shapes | {"sink": SCORES.shape})
    file.begin("attention")
    for layer in range(2):
        for head in range(3):
            for start in range(0, 4, rows):
                block = WEIGHTS[layer, head, start : start + rows]
                file.add(block, Place(layer + 4, head, start))
    file.begin("rollout")
    file.add(WEIGHTS[0, 0], Place("all", "rollout", 0))
    if not file.matrices_only:
        file.begin("sink")
        file.add(SCORES)
    file.finish()


def written(kind: str, rows: int) -> bytes:
    stream = io.BytesIO()
    fill(FORMATS[kind](stream), rows)
    return stream.getvalue()


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_npz_is_what_numpy_reads(rows: int) -> None:
    with np.load(io.BytesIO(written("npz", rows)), allow_pickle=False) as read:
        np.testing.assert_array_equal(read["attention"], WEIGHTS)
        np.testing.assert_array_equal(read["rollout"], WEIGHTS[0, 0])
        np.testing.assert_array_equal(read["sink"], SCORES)
        assert read["attention"].dtype == np.float32
        assert read["tokens"].tolist() == TOKENS
        assert read["layers"].tolist() == [4, 7] and read["layers"].dtype == np.int64
        assert read["heads"].shape == (0,) and read["heads"].dtype == np.int64
        assert json.loads(str(read["meta"])) == {"model": "m"}


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_safetensors_is_what_its_library_reads(rows: int) -> None:
    data = written("safetensors", rows)
    read = load(data)
    np.testing.assert_array_equal(read["attention"], WEIGHTS)
    np.testing.assert_array_equal(read["rollout"], WEIGHTS[0, 0])
    np.testing.assert_array_equal(read["sink"], SCORES)
    assert read["attention"].dtype == np.float32
    assert read["layers"].tolist() == [4, 7] and read["layers"].dtype == np.int64
    assert read["heads"].shape == (0,)
    assert sorted(read) == ["attention", "heads", "layers", "rollout", "sink"]


def test_safetensors_keeps_texts_in_its_metadata(tmp_path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(written("safetensors", 4))
    with safetensors.safe_open(path, "numpy") as file:
        texts = {name: json.loads(text) for name, text in file.metadata().items()}
    assert texts == {"tokens": TOKENS, "meta": {"model": "m"}}


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_json_reads_back_to_the_last_bit(rows: int) -> None:
    text = written("json", rows)
    assert text.isascii() and b"\x1b" not in text and b"NaN" not in text
    read = json.loads(text)
    np.testing.assert_array_equal(np.array(read["attention"], np.float32), WEIGHTS)
    assert read["attention"][1][2][0] == [None] * 5
    np.testing.assert_array_equal(np.array(read["rollout"], np.float32), WEIGHTS[0, 0])
    np.testing.assert_array_equal(np.array(read["sink"], np.float32), SCORES)
    assert read["tokens"] == TOKENS
    assert read["meta"] == {"model": "m"}


def test_csv_has_a_line_for_every_weight() -> None:
    lines = list(csv.DictReader(io.StringIO(written("csv", 3).decode())))
    assert list(lines[0]) == ["layer", "head", "query", "key", "weight"]
    heads = [line for line in lines if line["layer"] != "all"]
    assert len(heads) == math.prod(SHAPE)
    for line in heads:
        at = int(line["layer"]) - 4, int(line["head"]), int(line["query"]), int(line["key"])
        np.testing.assert_equal(np.float32(line["weight"]), WEIGHTS[at])
    last = lines[-1]
    assert (last["layer"], last["head"], last["query"], last["key"]) == ("all", "rollout", "3", "4")


@pytest.mark.parametrize("kind", ["npz", "safetensors", "json"])
def test_at_least_so_many_bytes_a_weight_are_written(kind: str) -> None:
    assert len(written(kind, 4)) > FORMATS[kind].bytes_per_weight * WEIGHTS.size
