"""A real process under a signal, with a worker that dies or hangs, and under more than it can do."""

import asyncio
import collections
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live import SECONDS, environment, free_port, ready

# A service with routes that harm it, and a model that takes its time over every batch.
SCRIPT = """
import sys, time
from heedmap.app.http.main import create_app
from heedmap.app.http.startup import run
from heedmap.app.settings import Settings
from heedmap.model.native.translator import Translator

plain = Translator.predict
def slow(self, requests, cancelled=lambda: False):
    until = time.monotonic() + {seconds}
    while time.monotonic() < until and not cancelled():
        time.sleep(0.005)
    return plain(self, requests, cancelled)
Translator.predict = slow
Translator.session = lambda self: None  # in batches that nobody joins

settings = Settings(log="json")
app = create_app(settings)

def die():
    raise SystemExit

@app.post("/die")
async def kill():
    await app.state.services.tracing.run(die)

@app.post("/hang")
async def hang():
    await app.state.services.tracing.run(lambda: time.sleep({sleep}))

run(app, settings)
"""


@contextmanager
def process(
    folder: Path, tiny: Path, *, seconds: float = 0.0, sleep: float = 1.5, **settings: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a service, and its process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = {"MODELS": f"tiny={tiny}", "PORT": str(port), "DEVICE": "cpu", "TRACES": str(folder / "traces")}
    variables |= {name.upper(): value for name, value in settings.items()}
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(seconds=seconds, sleep=sleep)],
            stdout=log,
            stderr=log,
            env=environment() | {f"HEEDMAP_{name}": value for name, value in variables.items()},
        )
    try:
        until = time.monotonic() + SECONDS
        while not ready(url):
            assert child.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        yield url, child
    finally:
        child.kill()
        child.wait()


def body(number: int) -> dict[str, Any]:
    return {"inputs": f"Wo ist der Bahnhof {number}?", "parameters": {"max_new_tokens": 2}}


def client(url: str, **options: Any) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(base_url=url, timeout=60, limits=limits, **options)


async def posts(url: str, count: int, then: Any) -> collections.Counter[int | str]:
    """The statuses of so many predictions, of which a signal or the like meets most in the line."""

    async def one(service: httpx.AsyncClient, number: int) -> int | str:
        try:
            return (await service.post("/v1/predict", json=body(number))).status_code
        except httpx.TransportError as error:
            return repr(error)

    async with client(url) as service:
        tasks = [asyncio.create_task(one(service, number)) for number in range(count)]
        await asyncio.sleep(0.5)
        then()
        return collections.Counter(await asyncio.gather(*tasks))


async def test_a_signal_lets_everything_be_answered(tmp_path: Path, tiny: Path) -> None:
    with process(tmp_path, tiny, seconds=0.3, batch="16") as (url, child):
        begun = time.monotonic()
        statuses = await posts(url, 84, lambda: child.send_signal(signal.SIGTERM))
        assert child.wait(15) == 0, (tmp_path / "log").read_text()
        assert time.monotonic() - begun < 11
    assert set(statuses) <= {200, 503}, statuses
    assert statuses[200] >= 16
    assert sum(statuses.values()) == 84


async def test_what_cannot_be_done_within_the_grace_is_told_so(tmp_path: Path, tiny: Path) -> None:
    with process(tmp_path, tiny, seconds=30.0, grace="4", batch="16") as (url, child):
        begun = time.monotonic()
        statuses = await posts(url, 84, lambda: child.send_signal(signal.SIGTERM))
        assert child.wait(15) == 0, (tmp_path / "log").read_text()
        assert time.monotonic() - begun < 5
    assert statuses == {503: 84}


async def test_a_stopping_service_says_so(tmp_path: Path, tiny: Path) -> None:
    with process(tmp_path, tiny, seconds=2.0) as (url, child):
        async with client(url) as service:
            working = asyncio.create_task(service.post("/v1/predict", json=body(0)))
            await asyncio.sleep(0.5)
            child.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            refused = await service.post("/v1/predict", json=body(1))
            probes = [(await service.get(path)).status_code for path in ("/healthz", "/readyz")]
            assert (await working).status_code == 200
        assert (refused.status_code, refused.headers["connection"]) == (503, "close")
        assert int(refused.headers["retry-after"]) > 0
        assert probes == [200, 503]
        assert child.wait(15) == 0


async def test_a_worker_that_dies_ends_the_process(tmp_path: Path, tiny: Path) -> None:
    with process(tmp_path, tiny) as (url, child):
        async with client(url) as service:
            assert (await service.post("/die")).status_code == 503
        assert child.wait(15) == 70, (tmp_path / "log").read_text()


async def test_a_worker_that_hangs_is_not_healthy(tmp_path: Path, tiny: Path) -> None:
    with process(tmp_path, tiny, sleep=2.5, hang="0.5") as (url, _):
        async with client(url) as service:
            hanging = asyncio.create_task(service.post("/hang"))
            await asyncio.sleep(1.0)
            assert [(await service.get(path)).status_code for path in ("/healthz", "/readyz")] == [503, 503]
            assert (await hanging).status_code == 200
            assert (await service.get("/healthz")).status_code == 200, "it goes on"
        log = (tmp_path / "log").read_text()
    assert "worker_hangs" in log


@pytest.mark.parametrize("clients", [100])
async def test_more_than_it_can_do_is_refused_and_the_rest_answered(tmp_path: Path, tiny: Path, clients: int) -> None:
    async def load(url: str, count: int, seconds: float) -> collections.Counter[int]:
        statuses: collections.Counter[int] = collections.Counter()
        until = time.monotonic() + seconds

        async def one(service: httpx.AsyncClient, number: int) -> None:
            turn = 0
            while time.monotonic() < until:
                turn += 1
                response = await service.post("/v1/predict", json=body(number * 10_000 + turn))
                statuses[response.status_code] += 1
                if response.status_code != 200:
                    assert int(response.headers["retry-after"]) > 0
                    await asyncio.sleep(0.1)  # the clients share the cores with the service

        async with client(url) as service:
            await asyncio.gather(*(one(service, number) for number in range(count)))
        return statuses

    with process(tmp_path, tiny, seconds=0.1, batch="8", queue="16") as (url, _):
        few = await load(url, 16, 2.0)
        many = await load(url, clients, 3.0)
        async with client(url) as service:
            metrics = (await service.get("/metrics")).text
    assert set(many) <= {200, 429, 503}, many
    assert many[429] + many[503] > 0
    assert many[200] / 3.0 >= 0.3 * few[200] / 2.0, (few, many)
    assert "heedmap_refusals_total{" in metrics
