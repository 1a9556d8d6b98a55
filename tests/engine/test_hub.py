"""Repositories from a hub on this machine's loopback: the real client, no network."""

import re
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from attntui.core.errors import TryAgain, UserError
from attntui.core.protocol import Cancel, Failed, Load, Loaded, ModelOptions, Progress
from attntui.engine import failures
from attntui.engine.download import Download, NotFetched
from attntui.engine.fetch import CHUNK
from attntui.engine.fetch_words import Wanted
from tests.loopback_hub import BAD_TOKEN, GATED, SHA, Answer, Hub, Mishap, serving

TOKEN = "planted-secret-of-a-mirror"
HALF = 2 * CHUNK
"""Bytes after which the tiny model's weights are cut or stall."""


@pytest.fixture(scope="module")
def hub(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("repositories")
    with serving() as server:

        def copy(name: str) -> Path:
            server.repositories[f"tests/{name}"] = folder / name
            shutil.copytree(tiny("gpt2"), folder / name)
            return folder / name

        whole = copy("whole")
        (whole / "pytorch_model.bin").write_bytes(b"never to be fetched")
        (whole / "model.gguf").write_bytes(b"never to be fetched")
        (whole / "run_me.py").write_text("raise SystemExit")
        copy("other")
        weights = copy("cut") / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        (copy("bare") / "model.safetensors").rename(folder / "bare" / "model.gguf")
        server.answers["tests/gated"] = GATED
        server.repositories["tests/gated"] = whole
        yield server


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def engine(start_engine: Any, hub: Hub, cache: Path) -> Iterator[Any]:
    """An engine whose hub is ours, its cache empty, a token in its environment."""
    with start_engine(
        HF_ENDPOINT=hub.url, HF_HOME=str(cache), HF_HUB_OFFLINE="0", HF_TOKEN=TOKEN
    ) as pipe:
        yield pipe
        assert TOKEN not in pipe.close()


@pytest.fixture(autouse=True)
def all_is_well(hub: Hub) -> None:
    hub.mishaps.clear()
    hub.fetched.clear()
    hub.released.clear()


def load(engine: Any, model: str, **more: Any) -> Any:
    options = ModelOptions(model=model, device="cpu", **more)
    return engine.ask(Load(options))[0]


def refusal(reply: Any) -> str:
    assert isinstance(reply, Failed), reply
    assert reply.kind in {"user", "again"}, reply
    assert TOKEN not in reply.message
    return reply.message


def test_the_first_download_shows_bytes_and_fetches_what_is_needed(engine: Any, hub: Hub) -> None:
    engine.progress.clear()
    loaded = load(engine, "tests/whole")
    assert isinstance(loaded, Loaded), loaded
    assert loaded.model.revision == SHA
    assert loaded.model.name == "tests/whole"
    sizes = {path.name: path.stat().st_size for path in hub.repositories["tests/whole"].iterdir()}
    unwanted = {"pytorch_model.bin", "model.gguf", "run_me.py"}
    assert not unwanted & {name for name, _ in hub.fetched}
    steps = [each for each in engine.progress if each.stage.startswith("downloading tests/whole")]
    total = sum(size for name, size in sizes.items() if name not in unwanted)
    assert {(each.total, each.unit) for each in steps} == {(total, "B")}
    done = [each.done for each in steps]
    assert done == sorted(done) and done[-1] <= total


def test_whom_the_token_goes_to_is_said(engine: Any, hub: Hub) -> None:
    engine.progress.clear()
    loaded = load(engine, "tests/whole")
    host = hub.url.removeprefix("http://")
    told = [each.stage for each in engine.progress if each.stage.startswith("asking")]
    assert set(told) == {f"asking {host} (HF_ENDPOINT, is sent your token)"}
    notes = [note for note in loaded.model.notes if "token" in note]
    assert notes == [f"HF_ENDPOINT: models come from {host}, which is sent your token."]
    assert TOKEN in hub.tokens


def test_a_second_load_fetches_nothing_and_needs_no_network(engine: Any, hub: Hub) -> None:
    assert isinstance(load(engine, "tests/whole"), Loaded)
    hub.fetched.clear()
    assert isinstance(load(engine, "tests/whole", offline=True), Loaded)
    assert isinstance(load(engine, "tests/whole", revision=SHA), Loaded)
    assert hub.fetched == []


def test_a_dead_hub_means_the_cached_copy_and_says_so(
    engine: Any, start_engine: Any, cache: Path
) -> None:
    assert isinstance(load(engine, "tests/whole"), Loaded)
    dead = {"HF_ENDPOINT": "http://127.0.0.1:1", "HF_HUB_OFFLINE": "0"}
    with start_engine(**dead, HF_HOME=str(cache)) as pipe:
        loaded = load(pipe, "tests/whole")
        assert isinstance(loaded, Loaded), loaded
        assert any("copy on this machine" in note for note in loaded.model.notes)
        reply = load(pipe, "tests/other")
        assert "127.0.0.1:1 cannot be reached: nothing answers there" in refusal(reply)
        assert reply.kind == "again"


def test_what_the_hub_refuses_is_one_sentence(engine: Any) -> None:
    assert "your token may not read it yet: accept its" in refusal(load(engine, "tests/gated"))
    assert "There is no model 'tests/absent'" in refusal(load(engine, "tests/absent"))
    assert "no revision 'v9'" in refusal(load(engine, "tests/whole", revision="v9"))
    message = refusal(load(engine, "tests/other", offline=True))
    assert "is not on this machine, and the network is off (--offline)" in message
    assert "neither a folder" in refusal(load(engine, "no spaces allowed"))
    assert "llama.cpp" in refusal(load(engine, "tests/bare"))


def test_cut_weights_are_noticed(engine: Any) -> None:
    message = refusal(load(engine, "tests/cut"))
    assert "cut short" in message and "download it again" in message


def test_a_download_can_be_cancelled_at_once_and_goes_on(engine: Any, hub: Hub) -> None:
    hub.mishaps.append(Mishap("stall", HALF))
    options = ModelOptions(model="tests/other", device="cpu")
    call = engine.send(Load(options))
    while True:
        answer, _ = engine.read()
        assert isinstance(answer.reply, Progress)
        if answer.reply.stage == "downloading tests/other" and answer.reply.done > HALF:
            break
    engine.send(Cancel(call))
    assert engine.reply_to(call)[0] == Failed("cancelled", "Cancelled.")
    message = refusal(load(engine, "tests/other", offline=True))
    assert "in part only" in message and "missing: model.safetensors (" in message
    hub.fetched.clear()
    engine.progress.clear()
    assert isinstance(load(engine, "tests/other"), Loaded)
    assert [name for name, _ in hub.fetched] == ["model.safetensors"]
    assert 0 < hub.fetched[0][1] <= HALF
    assert any("were here" in each.note for each in engine.progress)


@pytest.fixture
def fresh(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own for the process that fetches."""
    variables = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return tmp_path


def fetched(work: Any, name: str = "tests/other", patience: float = 20) -> Path:
    return Download(Wanted(name), work, patience).run()


def refused(work: Any, name: str) -> UserError:
    with pytest.raises(NotFetched) as caught:
        fetched(work, name)
    return caught.value.error


def same(folder: Path, hub: Hub) -> bool:
    name = "model.safetensors"
    return (folder / name).read_bytes() == (hub.repositories["tests/other"] / name).read_bytes()


def test_a_cut_is_gone_on_with(fresh: Path, hub: Hub, work: Any) -> None:
    hub.mishaps.append(Mishap("cut", HALF))
    assert same(fetched(work), hub)
    starts = [start for name, start in hub.fetched if name == "model.safetensors"]
    assert starts == [0, HALF]
    assert any("asked again once" in note for note in work.notes)


def test_a_stall_is_noticed_and_tried_anew(fresh: Path, hub: Hub, work: Any) -> None:
    hub.mishaps.append(Mishap("stall", HALF))
    assert same(fetched(work, patience=1), hub)
    starts = [start for name, start in hub.fetched if name == "model.safetensors"]
    assert starts == [0, HALF]
    assert any("try 2: nothing came for 1 s" in note for note in work.notes)


def test_what_stalls_again_and_again_is_given_up(fresh: Path, hub: Hub, work: Any) -> None:
    hub.mishaps.extend([Mishap("stall", HALF)] + 3 * [Mishap("stall", 0)])
    with pytest.raises(NotFetched) as caught:
        fetched(work, patience=1.0)
    assert isinstance(caught.value.error, TryAgain)
    assert "given up after 4 tries, the last 3 without a byte: nothing came for 1 s" in str(
        caught.value
    )
    assert "are here; another try goes on from there." in str(caught.value)
    hub.released.set()
    assert same(fetched(work), hub)
    assert hub.fetched[-1] == ("model.safetensors", HALF)


def test_what_was_damaged_meanwhile_is_fetched_anew(fresh: Path, hub: Hub, work: Any) -> None:
    weights = hub.repositories["tests/other"] / "model.safetensors"
    blobs = fresh / "hub" / "models--tests--other" / "blobs"
    blobs.mkdir(parents=True)
    name = f"{sha256(weights.read_bytes()).hexdigest()}.attntui.incomplete"
    (blobs / name).write_bytes(bytes(HALF))
    assert same(fetched(work), hub)
    starts = [start for name, start in hub.fetched if name == "model.safetensors"]
    assert starts == [HALF, 0]
    assert any("was damaged" in note for note in work.notes)


ECHO = (("X-Request-Id", "{token}"), ("X-HF-Warning", "old; see /?token={token}"))
"""Headers that the client quotes in an exception, and logs."""


@pytest.mark.parametrize(
    ("answer", "sentence", "again"),
    [
        (BAD_TOKEN, "does not accept your token (status 401): it is wrong or has expired", False),
        (
            Answer(403, message="{token} no", headers=ECHO),
            "(status 403): your token may not",
            False,
        ),
        (Answer(429, headers=(("Retry-After", "90"),)), "(status 429): wait 1 min 30 s.", True),
        (Answer(500, message="{token}", headers=ECHO), "out of order (status 500)", True),
        (Answer(401, message="{token}", files_only=True), "does not accept your token", False),
    ],
)
def test_each_refusal_says_what_to_do_and_no_token(
    fresh: Path,
    hub: Hub,
    work: Any,
    capfd: pytest.CaptureFixture[str],
    answer: Answer,
    sentence: str,
    again: bool,
) -> None:
    hub.answers["tests/other"] = answer
    try:
        error = refused(work, "tests/other")
    finally:
        del hub.answers["tests/other"]
    assert sentence in str(error)
    assert isinstance(error, TryAgain) == again
    logged = capfd.readouterr().err
    assert answer.headers != ECHO or "see /?token=<hidden>" in logged
    assert TOKEN not in f"{error}{logged}{work.stages}{work.notes}"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"HF_ENDPOINT": "http://no.such.host.invalid"}, "its name is not known here (DNS)"),
        ({"HF_HOME": "/dev/null"}, "cannot be written: mend its permissions, or set HF_HOME"),
    ],
)
def test_what_is_wrong_on_this_side(
    fresh: Path,
    work: Any,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    sentence: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert sentence in str(refused(work, "tests/other"))


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {TOKEN}",
        f"http://user:{TOKEN}@mirror/api",
        f"Cannot access http://127.0.0.1/x?token={TOKEN}&a=b, {TOKEN}!",
        "an unknown hf_aBcDeFgHiJkLmNoP token",
        "authorization: bearer some-other-secret",
    ],
)
def test_secrets_in_an_exception_reach_no_message_and_no_log(
    text: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    messages = [
        failures.failed(kind(text), Load(ModelOptions(model="m")))[0].message
        for kind in (UserError, ValueError)
    ]
    for shown in (*messages, "".join(capfd.readouterr())):
        assert "<hidden>" in shown
        assert not {TOKEN, "hf_aBcDeFgHiJkLmNoP", "some-other-secret"} & set(
            re.split(r"[^\w-]", shown)
        )
