"""Whoever reads a trace waits for no prediction: a worker of its own reads, on as many cores as the other leaves it."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import torch

from heedmap.app.http.main import create_app, workers
from heedmap.app.service.crew import Crew
from heedmap.app.service.engine import READING
from heedmap.app.service.operator_inputs import SHORT
from heedmap.app.service.threads import CORES, in_thread, use_cores
from heedmap.app.settings import Settings
from heedmap.model.attention.maps import AttentionMap
from tests.app.conftest import PARAMETERS, TEXT
from tests.app.service.busy import at_work

SECONDS = 20.0  # longer than any reading takes on a busy machine, shorter than the device is held


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    """A client of a service in this event loop, and its services."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client, app.state.services


async def test_reading_never_waits_for_the_device(settings: Callable[..., Settings]) -> None:
    async with running(settings(memory_bytes=0)) as (client, services):
        created = [
            (await client.post("/v1/traces", json={"inputs": text, "parameters": PARAMETERS})).json()["id"]
            for text in (TEXT, "Wer ist er?")
        ]
        async with at_work(services.engine), at_work(services.tracing):
            for identifier in created:  # one is in memory and one is not
                for path in (
                    "",
                    "/file",
                    "/heads",
                    "/maps/cross/0/all?format=html",
                    "/thumbnails/encoder",
                    "/tiles/encoder/0/0/max/0/0/0",
                ):
                    response = await asyncio.wait_for(client.get(f"/v1/traces/{identifier}{path}"), SECONDS)
                    assert response.status_code == 200, path
            again = {"inputs": TEXT, "parameters": PARAMETERS}
            assert (await asyncio.wait_for(client.post("/v1/traces", json=again), SECONDS)).status_code == 201
            attention = {"queries": [[1, 2]]}
            assert (await asyncio.wait_for(client.post("/v1/attention", json=attention), SECONDS)).status_code == 200


async def test_a_long_operator_waits_among_what_takes_long(settings: Callable[..., Settings]) -> None:
    async with running(settings()) as (client, services):
        async with at_work(services.tracing):
            rows = [[0.5] * 8] * 1100
            assert len(rows) ** 2 * 16 > SHORT
            long = asyncio.create_task(client.post("/v1/attention", json={"queries": rows, "return_weights": False}))
            while services.tracing.waiting < 1:
                await asyncio.sleep(0.001)
            assert (services.engine.waiting, services.reading.waiting) == (0, 0)
        assert (await long).status_code == 200


@pytest.mark.parametrize(("form", "expected"), [("json", 0), ("npy", 0), ("csv", 0), ("png", 1), ("plotly", 1)])
async def test_the_mask_is_looked_at_where_it_is_shown(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, form: str, expected: int
) -> None:
    looked: list[AttentionMap] = []
    original = AttentionMap.visible

    def noted(self: AttentionMap, *window: Any) -> Any:
        looked.append(self)
        return original(self, *window)

    monkeypatch.setattr(AttentionMap, "visible", noted)
    async with running(settings()) as (client, _):
        created = await client.post("/v1/traces", json={"inputs": TEXT, "parameters": PARAMETERS})
        response = await client.get(f"/v1/traces/{created.json()['id']}/maps/decoder/0/0?format={form}")
        assert response.status_code == 200
    assert len(looked) == expected


async def test_cores_are_a_threads_own() -> None:
    def taken() -> tuple[int, int]:
        use_cores(CORES + 1)
        return torch.get_num_threads(), CORES + 1

    before = torch.get_num_threads()
    assert len(set(await in_thread("other", taken))) == 1
    assert torch.get_num_threads() == before
    assert await in_thread("third", torch.get_num_threads) == CORES, "whatever another thread said last"


async def test_a_window_takes_one_core_and_a_long_pass_all_that_are_free(settings: Callable[..., Settings]) -> None:
    device, tracing, reading = workers(settings(device="cpu"))
    crew = device.crew
    for worker in (device, tracing, reading):
        worker.start()
    try:
        assert await reading.run(lambda: (threading.current_thread().name, torch.get_num_threads())) == (READING, 1)
        async with at_work(device), at_work(tracing):
            assert await reading.run_turns(iter([1, 2, 3])) == [1, 2, 3]
            assert crew.cores(reading) == max(1, CORES // 3)
        while device.busy or tracing.busy or reading.busy:
            await asyncio.sleep(0.001)
        assert crew.cores(tracing) == max(1, CORES // 3), "between two predictions the other team waits"
        for worker in (device, tracing, reading):
            worker.left = -math.inf
        assert crew.cores(reading) == crew.cores(device) == CORES
        assert Crew(shared=False).cores(device) == CORES
    finally:
        for worker in (device, tracing, reading):
            worker.stop()
