"""Traces past their time go although nobody asks for anything, and a sweep that fails is not the last."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from starlette.testclient import TestClient

from heedmap.app.http import main
from heedmap.app.settings import Settings

BODY = {"inputs": "Wo ist der Bahnhof?", "parameters": {"max_new_tokens": 4}}


@pytest.fixture
def app(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Any:
    """An application that sweeps all the time."""
    monkeypatch.setattr(main, "SWEEP_SECONDS", 0.02)
    return main.create_app(settings(trace_days=1))


def until(met: Callable[[], bool]) -> None:
    """Wait for what happens beside the test."""
    end = time.monotonic() + 30
    while not met():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def test_a_trace_that_nobody_uses_goes_after_its_time(app: Any) -> None:
    store = app.state.services.store
    with TestClient(app) as client:
        client.post("/v1/traces", json=BODY).raise_for_status()
        time.sleep(0.2)
        files = list(store.folder.glob("*/*.safetensors"))
        assert len(files) == len(store) == 1, "its time has not come"
        store.clock = lambda: time.time() + 2 * main.DAY
        until(lambda: not files[0].exists())
        until(lambda: len(store) == 0)


def test_a_sweep_that_fails_is_logged_and_comes_again(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def failing() -> None:
        threads.append(threading.current_thread())
        raise OSError("the disk is gone")

    with structlog.testing.capture_logs() as logs, TestClient(app) as client:
        monkeypatch.setattr(app.state.services.store, "sweep", failing)
        until(lambda: len(threads) >= 3)
        assert client.get("/healthz").status_code == 200
    failures = [entry for entry in logs if entry["event"] == "sweep_failed"]
    assert len(failures) >= 2
    assert "the disk is gone" in failures[0]["cause"]
    assert {thread.name.rpartition("_")[0] for thread in threads} == {"heedmap-writing"}, "never on the event loop"
    ended = len(threads)
    time.sleep(0.1)
    assert len(threads) == ended, "it ends with the application"
