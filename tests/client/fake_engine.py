"""An engine without a model, for tests where time, failure or death must be controlled.

It speaks the protocol over descriptors 0 and 1. What it does is in the request: the prompt of a
`Trace` is a list of commands separated by `;`, and a `GetPredictions` of position p takes p
milliseconds. With an argument it misbehaves from the start, see `main`.
"""

import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

from attntui.core.frames import encode_answer, read_call
from attntui.core.protocol import (
    PROTOCOL_VERSION,
    STATISTICS,
    Arrays,
    Call,
    Cancel,
    Done,
    Failed,
    GetCellMap,
    GetMaps,
    GetPredictions,
    GetReach,
    GetScores,
    GetStatistics,
    GetTop,
    GetWindow,
    Head,
    Hello,
    Keep,
    LayerInfo,
    Load,
    Loaded,
    ModelInfo,
    Predictions,
    Progress,
    Reply,
    Rollout,
    RunInfo,
    SideInfo,
    StackInfo,
    Statistics,
    Token,
    Top,
    TopEntry,
    Trace,
    Traced,
    Trust,
    Unload,
)

HEADS = [int(count) for count in os.environ.get("FAKE_HEADS", "2,2").split(",")]
SHAPE = len(HEADS), max(HEADS)
STACKS = (StackInfo("self", "text", "text", True, tuple(map(LayerInfo, HEADS))),)
MODEL = ModelInfo(
    name="fake",
    revision=None,
    architecture="Fake",
    model_type="fake",
    parameters=0,
    device="cpu",
    device_name="cpu",
    dtype="float32",
    capture="interface",
    predicts=None,
    mask_token=None,
    max_positions=None,
    stacks=STACKS,
    self_check=0.0,
)
TRUST = Trust(
    exact=True,
    self_check=0.0,
    output_error=0.0,
    row_sum_error=0.0,
    leak=0.0,
    rows_checked=0,
    dtype="float32",
)

cancelled: set[int] = set()
tokens = 4
"""Of the last run."""


def send(call: int, reply: Reply, *arrays: np.ndarray) -> None:
    for piece in encode_answer(call, reply, *arrays):
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(1, rest) :]


def wait(call: int, seconds: float) -> bool:
    """Whether the time passed without a cancel."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if call in cancelled:
            return False
        time.sleep(0.002)
    return True


def run(call: int, run_number: int, commands: str) -> None:
    global tokens
    texts = [f"t{at}" for at in range(4)]
    for command in commands.split(";"):
        verb, _, rest = command.strip().partition(" ")
        if verb == "kill":
            os.kill(os.getpid(), getattr(signal, rest))
        elif verb == "exit":
            os._exit(int(rest))
        elif verb == "say":
            print(rest.replace("ESC", "\x1b"), file=sys.stderr, flush=True)
        elif verb == "fail":
            kind, _, message = rest.partition(" ")
            send(call, Failed(kind, message.replace("ESC", "\x1b")))  # type: ignore[arg-type]
            return
        elif verb == "garbage":
            os.write(1, b"Welcome to Ubuntu 24.04 LTS")
            time.sleep(60)
        elif verb == "progress":
            send(call, Progress(rest, 1, 2))
        elif verb == "download":
            note = "nothing came for 6 s"
            send(call, Progress(rest, 15 * 10**8, 4 * 10**9, "B", 25e6, note))
        elif verb == "tokens":
            texts = [f"t{at}" for at in range(int(rest))]
        elif verb == "texts":
            texts = rest.replace("ESC", "\x1b").split("|")
        elif verb == "sleep" and not wait(call, float(rest)):
            send(call, Failed("cancelled", "Cancelled."))
            return
    tokens = len(texts)
    side = SideInfo("text", tuple(Token(at, text) for at, text in enumerate(texts)))
    send(
        call,
        Traced(
            RunInfo(
                run=run_number,
                sides=(side,),
                stacks=STACKS,
                trust=TRUST,
                seconds=0.0,
                recorded_bytes=0,
                device_bytes=0,
            )
        ),
    )


def window(call: int, request: GetWindow) -> None:
    """Weights that say where they come from: layer, head, query, key as digits."""
    view = request.view
    print(f"window {view}", file=sys.stderr, flush=True)
    if isinstance(view, Rollout) and view.start_layer == 9:
        send(call, Failed("fault", "no such layer"))
        return
    if isinstance(view, Rollout) and os.environ.get("FAKE_ROLLOUT_KILLS"):
        os.kill(os.getpid(), signal.SIGKILL)
    if isinstance(view, Rollout) and view.start_layer >= int(
        os.environ.get("FAKE_ROLLOUT_LASTS_FROM", "99")
    ):
        send(call, Progress("rollout", 1, 4))
        if not wait(call, 60):
            send(call, Failed("cancelled", "Cancelled."))
            return
    layer, head = (view.layer, view.head) if isinstance(view, Head) else (9, 9)
    queries = np.arange(*request.rows)[:, None]
    keys = np.arange(*request.keys)[None]
    weights = layer * 1000 + head * 100 + queries * 10 + keys
    for axis, step in enumerate((request.row_step, request.key_step)):
        weights = np.maximum.reduceat(weights, range(0, weights.shape[axis], step), axis)
    time.sleep(float(os.environ.get("FAKE_WINDOW_SECONDS", "0")))
    send(call, Arrays(request.run, ("weights",)), weights.astype(np.float32))


def maps(call: int, request: GetMaps) -> None:
    """Weights that say where they come from: hundredths of the layer, thousandths of the head."""
    print(f"maps {request.layer}", file=sys.stderr, flush=True)
    down, across = -(-tokens // request.row_step), -(-tokens // request.key_step)
    heads = np.arange(HEADS[request.layer])[:, None, None]
    weights = np.tile(request.layer / 100 + heads / 1000, (1, down, across))
    send(call, Arrays(request.run, ("maps",)), weights.astype(np.float32))


def answer(call: Call) -> None:
    request = call.request
    if isinstance(request, Load):
        send(call.id, Loaded(MODEL))
    elif isinstance(request, Trace):
        if request.record is not None:
            print(f"trace {request.record}", file=sys.stderr, flush=True)
        run(call.id, request.run, request.prompt.text)
    elif isinstance(request, GetWindow):
        window(call.id, request)
    elif isinstance(request, GetMaps):
        maps(call.id, request)
    elif isinstance(request, GetPredictions):
        if wait(call.id, request.position / 1000):
            send(call.id, Predictions(request.run, request.position, "next token", ()))
        else:
            send(call.id, Failed("cancelled", "Cancelled."))
    elif isinstance(request, GetCellMap):
        send(call.id, Arrays(request.run, ("map",)), np.full(SHAPE, 0.5, np.float32))
    elif isinstance(request, GetStatistics):
        values = np.full((len(STATISTICS), *SHAPE), 0.5, np.float32)
        send(call.id, Statistics(request.run, (1,) * len(STATISTICS)), values)
    elif isinstance(request, GetReach):
        lasts = request.times >= int(os.environ.get("FAKE_REACH_LASTS_FROM", "2"))
        if lasts and not wait(call.id, 60):
            send(call.id, Failed("cancelled", "Cancelled."))
            return
        names = ("distance", "beyond", "tokens")
        beyond = np.full((len(request.beyond), *SHAPE), 0.5, np.float32)
        arrays = np.ones(SHAPE, np.float32), beyond, np.array([tokens])
        send(call.id, Arrays(request.run, names), *arrays)
    elif isinstance(request, GetScores):
        send(call.id, Failed("user", "only the weights are known here."))
    elif isinstance(request, GetTop):
        send(call.id, Top(request.run, (TopEntry(0, 1.0),), 0.0))
    elif isinstance(request, Unload | Keep):
        send(call.id, Done())


def read(calls: "queue.Queue[Call]", deaf: bool) -> None:
    # Not sys.stdin: Python aborts at exit while another thread holds it.
    requests = open(os.dup(0), "rb")  # noqa: PTH123
    while (call := read_call(requests)) is not None:
        if isinstance(call.request, Cancel):
            cancelled.add(call.request.call)
            print(f"cancel {call.request.call}", file=sys.stderr, flush=True)
        else:
            calls.put(call)
    if not deaf:
        os._exit(0)


def main(manner: str) -> None:
    if manner == "mute":
        time.sleep(60)
    if manner == "greeting":
        os.write(1, b"Last login: Tue Nov 24 from 10.0.0.1\n")
    if manner == "crash":
        sys.exit("Traceback: no module named \x1b[31mtorch")
    version = 99 if manner == "stranger" else PROTOCOL_VERSION
    if path := os.environ.get("FAKE_PID_FILE"):
        Path(path).write_text(str(os.getpid()))
    send(0, Hello(version, "0", os.getpid(), "here"))
    calls: queue.Queue[Call] = queue.Queue()
    threading.Thread(target=read, args=(calls, manner == "deaf"), daemon=True).start()
    while True:
        answer(calls.get())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
