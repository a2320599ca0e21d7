"""Windows and tiles in turns: the same numbers as at one go, and nothing is done for who went away."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from heedmap.app.service import maps, tiles
from heedmap.app.service.store import ANYONE
from heedmap.app.service.tiles import Address
from heedmap.app.settings import Settings
from tests.app.conftest import PARAMETERS, TEXT
from tests.app.service.busy import at_work
from tests.app.service.test_reading import running


async def created(client: Any) -> str:
    response = await client.post("/v1/traces", json={"inputs": TEXT, "parameters": PARAMETERS})
    identifier: str = response.json()["id"]
    return identifier


@pytest.mark.parametrize("head", ["0", "all", "mean", "max"])
async def test_a_window_in_strips_is_the_window(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    async with running(settings()) as (client, _):
        address = f"/v1/traces/{await created(client)}/maps/encoder/0/{head}?format=csv"
        whole = await client.get(address)
        monkeypatch.setattr(maps, "STRIP", 1)
        rows: list[range] = []
        plain = maps.weights

        def noted(trace: Any, place: maps.Place) -> Any:
            rows.append(place.rows)
            return plain(trace, place)

        monkeypatch.setattr(maps, "weights", noted)
        strips = await client.get(address)
    assert strips.text == whole.text
    assert len(rows) > 3
    assert {len(part) for part in rows} == {1}


async def test_a_tile_in_strips_is_the_tile(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(settings()) as (client, services):
        identifier = await created(client)
        address = f"/v1/traces/{identifier}/tiles/encoder/0/0/max/0/0/0"
        whole = await client.get(address)
        assert whole.status_code == 200
        monkeypatch.setattr(tiles, "FEW_CELLS", -1)
        services.tiles._kept.clear()
        assert (await client.get(address)).content == whole.content


async def test_a_pass_ends_with_its_last_caller(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []

    def endless(*rest: Any) -> Iterator[tuple[range, Any]]:
        while True:
            turns.append(len(turns))
            yield range(0), None

    monkeypatch.setattr(tiles, "reduce_strips", endless)
    monkeypatch.setattr(tiles, "base_of", lambda shape: 0)
    async with running(settings()) as (client, services):
        identifier = await created(client)
        held = services.store.get(ANYONE, identifier)
        callers = [
            asyncio.create_task(services.tiles.pyramid(ANYONE, held, Address("encoder", 0, 0), "max")) for _ in range(2)
        ]
        while not turns:
            await asyncio.sleep(0.001)
        callers[0].cancel()
        before = len(turns)
        while len(turns) < before + 3:  # the other one still waits
            await asyncio.sleep(0.001)
        callers[1].cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        async with at_work(services.reading):
            after = len(turns)
        await asyncio.sleep(0.05)
        assert len(turns) == after
        assert not services.tiles._passes
