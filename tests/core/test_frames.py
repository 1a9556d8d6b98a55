"""Frames survive the pipe, and what is no frame is refused."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from attntui.core.frames import (
    PREFIX,
    FrameError,
    decode_answer,
    decode_prefix,
    encode_answer,
    encode_call,
    read_call,
)
from attntui.core.protocol import Arrays, GetWindow, Head, Load, ModelOptions, PromptInput, Trace

ARRAYS = np_st.arrays(np.float32, np_st.array_shapes(max_dims=3, min_side=0, max_side=5))


def split(frame: bytes) -> tuple[bytes, bytes]:
    header, body = decode_prefix(frame[: PREFIX.size])
    assert len(frame) == PREFIX.size + header + body
    return frame[PREFIX.size : PREFIX.size + header], frame[PREFIX.size + header :]


@given(st.lists(ARRAYS, max_size=3))
def test_arrays_come_back_bit_for_bit(arrays: list[np.ndarray]) -> None:
    frame = b"".join(encode_answer(7, Arrays(3), *arrays))
    answer, back = decode_answer(*split(frame))
    assert (answer.id, answer.reply) == (7, Arrays(3))
    assert [array.shape for array in back] == [array.shape for array in arrays]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(arrays, back, strict=True))


def test_a_transposed_array_arrives_in_order() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    _, (back,) = decode_answer(*split(b"".join(encode_answer(1, Arrays(1), array))))
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "request_",
    [
        Load(ModelOptions(model="gpt2", dtype="bfloat16")),
        Trace(2, PromptInput(text="日本語 \x1b", pair="b", truncate="left")),
        GetWindow(1, Head("cross", 3, 4), (0, 9), (2, 5), 2, 2, "mean"),
    ],
)
def test_requests_come_back_equal(request_: Load | Trace | GetWindow) -> None:
    call = read_call(io.BytesIO(encode_call(5, request_)))
    assert call is not None
    assert (call.id, call.request) == (5, request_)


def test_the_end_of_the_stream_is_no_call() -> None:
    frame = encode_call(1, Load(ModelOptions(model="x")))
    assert read_call(io.BytesIO(b"")) is None
    assert read_call(io.BytesIO(frame[:-3])) is None


def test_a_greeting_is_refused() -> None:
    with pytest.raises(FrameError):
        decode_prefix(b"Welcome to gpu01!"[: PREFIX.size])


@pytest.mark.parametrize("cut", [1, 4])
def test_arrays_that_do_not_fill_the_body_are_refused(cut: int) -> None:
    header, body = split(b"".join(encode_answer(1, Arrays(1), np.zeros(3, np.float32))))
    with pytest.raises(FrameError):
        decode_answer(header, body[:-cut])
    with pytest.raises(FrameError):
        decode_answer(header, body + b"\0" * cut)


def test_no_other_type_of_array_is_read() -> None:
    header, body = split(b"".join(encode_answer(1, Arrays(1), np.zeros(1, np.float64))))
    with pytest.raises(FrameError):
        decode_answer(header, body)
