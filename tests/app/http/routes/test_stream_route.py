"""Answers while they are written: the events, what they add up to, what is refused, and readers who go or dawdle."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from heedmap.app.http import event_stream
from heedmap.app.http.main import create_app
from heedmap.app.service import stream
from heedmap.app.settings import Settings
from heedmap.model.native.inference import InferenceTransformer
from tests.model.hub import checkpoints

TEXT = "Wo ist der Bahnhof?"
PARAMETERS = {"max_new_tokens": 6}
BODY = {"inputs": TEXT, "parameters": PARAMETERS, "stream": True}
Event = tuple[str, dict[str, Any]]


def events(body: str) -> list[Event]:
    """The events of a response, comments left out."""
    blocks = [block for block in body.split("\n\n") if block and not block.startswith(":")]
    pairs = [block.split("\n") for block in blocks]
    assert all(len(pair) == 2 for pair in pairs)
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def streamed(client: TestClient, **changes: Any) -> list[Event]:
    response = client.post("/v1/predict", json={**BODY, **changes})
    assert response.status_code == 200, response.text
    return events(response.text)


def test_events_add_up_to_the_prediction(client: TestClient) -> None:
    response = client.post("/v1/predict", json=BODY)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in response.headers
    (first, start), *middle, (last, end) = events(response.text)
    whole = client.post("/v1/predict", json={"inputs": TEXT, "parameters": PARAMETERS}).json()
    assert (first, last) == ("start", "end")
    assert start == {"model": "tiny", "task": "translation", "axes": {"source": whole["axes"]["source"]}}
    assert [name for name, _ in middle] == ["token"] * 6
    tokens = [token for _, token in middle]
    assert set(tokens[0]) == {"index", "id", "label", "text", "log_probability"}
    assert [token["index"] for token in tokens] == list(range(6))
    assert [token["id"] for token in tokens] == whole["axes"]["target"]["ids"]
    assert [token["label"] for token in tokens] == whole["prediction"]["tokens"]
    assert "".join(token["text"] for token in tokens) == whole["prediction"]["text"]
    assert sum(token["log_probability"] for token in tokens) == pytest.approx(whole["prediction"]["score"], abs=1e-4)
    assert end["axes"] == whole["axes"]
    assert end["finish_reason"] == end["prediction"]["finish_reason"] == "length"
    assert end["prediction"]["text"] == whole["prediction"]["text"]


def test_the_trace_is_kept_under_its_own_id(client: TestClient) -> None:
    body = {"inputs": "Ich habe heute keine Zeit.", "parameters": PARAMETERS}
    end = streamed(client, **body)[-1][1]
    kept = client.get(f"/v1/traces/{end['trace']}")
    assert kept.status_code == 200
    assert kept.json()["prediction"]["text"] == end["prediction"]["text"]
    assert client.post("/v1/traces", json=body).json()["id"] == end["trace"]


def rows_match(client: TestClient, told: list[Event]) -> int:
    trace, rows = told[-1][1]["trace"], 0
    maps: dict[str, np.ndarray] = {}
    for token in [data for name, data in told if name == "token"]:
        for entry in token["attention"]:
            path = f"{entry['site']}/{entry['layer']}/{entry['head']}"
            if path not in maps:
                maps[path] = np.asarray(client.get(f"/v1/traces/{trace}/maps/{path}").json()["weights"])
            expected, row = maps[path][..., entry["query"], :], np.asarray(entry["row"])
            np.testing.assert_allclose(row, expected[..., : row.shape[-1]], atol=1e-5, rtol=0)
            assert not expected[..., row.shape[-1] :].any()
            rows += 1
    return rows


def test_rows_are_those_of_the_trace(client: TestClient) -> None:
    wanted = [{"site": "cross", "layer": -1, "head": "all"}, {"site": "decoder", "head": -1}, {"site": "cross"}]
    told = streamed(client, attention=wanted)
    assert rows_match(client, told) == 6 * 3
    first = told[1][1]["attention"]
    assert [(entry["site"], entry["layer"], entry["head"]) for entry in first] == [
        ("cross", 1, "all"), ("decoder", 1, 3), ("cross", 1, "all")
    ]  # fmt: skip
    assert "attention" not in told[-1][1]


def test_a_map_of_what_was_read_comes_at_the_end(client: TestClient) -> None:
    told = streamed(client, attention=[{"site": "encoder", "head": 0}, {"site": "cross", "head": "mean"}])
    assert rows_match(client, told) == 6
    [entry] = told[-1][1]["attention"]
    whole = client.get(f"/v1/traces/{told[-1][1]['trace']}/maps/encoder/1/0").json()
    np.testing.assert_allclose(entry["weights"], whole["weights"], atol=1e-6)


@pytest.fixture(scope="module")
def hub(settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service of two checkpoints of a hub: one writes, one does not."""
    folder = tmp_path_factory.mktemp("hub")
    writer, reader = checkpoints.gpt2(folder / "gpt2"), checkpoints.bert(folder / "bert", "masked")
    with TestClient(create_app(settings(models={"writer": str(writer), "reader": str(reader)}))) as client:
        yield client


def test_a_hubs_decoder_streams_its_rows(hub: TestClient) -> None:
    told = streamed(hub, model="writer", inputs="The girl is reading", attention=[{"site": "decoder", "layer": 0}])
    assert rows_match(hub, told) == 6
    read = len(told[0][1]["axes"]["tokens"]["ids"])
    assert told[1][1]["attention"][0]["query"] == read - 1, "the first token is chosen where the prompt ends"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"parameters": {"beam_size": 4}}, "parameters.beam_size"),
        ({"inputs": [TEXT]}, "inputs"),
        ({"target": "Where?"}, "target"),
        ({"attention": [{"site": "cross", "head": 9}]}, "attention.0.head"),
        ({"inputs": "word " * 600}, "inputs"),
        ({"inputs": " "}, "inputs"),
    ],
)
def test_what_cannot_be_streamed_is_a_problem_with_its_own_status(
    client: TestClient, changes: dict[str, Any], field: str
) -> None:
    response = client.post("/v1/predict", json={**BODY, **changes})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["errors"][0]["path"] == field


def test_a_task_that_writes_nothing_is_refused(hub: TestClient) -> None:
    response = hub.post("/v1/predict", json={**BODY, "model": "reader", "inputs": "A [MASK]"})
    assert (response.status_code, response.json()["errors"][0]["path"]) == (422, "stream")


def test_too_many_weights_in_one_event_are_an_error(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "EVENT_CELLS", 8)
    told = streamed(client, attention=[{"site": "cross"}])
    assert [name for name, _ in told] == ["start", "error"]
    assert told[-1][1]["status"] == 413
    assert told[-1][1]["errors"][0]["path"] == "attention"


def test_what_fails_under_way_is_the_last_event(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    original = InferenceTransformer.decode

    def fails(self: InferenceTransformer, ids: Any, state: Any, *rest: Any) -> Any:
        if state.length == 2:
            raise RuntimeError("a secret of the code")
        return original(self, ids, state, *rest)

    monkeypatch.setattr(InferenceTransformer, "decode", fails)
    told = streamed(client)
    assert [name for name, _ in told] == ["start", "token", "token", "error"]
    assert told[-1][1]["status"] == 500
    assert "secret" not in json.dumps(told)


def test_silence_is_filled_with_comments(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "PING_SECONDS", 1e-4)
    text = client.post("/v1/predict", json=BODY).text
    assert ": ping\n\n" in text
    assert events(text)[-1][0] == "end"


class Reader:
    """Reads a response as a server would hand it on: hangs up, or takes nothing any more, after some events."""

    def __init__(self, body: dict[str, Any], after: int, *, hangs_up: bool) -> None:
        self.messages = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]
        self.after, self.hangs_up = after, hangs_up
        self.sent: list[dict[str, Any]] = []
        self.enough = asyncio.Event()
        self.scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": "/v1/predict", "raw_path": b"/v1/predict", "query_string": b"", "root_path": "",
            "headers": [(b"content-type", b"application/json"), (b"host", b"test")],
            "client": ("127.0.0.1", 1), "server": ("test", 80),
        }  # fmt: skip

    async def receive(self) -> dict[str, Any]:
        if self.messages:
            return self.messages.pop()
        await (self.enough.wait() if self.hangs_up else asyncio.Event().wait())
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if sum(b"event: " in message.get("body", b"") for message in self.sent) >= self.after:
            self.enough.set()
            if not self.hangs_up:
                await asyncio.Event().wait()


async def steps_taken(app: Any, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> int:
    """Steps that were decoded for this reader."""
    steps, original = 0, InferenceTransformer.decode

    def counted(self: InferenceTransformer, *rest: Any) -> Any:
        nonlocal steps
        steps += 1
        return original(self, *rest)

    monkeypatch.setattr(InferenceTransformer, "decode", counted)
    async with app.router.lifespan_context(app):
        answer = asyncio.create_task(app(reader.scope, reader.receive, reader.send))
        await asyncio.wait_for(reader.enough.wait(), 20)
        await asyncio.wait_for(answer, 20)
        while app.state.services.engine.busy:
            await asyncio.sleep(0.005)
        return steps


async def test_a_reader_who_hangs_up_stops_the_decoding(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader({**BODY, "parameters": {"max_new_tokens": 500}}, 3, hangs_up=True)
    steps = await steps_taken(create_app(settings()), reader, monkeypatch)
    assert steps < 100
    assert reader.sent[-1].get("more_body"), "nobody is told of an end"


async def test_a_reader_who_takes_nothing_is_cut(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(stream, "UNSENT_BYTES", 2_000)
    reader = Reader({**BODY, "parameters": {"max_new_tokens": 500}}, 3, hangs_up=False)
    steps = await steps_taken(create_app(settings()), reader, monkeypatch)
    assert steps < 100, "what nobody takes is not decoded either"
    assert reader.sent[-1].get("more_body")


def test_the_stream_of_a_sample_is_its_trace(client: TestClient, tiny: Path) -> None:
    parameters = {**PARAMETERS, "do_sample": True, "seed": 4}
    told = streamed(client, parameters=parameters, attention=[{"site": "cross"}])
    assert rows_match(client, told) == 6
