"""`Client.likeliest`, and going on with another token."""

import asyncio

import pytest

from heedmap.app.client.api import AsyncClient, Client
from heedmap.app.client.errors import BadRequest
from tests.app.client.conftest import TEXT


def test_another_token_leads_to_another_answer(client: Client, url: str) -> None:
    trace = client.trace(TEXT, model="de-en")
    places = client.likeliest(trace)
    assert [place.written.token for place in places] == trace.prediction.tokens
    [first] = client.likeliest(trace.id, 0, count=2)
    assert first.tokens == places[0].tokens[:2]
    other = client.trace(TEXT, model="de-en", prefix=[first.tokens[1].id])
    assert other.prediction.tokens[0] == first.tokens[1].token
    assert other.prediction.text != trace.prediction.text
    with pytest.raises(BadRequest) as caught:
        client.likeliest(trace, 99)
    assert caught.value.field == "position"

    async def awaited() -> int:
        async with AsyncClient(url) as service:
            return len(await service.likeliest(trace))

    assert asyncio.run(awaited()) == len(places)
