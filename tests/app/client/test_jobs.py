"""Jobs by the clients against the live service."""

import asyncio

import httpx
import pytest

from heedmap.app.client.api import AsyncClient, Client
from heedmap.app.client.errors import APIError, BadRequest, NotFound
from heedmap.app.client.jobs import JobStatus
from tests.app.client.conftest import TEXT


def test_a_job_is_posted_waited_for_and_forgotten(client: Client) -> None:
    told: list[JobStatus] = []
    job = client.job("corpus", inputs=[TEXT, "Ich habe keine Zeit."])
    assert not job.over
    done = client.wait(job, progress=told.append)
    assert (done.state, done.done, done.of, done.what) == ("done", 2, 2, "inputs")
    assert told[-1] is done
    assert "station" in done.result["predictions"][0]["text"]
    assert client.job_status(job).result == done.result
    assert job.id in [each.id for each in client.jobs()]
    assert "corpus" in [kind["name"] for kind in client.job_kinds()]
    client.cancel(job)
    with pytest.raises(NotFound):
        client.wait(job)


def test_a_wrong_job_is_refused(client: Client) -> None:
    with pytest.raises(BadRequest) as wrong:
        client.job("corpus", inputs=[])
    assert wrong.value.field == "inputs"


def test_a_job_that_fails_raises(client: Client) -> None:
    failed = {"type": "about:blank", "title": "Gateway Timeout", "status": 504, "detail": "it took too long"}
    data = {"id": "0" * 32, "kind": "corpus", "state": "failed", "progress": {"done": 0, "of": 0, "what": ""}}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={**data, "error": failed}))
    with Client("http://test", transport=transport) as other, pytest.raises(APIError, match="it took too long"):
        other.wait("0" * 32)


def test_awaited(url: str) -> None:
    async def work() -> JobStatus:
        async with AsyncClient(url) as client:
            return await client.wait(await client.job("corpus", inputs=[TEXT]))

    assert asyncio.run(work()).result["recorded"] == 1


def test_two_traces_are_compared(client: Client) -> None:
    one, other = client.trace(TEXT), client.trace("Wo ist der alte Bahnhof?")
    answer = client.compare(one, other, "encoder", layer=-1, head=0)
    assert answer["queries"]["unmatched"][0] == []
    assert answer["heads"][0]["divergence"] > 0
    assert len(answer["difference"]["values"]) == len(one.axes["source"])
