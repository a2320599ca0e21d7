"""Inputs as callers send them: every shape, files as base64, and the same through forms."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.errors import TooLarge
from heedmap.app.http.main import create_app
from heedmap.app.requests.inputs import check_inputs
from heedmap.app.settings import AUDIO_BYTES, IMAGE_BYTES, Settings
from heedmap.model.contract import Axis, Prediction, Request
from heedmap.model.errors import InputError
from heedmap.model.native.translator import Translator

FILE = bytes(range(256))
CODED = base64.b64encode(FILE).decode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Wo?", "Wo?"),
        (["Wo?", ""], ["Wo?", ""]),
        ({"image": CODED}, {"image": FILE}),
        ({"audio": f"data:audio/wav;base64,{CODED}"}, {"audio": FILE}),
        ({"image": "\n".join((CODED[:76], CODED[76:])), "text": "What?"}, {"image": FILE, "text": "What?"}),
        ({"question": "Who?", "context": "Me."}, {"question": "Who?", "context": "Me."}),
        (
            {"source_sentence": "a", "sentences": ["b", "c"]},
            {"source_sentence": "a", "sentences": ["b", "c"]},
        ),
        ({"messages": [{"role": "user", "content": "Hi"}]}, {"messages": [{"role": "user", "content": "Hi"}]}),
        ([{"image": CODED}, {"image": ""}], [{"image": FILE}, {"image": b""}]),
    ],
)
def test_every_shape_is_read(body: Any, expected: Any) -> None:
    assert check_inputs(body) == expected


def test_an_mp3_begins_like_a_path() -> None:
    frame = b"\xff\xfb\x90\x64" * 4
    coded = base64.b64encode(frame).decode()
    assert coded.startswith("//")
    assert check_inputs({"audio": coded}) == {"audio": frame}


@pytest.mark.parametrize(("name", "limit"), [("image", IMAGE_BYTES), ("audio", AUDIO_BYTES)])
def test_a_file_may_have_its_limit_and_no_byte_more(name: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_inputs({name: base64.b64encode(bytes(limit)).decode()}) == {name: bytes(limit)}
    monkeypatch.setattr("base64.b64decode", lambda *rest, **more: pytest.fail("it was decoded"))
    with pytest.raises(TooLarge, match=f"the {name} has {limit + 1:,} bytes, at most {limit:,} are read") as caught:
        check_inputs({name: base64.b64encode(bytes(limit + 1)).decode()})
    assert caught.value.field == f"inputs.{name}"


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"image": "A"}, "image", "this is not base64"),
        ({"image": "AA=A"}, "image", "this is not base64"),
        ({"image": "Ä==="}, "image", "this is not base64"),
        ({"image": "data:image/png;base64"}, "image", "must hold base64"),
        ({"image": "HTTPS://example.org/a.png"}, "image", "the server never fetches one"),
        ([{"audio": "http://localhost/"}], "0.audio", "the server never fetches one"),
        ({"image": None}, "image", "expected a file as base64, got null"),
        ({"image_url": CODED}, None, r"an object with image_url is no input; there is a text, \{\"image\"\}"),
        (5, None, "expected a text, .* got a number"),
        ([["a"]], "0", "got a list"),
        ({"source_sentence": "a", "sentences": []}, "sentences", "at least one sentence"),
        ({"source_sentence": "a", "sentences": ["b", 5]}, "sentences.1", "expected text, got a number"),
        ({"source_sentence": "a", "sentences": ["b"] * 257}, "sentences", "257 sentences, at most 256"),
        ({"messages": []}, "messages", "at least one"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": 1, "content": "a"}]}, "messages.1.role", "got a num"),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, "messages.0", "a message is"),
        ({"messages": [{"role": "user", "content": "a"}] * 257}, "messages", "257 messages, at most 256"),
        ({"question": "a" * 200_001, "context": "b"}, "question", "200,001 characters"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(body: Any, field: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_inputs(body)
    assert caught.value.field == field


@pytest.fixture
def recording_client(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[TestClient, list[Any]]]:
    """A service whose model notes what it is given, and answers in a shape of its own."""
    received: list[Any] = []

    def predict(self: Translator, requests: Sequence[Request], *rest: Any) -> list[Prediction]:
        received.extend(request.inputs for request in requests)
        axis = Axis("image", ["a"], [-1], [(0, 0)], [False], boxes=[(0.0, 0.0, 1.0, 2.0)], size=(1, 2))
        return [Prediction("cat", [], 0.5, {"patches": axis}, [{"label": "cat", "score": 0.5}])] * len(requests)

    monkeypatch.setattr(Translator, "predict", predict)
    monkeypatch.setattr(Translator, "session", lambda self: None)  # in a batch that nobody joins
    with TestClient(create_app(settings())) as client:
        yield client, received


def test_json_and_forms_say_the_same(recording_client: tuple[TestClient, list[Any]]) -> None:
    client, received = recording_client
    chat = [{"role": "user", "content": "Hi"}]
    cases: list[tuple[Any, dict[str, Any], Any]] = [
        ({"image": CODED}, {"image": ("a.png", FILE)}, {"image": FILE}),
        ({"audio": CODED}, {"audio": ("a.wav", FILE)}, {"audio": FILE}),
        ({"image": CODED, "text": "What?"}, {"image": FILE, "text": (None, "What?")}, {"image": FILE, "text": "What?"}),
        ({"image": CODED, "text": "Why?"}, {"image": FILE, "inputs": (None, "Why?")}, {"image": FILE, "text": "Why?"}),
        ({"image": CODED}, {"image": (None, CODED)}, {"image": FILE}),
        (
            {"question": "Who?", "context": "Me."},
            {"question": (None, "Who?"), "context": (None, "Me.")},
            {"question": "Who?", "context": "Me."},
        ),
        ({"messages": chat}, {"messages": (None, json.dumps(chat))}, {"messages": chat}),
        (
            {"source_sentence": "a", "sentences": ["b"]},
            {"source_sentence": (None, "a"), "sentences": (None, "b")},
            {"source_sentence": "a", "sentences": ["b"]},
        ),
    ]
    for body, form, expected in cases:
        del received[:]
        first = client.post("/v1/predict", json={"inputs": body})
        second = client.post("/v1/predict", files=form)
        assert (first.status_code, second.status_code) == (200, 200), second.text
        assert received == [expected, expected]
        assert first.json() == second.json()
        assert first.json()["prediction"] == [{"label": "cat", "score": 0.5}]
        assert first.json()["axes"]["patches"]["boxes"] == [[0.0, 0.0, 1.0, 2.0]]


def test_several_files_of_a_form_are_a_batch(recording_client: tuple[TestClient, list[Any]]) -> None:
    client, received = recording_client
    answer = client.post("/v1/predict", files=[("image", FILE), ("image", b"other")])
    assert len(answer.json()["results"]) == 2
    assert received == [{"image": FILE}, {"image": b"other"}]


def test_a_long_recording_fits(recording_client: tuple[TestClient, list[Any]]) -> None:
    client, received = recording_client
    recording = bytes(120 * 44_100 * 2 * 2)  # the longest that models hear, as a CD has it
    for sent in (
        {"json": {"inputs": {"audio": base64.b64encode(recording).decode()}}},
        {"files": {"audio": recording}},
    ):
        assert client.post("/v1/predict", **sent).status_code == 200
    assert [len(inputs["audio"]) for inputs in received] == [len(recording)] * 2


def test_the_schema_tells_of_every_shape(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    inputs = schema["components"]["schemas"]["PredictRequest"]["properties"]["inputs"]
    objects = {tuple(shape["required"]) for shape in inputs["anyOf"] if shape.get("type") == "object"}
    assert objects == {
        *(("image",), ("audio",), ("image", "text"), ("context", "question")),
        *(("sentences", "source_sentence"), ("messages",), ("text", "text_pair")),
    }
    form = schema["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["image"]["contentMediaType"] == "application/octet-stream"
