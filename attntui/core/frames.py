"""Frames on the pipe: two lengths, a msgpack header, raw array bytes.

    frame = header length (4 bytes) | body length (8 bytes) | header | body

Lengths are little-endian and unsigned. The header is a `Call` or an `Answer`; the body is the bytes
of the answer's arrays, one after another. Nothing is ever pickled: the pipe may be a network.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from attntui.core.protocol import Answer, ArraySpec, Call, Reply, Request

if TYPE_CHECKING:
    import numpy as np

PREFIX = struct.Struct("<IQ")
MAX_HEADER = 64 * 2**20
MAX_BODY = 2**34
DTYPES = frozenset({"float32", "int64"})

_encoder = msgspec.msgpack.Encoder()
_call_decoder = msgspec.msgpack.Decoder(Call)
_answer_decoder = msgspec.msgpack.Decoder(Answer)


class FrameError(Exception):
    """The other side did not speak this protocol."""


def encode_call(call: int, request: Request) -> bytes:
    """A whole frame of one request."""
    header = _encoder.encode(Call(call, request))
    return PREFIX.pack(len(header), 0) + header


def encode_answer(call: int, reply: Reply, *arrays: np.ndarray) -> list[bytes | memoryview]:
    """The pieces of a frame, to be written one after another; arrays are not copied."""
    import numpy as np

    arrays = tuple(np.ascontiguousarray(array) for array in arrays)
    specs = tuple(ArraySpec(str(array.dtype), array.shape) for array in arrays)
    header = _encoder.encode(Answer(call, reply, specs))
    size = sum(array.nbytes for array in arrays)
    body = [array.data.cast("B") for array in arrays if array.size]
    return [PREFIX.pack(len(header), size), header, *body]


def decode_prefix(prefix: bytes) -> tuple[int, int]:
    """Header and body length.

    Raises:
        FrameError: lengths no frame of ours can have, such as those of a shell's greeting.
    """
    header, body = PREFIX.unpack(prefix)
    if header > MAX_HEADER or body > MAX_BODY:
        raise FrameError("what arrived is not an attntui engine's answer")
    return header, body


def decode_answer(header: bytes, body: bytes) -> tuple[Answer, list[np.ndarray]]:
    """An answer and its arrays (read-only views of `body`).

    Raises:
        FrameError: the header is not an answer, or its arrays do not fill the body.
    """
    try:
        answer = _answer_decoder.decode(header)
    except msgspec.MsgspecError as error:
        raise FrameError(f"the engine's answer could not be read: {error}") from error
    if not answer.arrays:
        return answer, []
    import numpy as np  # here: the first paint does not wait for it

    arrays, offset = [], 0
    for spec in answer.arrays:
        if spec.dtype not in DTYPES or any(length < 0 for length in spec.shape):
            raise FrameError(f"the engine sent an array of unknown type {spec.dtype}")
        dtype, count = np.dtype(spec.dtype), int(np.prod(spec.shape, dtype=np.int64))
        if offset + count * dtype.itemsize > len(body):
            raise FrameError("the engine's arrays do not fill their frame")
        arrays.append(np.frombuffer(body, dtype, count, offset).reshape(spec.shape))
        offset += count * dtype.itemsize
    if offset != len(body):
        raise FrameError("the engine's arrays do not fill their frame")
    return answer, arrays


def _read(stream: BinaryIO, size: int) -> bytes:
    """As many bytes, fewer only at the end; an unbuffered stream gives what there is at a time."""
    data = bytearray()
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return bytes(data)


def read_call(stream: BinaryIO) -> Call | None:
    """The next request from a blocking stream, None at its end.

    Raises:
        FrameError: what was read is no request of ours.
    """
    prefix = _read(stream, PREFIX.size)
    if len(prefix) < PREFIX.size:
        return None
    length, _ = decode_prefix(prefix)
    header = _read(stream, length)
    if len(header) < length:
        return None
    try:
        return _call_decoder.decode(header)
    except msgspec.MsgspecError as error:
        raise FrameError(f"the request could not be read: {error}") from error
