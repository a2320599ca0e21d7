"""Streams through both clients, of the live service; and what a broken stream is."""

import numpy as np
import pytest

from heedmap.app.client.api import AsyncClient, Client
from heedmap.app.client.errors import BadRequest, Busy, Unreachable
from heedmap.app.client.streams import Ended, Parser, Started, StreamEvent, TokenWritten
from tests.app.client.conftest import TEXT

WANTED = [{"site": "cross", "layer": -1, "head": 3}]


def check(events: list[StreamEvent], client: Client) -> None:
    started, *tokens, ended = events
    assert isinstance(started, Started)
    assert isinstance(ended, Ended)
    answer = client.predict(TEXT)
    assert started.axes == {"source": answer.axes["source"]}
    assert ended.answer.axes == answer.axes
    assert (ended.text, ended.finish_reason) == (answer.text, "stop")
    rows = client.map(ended.trace, "cross", layer=-1, head=3).weights
    written = [token for token in tokens if isinstance(token, TokenWritten)]
    assert len(written) == len(tokens) == len(rows)
    assert "".join(token.text for token in written) == answer.text
    for token in written:
        [row] = token.attention
        assert (row.site, row.layer, row.head, row.query) == ("cross", 2, 3, token.index)
        np.testing.assert_allclose(row.weights, rows[row.query], atol=1e-5)


def test_a_stream_is_the_answer_piece_by_piece(client: Client) -> None:
    check(list(client.stream(TEXT, attention=WANTED)), client)


async def test_the_same_awaited(client: Client, url: str) -> None:
    async with AsyncClient(url) as awaiting:
        check([event async for event in awaiting.stream(TEXT, attention=WANTED)], client)


def test_leaving_the_loop_hangs_up_and_the_client_goes_on(client: Client) -> None:
    for event in client.stream(TEXT):
        if isinstance(event, TokenWritten):
            break
    assert client.predict(TEXT).text


def test_a_refusal_is_raised(client: Client) -> None:
    with pytest.raises(BadRequest) as caught:
        next(iter(client.stream(TEXT, beam_size=4)))
    assert caught.value.field == "parameters.beam_size"


def test_an_error_under_way_is_raised() -> None:
    parser = Parser()
    assert parser.feed(": ping") is None
    assert parser.feed("") is None
    parser.feed("event: error")
    parser.feed('data: {"status": 503, "title": "Service Unavailable", "detail": "full"}')
    with pytest.raises(Busy, match="full"):
        parser.feed("")


def test_a_stream_without_an_end_is_none() -> None:
    parser = Parser()
    parser.feed("event: start")
    parser.feed('data: {"model": "m", "task": "t", "axes": {}}')
    assert parser.feed("") == Started("m", "t", {})
    with pytest.raises(Unreachable, match="broke off"):
        parser.close()
