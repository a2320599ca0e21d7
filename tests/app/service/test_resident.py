"""Traces in an accelerator's memory, whose part the host plays: readable at once, whole on disk soon after."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

from heedmap.app.errors import NotFound, StorageFull
from heedmap.app.http.main import create_app
from heedmap.app.service import resident
from heedmap.app.service.resident import Residents
from heedmap.app.service.store import TraceStore
from heedmap.app.settings import Settings
from heedmap.app.ticket import ANYONE
from heedmap.model.errors import OutOfMemory
from heedmap.model.native.translator import Translator
from heedmap.model.trace.trace import Trace
from tests.app.service.stores import IDS

A, B, C = IDS[:3]


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "is_resident", lambda trace: trace.file is None)
    monkeypatch.setattr(Residents, "_limit", lambda self, trace: self.budget or 1 << 30)


class Slow(TraceStore):
    """Writes when it may."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.may, self.fails = threading.Event(), False

    def put(self, *arguments: Any) -> Any:
        assert self.may.wait(20)
        if self.fails:
            raise StorageFull("there is no room")
        return super().put(*arguments)


@pytest.fixture
def store(tmp_path: Path) -> Slow:
    return Slow(tmp_path, budget=1 << 30, memory=0, lifetime=1e6)


@pytest.fixture
def residents(store: Slow, accelerator: None, trace: Trace) -> Iterator[Residents]:
    kept = Residents(store, budget=3 * trace.nbytes)
    yield kept
    store.may.set()
    kept.close()


def test_a_trace_is_there_before_its_file_and_says_so(residents: Residents, store: Slow, trace: Trace) -> None:
    held = residents.keep(ANYONE, A, "m", trace)
    assert residents.get(ANYONE, A) is held
    assert (held.durable, held.summary()["durable"], held.trace is trace) == (False, False, True)
    assert not list(store.folder.rglob("*.safetensors"))
    version = held.version
    store.may.set()
    residents.settle(ANYONE, A)
    assert held.durable
    assert held.size == store.get(ANYONE, A).size > trace.nbytes
    assert held.version == version == store.get(ANYONE, A).version, "what a reader keeps stays right"
    assert residents.get(ANYONE, A) is held, "still read where it is"
    again = store.get(ANYONE, A).trace.map("cross", 0).window()
    torch.testing.assert_close(held.trace.map("cross", 0).window(), again, rtol=0, atol=0)


def test_over_the_budget_the_least_recently_used_goes_to_its_file(
    residents: Residents, store: Slow, trace: Trace
) -> None:
    store.may.set()
    residents.budget = 2 * trace.nbytes
    for name in (A, B):
        residents.keep(ANYONE, name, "m", trace)
    residents.get(ANYONE, A)
    residents.keep(ANYONE, C, "m", trace)
    assert [residents.get(ANYONE, name) is not None for name in (A, B, C)] == [True, False, True]
    assert store.get(ANYONE, B).trace.map("cross", 0).window().isfinite().all(), "spilled, and read from its file"
    assert residents.bytes <= residents.budget


def test_what_is_over_the_budget_alone_is_not_kept(residents: Residents, trace: Trace) -> None:
    residents.budget = trace.nbytes - 1
    assert not residents.takes(trace)
    residents.budget = trace.nbytes
    assert residents.takes(trace)


def test_a_deleted_trace_is_gone_from_both(residents: Residents, store: Slow, trace: Trace) -> None:
    residents.keep(ANYONE, A, "m", trace)
    threading.Timer(0.05, store.may.set).start()
    residents.forget(ANYONE, A)
    store.delete(ANYONE, A)
    assert residents.get(ANYONE, A) is None
    residents.keep(ANYONE, B, "m", trace)
    residents.settle(ANYONE, B)
    store.delete(ANYONE, B)  # by another process
    with pytest.raises(NotFound):
        residents.get(ANYONE, B)
    assert residents.get(ANYONE, B) is None


def test_a_full_disk_is_told_to_who_waits_and_loses_no_reader(residents: Residents, store: Slow, trace: Trace) -> None:
    store.fails = True
    store.may.set()
    held = residents.keep(ANYONE, A, "m", trace)
    with pytest.raises(StorageFull):
        residents.settle(ANYONE, A)
    assert (residents.get(ANYONE, A), held.durable) == (held, False)


def test_full_memory_lets_all_go_after_they_are_written(residents: Residents, store: Slow, trace: Trace) -> None:
    residents.keep(ANYONE, A, "m", trace)
    threading.Timer(0.05, store.may.set).start()
    assert residents.release() == trace.nbytes
    assert (residents.bytes, residents.get(ANYONE, A)) == (0, None)
    assert store.get(ANYONE, A).durable


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Files are written when it is set."""
    may, save = threading.Event(), Trace.save

    def wait(self: Trace, *arguments: Any) -> int:
        assert may.wait(20)
        return save(self, *arguments)

    monkeypatch.setattr(Trace, "save", wait)
    return may


BODY = {"inputs": "Wo ist der Bahnhof?"}


@pytest.mark.usefixtures("accelerator")
def test_over_http(settings: Callable[..., Settings], slowly: threading.Event) -> None:
    with TestClient(create_app(settings())) as client:
        made = client.post("/v1/traces", json=BODY)
        assert (made.status_code, made.json()["durable"]) == (201, False)
        place = f"/v1/traces/{made.json()['id']}"
        window = client.get(f"{place}/maps/cross/0/0").json()["weights"]
        assert client.get(place).json()["durable"] is False
        threading.Timer(0.1, slowly.set).start()
        assert client.get(place, params={"durable": True}).json()["durable"] is True
        assert client.get(f"{place}/maps/cross/0/0").json()["weights"] == window
        assert len(client.get(f"{place}/file").content) == client.get(place).json()["bytes"]
        assert client.post("/v1/traces", json=BODY).json()["id"] == made.json()["id"]
        assert client.delete(place).status_code == 204
        assert client.get(place).status_code == 404
        assert client.post("/v1/traces", json=BODY, params={"durable": True}).json()["durable"] is True


@pytest.mark.usefixtures("accelerator")
def test_a_service_that_ends_writes_what_it_has(
    settings: Callable[..., Settings], slowly: threading.Event, tmp_path: Path
) -> None:
    with TestClient(create_app(settings(traces=tmp_path))) as client:
        made = client.post("/v1/traces", json=BODY).json()
        threading.Timer(0.2, slowly.set).start()
    with TestClient(create_app(settings(traces=tmp_path))) as client:
        assert client.get(f"/v1/traces/{made['id']}").json()["durable"] is True


@pytest.mark.usefixtures("accelerator")
def test_full_memory_makes_room_and_goes_on(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Translator.trace
    full = True

    def tight(self: Translator, *arguments: Any) -> Any:
        if full:
            raise OutOfMemory("there is not enough memory", field="inputs")
        return trace(self, *arguments)

    app = create_app(settings())
    with TestClient(app) as client:
        full = False
        client.post("/v1/traces", json=BODY)
        residents = app.state.services.residents
        assert residents.bytes
        monkeypatch.setattr(Translator, "trace", tight)
        release = residents.release

        def freed() -> int:
            nonlocal full
            full = False
            return int(release())

        monkeypatch.setattr(residents, "release", freed)
        full = True
        assert client.post("/v1/traces", json={"inputs": "Noch ein Satz."}).status_code == 201
        full = True
        monkeypatch.setattr(residents, "release", release)
        client.post("/v1/traces", json={"inputs": "Ein dritter Satz."})
        answer = client.post("/v1/traces", json={"inputs": "Ein vierter Satz."})
        assert (answer.status_code, answer.json()["title"]) == (507, "Insufficient Storage")


def test_a_budget_of_nothing_is_refused(settings: Callable[..., Settings]) -> None:
    with pytest.raises(ValueError, match="over 0, such as 8000000000; leave it out"):
        settings(device_trace_bytes=0)


def test_on_the_cpu_the_file_comes_first(settings: Callable[..., Settings], trace: Trace) -> None:
    with TestClient(create_app(settings())) as client:
        made = client.post("/v1/traces", json=BODY).json()
        assert made["durable"] is True
    assert not resident.is_resident(trace)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_card(settings: Callable[..., Settings]) -> None:
    app = create_app(settings(device="cuda"))
    with TestClient(app) as client:
        made = client.post("/v1/traces", json=BODY).json()
        place = f"/v1/traces/{made['id']}"
        layers = app.state.services.residents.get(ANYONE, made["id"]).trace.layers
        assert {layer.q.device.type for maps in layers.values() for layer in maps} == {"cuda"}
        here = client.get(f"{place}/maps/cross/0/all").json()["weights"]
        assert client.get(place, params={"durable": True}).json()["durable"] is True
        app.state.services.residents.release()
        there = client.get(f"{place}/maps/cross/0/all").json()["weights"]
        torch.testing.assert_close(torch.tensor(here), torch.tensor(there), atol=1e-5, rtol=0)
