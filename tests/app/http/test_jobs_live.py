"""Jobs of a real process: watched over a socket, ended by a signal, and cut off by a kill."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.live import SECONDS, environment, free_port, ready

LONG = {
    "kind": "corpus",
    "inputs": [f"Wo ist der Bahnhof {number}?" for number in range(2000)],
    "parameters": {"max_new_tokens": 6},
}


@contextmanager
def process(folder: Path, tiny: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The address of a service, and its process, which is killed in the end."""
    port = free_port()
    line = [sys.executable, "-m", "heedmap.app.cli", "serve", "--port", str(port), "--device", "cpu"]
    line += ["--traces", str(folder / "traces"), "--model", f"tiny={tiny}"]
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(line, stdout=log, stderr=log, env=environment())
    try:
        until = time.monotonic() + SECONDS
        while not ready(f"http://127.0.0.1:{port}"):
            assert child.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", child
    finally:
        child.kill()
        child.wait()


def followed(url: str, id: str, events: list[tuple[str, dict[str, Any]]]) -> None:
    """Read the events of a job until they are over."""
    name = ""
    with httpx.stream("GET", f"{url}/v1/jobs/{id}/events", timeout=60) as response:
        for line in response.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                events.append((name, orjson.loads(value)))


def begun(events: list[tuple[str, dict[str, Any]]]) -> None:
    """Wait until a job has made a step."""
    until = time.monotonic() + SECONDS
    while not any(data["progress"]["done"] for _, data in list(events)):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_signal_ends_the_events_and_a_kill_leaves_a_failed_job(tmp_path: Path, tiny: Path) -> None:
    with process(tmp_path, tiny) as (url, child):
        first = httpx.post(f"{url}/v1/jobs", json=LONG).json()["id"]
        events: list[tuple[str, dict[str, Any]]] = []
        reader = threading.Thread(target=followed, args=(url, first, events))
        reader.start()
        begun(events)
        child.send_signal(signal.SIGTERM)
        reader.join(10)
        assert not reader.is_alive()
        name, last = events[-1]
        assert (name, last["state"]) == ("end", "cancelled")
        assert last["error"]["detail"] == "the service was stopped before this job was done; post it again"
        assert child.wait(15) == 0, (tmp_path / "log").read_text()
    with process(tmp_path, tiny) as (url, child):
        assert httpx.get(f"{url}/v1/jobs/{first}").json()["state"] == "cancelled"
        second = httpx.post(f"{url}/v1/jobs", json=LONG).json()["id"]
        events = []
        reader = threading.Thread(target=lambda: _cut(url, second, events))
        reader.start()
        begun(events)
        child.kill()
        reader.join(10)
    with process(tmp_path, tiny) as (url, _):
        body = httpx.get(f"{url}/v1/jobs/{second}").json()
        assert body["state"] == "failed"
        assert body["error"]["detail"] == "the service ended while this job was waiting or running; post it again"
        short = httpx.post(f"{url}/v1/jobs", json={**LONG, "inputs": LONG["inputs"][:9]}).json()["id"]  # type: ignore[index]
        events = []
        followed(url, short, events)
        assert events[-1][0] == "end"
        assert events[-1][1]["result"]["recorded"] == 9


def _cut(url: str, id: str, events: list[tuple[str, dict[str, Any]]]) -> None:
    try:
        followed(url, id, events)
    except httpx.TransportError:
        events.append(("cut", {"progress": {"done": 0}}))
