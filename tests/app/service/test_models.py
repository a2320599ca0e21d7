"""Models come when they are asked for, one at a time, and go under a budget; whoever waits is told what happens."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
import torch

from heedmap.app.errors import DeadlineExceeded, ModelUnavailable, NotFound
from heedmap.app.http.observe import Metrics
from heedmap.app.service.engine import Engine
from heedmap.app.service.models import AGAIN, Models, _estimate
from heedmap.model.contract import Request
from heedmap.model.errors import CheckpointError, CheckpointMismatch, ParameterError

SIZE = 4000  # bytes of a fake model's weights


class Fake:
    """A model of a thousand weights."""

    task = "nothing"

    def __init__(self, revision: str) -> None:
        self.revision = revision
        self.network = torch.nn.Linear(100, 10, bias=False)

    def describe(self) -> dict[str, Any]:
        return {"task": self.task, "device": "cpu", "sites": []}

    def predict(self, requests: Sequence[Request], cancelled: Any = None) -> Any:
        return []

    trace = predict


class Reader:
    """Reads fakes, counts how often, and waits or fails where it is told to."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.threads: set[str] = set()
        self.open = threading.Event()
        self.open.set()
        self.fail: dict[str, Exception] = {}
        self.together, self.most = 0, 0

    def __call__(self, source: str, device: str) -> Any:
        self.together += 1
        self.most = max(self.most, self.together)
        self.read.append(source)
        self.threads.add(threading.current_thread().name)
        self.open.wait(10)
        self.together -= 1
        if source in self.fail:
            raise self.fail[source]
        return Fake(source)


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def build(reader: Reader) -> Iterator[Callable[..., Models]]:
    """Managers of fakes a, b and c, with a worker of their own."""
    engines = []

    def make(budget: int = 0, deadline: float = 10, names: str = "abc", queue: int = 8) -> Models:
        engine = Engine(queue=queue, batch=4, deadline=deadline)
        engine.start()
        engines.append(engine)
        sources = {name: f"folder-{name}" for name in names}
        return Models(sources, engine, Metrics(), device="cpu", budget=budget, read=reader)

    yield make
    for engine in engines:
        engine.stop()


def states(models: Models) -> dict[str, str]:
    return {name: models.describe(name)["state"] for name in models}


async def test_a_model_is_loaded_once_and_kept(build: Callable[..., Models], reader: Reader) -> None:
    models = build()
    assert models.describe("a") == {"name": "a", "source": "folder-a", "state": "unloaded"}
    first, second = await models.get("a"), await models.get("a")
    assert first[0] == "a"
    assert first[1] is second[1]
    assert reader.read == ["folder-a"]
    assert reader.threads == {"heedmap-load"}, "the worker answers for the others meanwhile"
    assert states(models) == {"a": "loaded", "b": "unloaded", "c": "unloaded"}
    assert models.describe("a")["bytes"] == models.bytes == SIZE
    assert models.describe("a")["task"] == "nothing"


async def test_everybody_waits_for_the_same_load(build: Callable[..., Models], reader: Reader) -> None:
    models = build()
    reader.open.clear()
    waiting = [asyncio.create_task(models.get("a")) for _ in range(3)]
    while not reader.read:
        await asyncio.sleep(0.005)
    assert states(models)["a"] == "loading"
    assert await asyncio.wait_for(models.engine.run(lambda: 5), 2) == 5, "the worker is free"
    reader.open.set()
    loaded = await asyncio.gather(*waiting)
    assert len({id(model) for _, model in loaded}) == 1
    assert reader.read == ["folder-a"]


async def test_one_model_is_read_at_a_time(build: Callable[..., Models], reader: Reader) -> None:
    models = build()
    await asyncio.gather(*(models.get(name) for name in "abc"))
    assert sorted(reader.read) == ["folder-a", "folder-b", "folder-c"]
    assert reader.most == 1


async def test_the_deadline_holds_and_the_load_goes_on(build: Callable[..., Models], reader: Reader) -> None:
    models = build(deadline=0.1)
    reader.open.clear()
    with pytest.raises(DeadlineExceeded, match="still being loaded"):
        await models.get("a")
    assert states(models)["a"] == "loading"
    reader.open.set()
    while states(models)["a"] == "loading":
        await asyncio.sleep(0.005)
    await models.get("a")
    assert reader.read == ["folder-a"]


async def test_the_least_recently_used_goes_first(build: Callable[..., Models], reader: Reader) -> None:
    models = build(budget=2 * SIZE)
    _, first = await models.get("a")
    await models.get("b")
    await models.get("a")
    await models.get("c")
    assert states(models) == {"a": "loaded", "b": "unloaded", "c": "loaded"}
    assert models.bytes == 2 * SIZE
    assert models.describe("b")["task"] == "nothing", "what is known of it stays"
    await models.get("b")
    assert states(models) == {"a": "unloaded", "b": "loaded", "c": "loaded"}
    assert first.predict([]) == [], "whoever holds it keeps it"


async def test_room_is_made_before_a_model_comes_back(build: Callable[..., Models], reader: Reader) -> None:
    models = build(budget=2 * SIZE)
    for name in "abc":
        await models.get(name)
    reader.open.clear()
    task = asyncio.create_task(models.get("a"))
    while len(reader.read) < 4:
        await asyncio.sleep(0.005)
    assert states(models) == {"a": "loading", "b": "unloaded", "c": "loaded"}
    reader.open.set()
    await task


async def test_a_model_over_the_whole_budget_is_refused(build: Callable[..., Models]) -> None:
    models = build(budget=SIZE - 1)
    with pytest.raises(ModelUnavailable, match=r"take 4,000 bytes, and the budget \(HEEDMAP_MODEL_BYTES\) is 3,999"):
        await models.get("a")
    assert models.bytes == 0


async def test_a_failed_load_is_told_to_everybody_who_waits(build: Callable[..., Models], reader: Reader) -> None:
    models = build()
    reader.open.clear()
    reader.fail["folder-a"] = CheckpointMismatch("a weight is missing")
    waiting = [asyncio.create_task(models.get("a")) for _ in range(2)]
    while not reader.read:
        await asyncio.sleep(0.005)
    reader.open.set()
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, ModelUnavailable)
        assert str(outcome) == "the model a cannot be loaded: a weight is missing"
        assert outcome.headers == {"Retry-After": "30"}
    assert models.describe("a") == {
        "name": "a",
        "source": "folder-a",
        "state": "failed",
        "error": "a weight is missing",
    }
    await models.get("b")


async def test_a_failed_load_is_tried_again_after_a_while(
    build: Callable[..., Models], reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = build()
    reader.fail["folder-a"] = CheckpointError("not there")
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="not there"):
            await models.get("a")
    assert reader.read == ["folder-a"]
    del reader.fail["folder-a"]
    now = time.monotonic()
    monkeypatch.setattr("heedmap.app.service.models.time.monotonic", lambda: now + AGAIN + 1)
    assert (await models.get("a"))[0] == "a"
    assert states(models)["a"] == "loaded"


async def test_what_nobody_expected_tells_nothing_of_the_code(build: Callable[..., Models], reader: Reader) -> None:
    models = build()
    reader.fail["folder-a"] = ZeroDivisionError("secret")
    with pytest.raises(ModelUnavailable, match="log says how") as caught:
        await models.get("a")
    assert "secret" not in str(caught.value)


async def test_a_full_queue_stops_no_load(build: Callable[..., Models]) -> None:
    models = build(queue=1)
    release = threading.Event()
    busy = [asyncio.create_task(models.engine.run(release.wait))]
    await asyncio.sleep(0.05)
    busy.append(asyncio.create_task(models.engine.run(release.wait)))
    await asyncio.sleep(0.05)
    assert models.engine.full
    loading = asyncio.create_task(models.get("a"))
    await asyncio.sleep(0.05)
    release.set()
    await asyncio.gather(*busy, loading)


async def test_names(build: Callable[..., Models]) -> None:
    models = build()
    with pytest.raises(NotFound, match="there is no model 'd' here; there is a, b, c"):
        await models.get("d")
    with pytest.raises(ParameterError, match="name one of a, b, c"):
        await models.get(None)
    assert build(names="x").name(None) == "x"


async def test_at_the_start_all_are_loaded_and_the_first_stay(build: Callable[..., Models], reader: Reader) -> None:
    models = build(budget=2 * SIZE)
    await models.start()
    assert states(models) == {"a": "loaded", "b": "loaded", "c": "unloaded"}
    assert all(models.facts(name) for name in models)


async def test_a_start_fails_with_the_name_of_the_model(build: Callable[..., Models], reader: Reader) -> None:
    reader.fail["folder-b"] = CheckpointMismatch("a weight is missing")
    with pytest.raises(CheckpointMismatch, match="the model b cannot be served from folder-b: a weight is missing"):
        await build().start()


def test_room_for_an_adapter_is_room_for_its_base_too(tmp_path: Path) -> None:
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    for folder, name, size in ((base, "model", 900), (adapter, "adapter_model", 70)):
        folder.mkdir()
        (folder / f"{name}.safetensors").write_bytes(bytes(size))
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base)}))
    assert _estimate(f"{base}?task=fill-mask") == 900
    assert _estimate(f"{base}?adapter={adapter}") == _estimate(str(adapter)) == 970
    assert _estimate("org/name?nonsense=1") == _estimate("org/name") == 0


async def test_weights_that_no_task_runs_are_logged_at_each_load(
    build: Callable[..., Models], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, unused = Fake.describe, {"folder-a": ["cls.*"]}
    monkeypatch.setattr(Fake, "describe", lambda self: plain(self) | {"unused": unused.get(self.revision, [])})
    models = build()
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            for name in ("a", "b"):
                await models.get(name)
    loads = [entry for entry in logs if entry["event"] == "model_loaded"]
    assert [entry.get("unused") for entry in loads] == [["cls.*"], None]
