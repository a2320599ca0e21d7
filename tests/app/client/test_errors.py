"""What the clients make of errors, full queues, broken connections and keys; no service is needed for it."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from heedmap.app.client import errors
from heedmap.app.client.api import AsyncClient, Client
from tests.live import free_port

MODELS = {"models": [{"name": "de-en"}]}
Handler = Callable[[httpx.Request], httpx.Response]


def sync_models(handler: Handler, **options: Any) -> Any:
    """The models as a blocking client gets them from a handler."""
    with Client(transport=httpx.MockTransport(handler), **options) as client:
        return client.models()


def async_models(handler: Handler, **options: Any) -> Any:
    """The models as an awaiting client gets them from a handler."""

    async def run() -> Any:
        async with AsyncClient(transport=httpx.MockTransport(handler), **options) as client:
            return await client.models()

    return asyncio.run(run())


@pytest.fixture(params=[sync_models, async_models], ids=["sync", "async"])
def models(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Either client's `models`."""
    call: Callable[..., Any] = request.param
    return call


class Answers:
    """Answers with one response after the other, and remembers the requests."""

    def __init__(self, *responses: httpx.Response) -> None:
        self.responses, self.requests = list(responses), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.responses[min(len(self.requests), len(self.responses)) - 1]


def full(retry_after: str | None = "0") -> httpx.Response:
    """The answer of a full queue."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(503, json={"title": "Service Unavailable", "detail": "the queue is full"}, headers=headers)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.NotAllowed),
        (403, errors.NotAllowed),
        (404, errors.NotFound),
        (405, errors.BadRequest),
        (406, errors.BadRequest),
        (410, errors.Damaged),
        (413, errors.TooLarge),
        (415, errors.BadRequest),
        (418, errors.APIError),
        (422, errors.BadRequest),
        (429, errors.TooManyRequests),
        (500, errors.ServiceFault),
        (502, errors.ServiceFault),
        (503, errors.Busy),
        (504, errors.DeadlinePassed),
    ],
)
def test_each_status_has_its_exception(models: Callable[..., Any], status: int, kind: type[errors.APIError]) -> None:
    body = {
        "type": "urn:heedmap:problem:some-name",
        "title": "Some Title",
        "status": status,
        "detail": "what is wrong",
        "errors": [{"path": "parameters.beam_size", "detail": "too many"}, {"path": "inputs", "detail": "empty"}],
    }
    with pytest.raises(errors.APIError) as caught:
        models(Answers(httpx.Response(status, json=body)))
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.type, error.title) == (status, "urn:heedmap:problem:some-name", "Some Title")
    assert error.errors == {"parameters.beam_size": "too many", "inputs": "empty"}
    assert error.field == "parameters.beam_size"
    assert str(error) == f"{status} Some Title: what is wrong (field parameters.beam_size)"


def test_a_body_that_is_no_problem_document_becomes_the_detail(models: Callable[..., Any]) -> None:
    with pytest.raises(errors.ServiceFault, match="502 Error: <h1>Bad Gateway</h1>") as caught:
        models(Answers(httpx.Response(502, html="<h1>Bad Gateway</h1>")))
    assert caught.value.field is None


def test_a_full_queue_is_asked_again(models: Callable[..., Any]) -> None:
    answers = Answers(full(), full(), httpx.Response(200, json=MODELS))
    assert models(answers) == MODELS["models"]
    assert len(answers.requests) == 3


def test_patience_ends(models: Callable[..., Any]) -> None:
    answers = Answers(full("0"))
    with pytest.raises(errors.Busy) as caught:
        models(answers, retries=2)
    assert len(answers.requests) == 3
    assert caught.value.retry_after == 0


@pytest.mark.parametrize("retry_after", [None, "3600", "soon"])
def test_no_retry_without_a_short_wait_being_asked_for(models: Callable[..., Any], retry_after: str | None) -> None:
    answers = Answers(full(retry_after))
    with pytest.raises(errors.Busy):
        models(answers)
    assert len(answers.requests) == 1


def test_only_a_full_queue_is_asked_again(models: Callable[..., Any]) -> None:
    answers = Answers(httpx.Response(429, json={}, headers={"Retry-After": "0"}))
    with pytest.raises(errors.TooManyRequests):
        models(answers)
    assert len(answers.requests) == 1


def test_retry_after_may_be_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert errors.seconds(soon) == pytest.approx(30, abs=2)
    assert errors.seconds("Thu, 01 Jan 1970 00:00:00 GMT") == 0
    assert errors.seconds("7") == 7
    assert errors.seconds("later") is None
    assert errors.seconds(None) is None


def test_nobody_listens() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url) as client, pytest.raises(errors.Unreachable, match=url):
        client.models()


def test_a_slow_answer(models: Callable[..., Any]) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow", request=request)

    with pytest.raises(errors.TimedOut, match="ReadTimeout"):
        models(slow)


@pytest.mark.parametrize(("key", "sent"), [("secret", "Bearer secret"), (None, None)])
def test_the_key_is_sent(models: Callable[..., Any], key: str | None, sent: str | None) -> None:
    answers = Answers(httpx.Response(200, json=MODELS))
    models(answers, api_key=key)
    assert answers.requests[0].headers.get("Authorization") == sent


class BreaksOff(httpx.SyncByteStream):
    """A body whose connection is lost after its first bytes."""

    def __iter__(self) -> Any:
        yield b"half a trace"
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def test_a_broken_download_leaves_nothing(tmp_path: Path) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=BreaksOff()))
    with Client(transport=transport) as client, pytest.raises(errors.Unreachable, match="peer closed"):
        client.download("0" * 32, tmp_path / "trace.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_files_go_as_base64_and_answers_of_every_shape_come_back() -> None:
    calls: list[Any] = []

    def answering(request: httpx.Request) -> httpx.Response:
        calls.append(json.loads(request.content))
        axis = {"kind": "image", "labels": ["a"], "ids": [-1], "spans": [[0, 0]], "special": [False], "size": [2, 1]}
        body = {"model": "m", "task": "image-classification", "axes": {"patches": axis}}
        one = {**body, "prediction": [{"label": "cat", "score": 0.75}]}
        return httpx.Response(200, json={"results": [one]} if isinstance(calls[-1]["inputs"], list) else one)

    with Client(transport=httpx.MockTransport(answering)) as client:
        answer = client.predict({"image": b"\x00\xff", "text": "What?"}, top_k=2)
        [same] = client.predict_batch([{"image": b"\x00\xff"}])
    assert calls[0] == {"inputs": {"image": "AP8=", "text": "What?"}, "parameters": {"top_k": 2}}
    assert calls[1] == {"inputs": [{"image": "AP8="}]}
    assert answer.prediction.output == [{"label": "cat", "score": 0.75}]
    assert (answer.text, answer.prediction.score, answer.axes["patches"].size) == ("cat", 0.75, (2, 1))
    assert same == answer
