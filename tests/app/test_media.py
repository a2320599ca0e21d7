"""Pictures and recordings over HTTP: predictions and traces of them, and what is too much."""

import base64
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings
from heedmap.model.media import pixels_of
from tests.model.hub import media_checkpoints as media

RATE = 16_000


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def flac(seconds: float, rate: int = 8_000) -> bytes:
    """Silence, which takes next to nothing as FLAC."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", samplerate=rate, channels=1, format="FLAC", subtype="PCM_16") as file:
        for _ in range(int(seconds // 60)):
            file.write(np.zeros(60 * rate, np.int16))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def client(settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service of a model that sees, two that see and read, and one that hears."""
    folder = tmp_path_factory.mktemp("media")
    models = {
        "sees": str(media.vit(folder / "vit")),
        "chooses": str(media.clip(folder / "clip")),
        "hears": str(media.wav2vec2(folder / "wav2vec2")),
    }
    with TestClient(create_app(settings(models=models))) as client:
        yield client


@pytest.fixture(scope="module")
def png() -> bytes:
    """A picture of 60 x 40 pixels."""
    return media.as_png(media.picture())


@pytest.fixture(scope="module")
def wav() -> bytes:
    """Half a second."""
    return media.as_wav(media.speech(0.5, RATE), RATE)


def test_a_picture_is_answered_alike_however_it_comes(client: TestClient, png: bytes) -> None:
    json = client.post("/v1/predict", json={"model": "sees", "inputs": {"image": coded(png)}})
    address = client.post(
        "/v1/predict", json={"model": "sees", "inputs": {"image": f"data:image/png;base64,{coded(png)}"}}
    )
    form = client.post("/v1/predict", data={"model": "sees"}, files={"image": ("a.png", png, "image/png")})
    assert json.status_code == 200, json.text
    assert json.json() == address.json() == form.json()
    assert set(json.json()["prediction"][0]) == {"label", "score"}
    patches = json.json()["axes"]["patches"]
    assert patches["size"] == [60, 40]
    assert patches["boxes"][0] is None, "the class token"


def test_a_picture_is_traced_once(client: TestClient, png: bytes) -> None:
    body = {"model": "sees", "inputs": {"image": coded(png)}}
    first = client.post("/v1/traces", json=body)
    assert first.status_code == 201, first.text
    again = client.post("/v1/traces", data={"model": "sees"}, files={"image": png})
    assert again.json()["id"] == first.json()["id"]
    other = media.as_png(media.picture(seed=1))
    changed = client.post("/v1/traces", json={**body, "inputs": {"image": coded(other)}})
    assert changed.json()["id"] != first.json()["id"]
    weights = client.get(f"/v1/traces/{first.json()['id']}/maps/encoder/-1/mean").json()["weights"]
    length = len(first.json()["axes"]["patches"]["labels"])
    assert np.asarray(weights).shape == (length, length)


def test_labels_come_with_the_parameters(client: TestClient, png: bytes) -> None:
    body = {"model": "chooses", "inputs": {"image": coded(png)}, "parameters": {"candidate_labels": ["cat", "dog"]}}
    answer = client.post("/v1/predict", json=body)
    assert answer.status_code == 200, answer.text
    assert {entry["label"] for entry in answer.json()["prediction"]} == {"cat", "dog"}
    form = client.post(
        "/v1/predict",
        data={"model": "chooses", "parameters": '{"candidate_labels": ["cat", "dog"]}'},
        files={"image": png},
    )
    assert form.json() == answer.json()
    del body["parameters"]
    refused = client.post("/v1/predict", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "parameters.candidate_labels")


def flat(side: int) -> bytes:
    """A picture of one colour, which takes next to nothing as PNG."""
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, "PNG")
    return file.getvalue()


def test_pictures_of_too_many_pixels_together_are_refused_undecoded(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = coded(flat(7_000))
    assert pixels_of(flat(7_000)) == 49_000_000
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("it was decoded"))
    started = time.process_time()
    answer = client.post("/v1/predict", json={"model": "sees", "inputs": [{"image": large}] * 64})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (413, "inputs"), answer.text
    assert f"{64 * 49_000_000:,} pixels" in answer.json()["detail"]
    assert time.process_time() - started < 2


def test_what_is_no_picture_among_pictures_is_its_own_error(client: TestClient, png: bytes) -> None:
    inputs = [{"image": coded(png)}, {"image": coded(b"no picture")}, {"image": coded(png)}]
    answer = client.post("/v1/predict", json={"model": "sees", "inputs": inputs})
    assert answer.status_code == 200, answer.text
    assert ["error" in result for result in answer.json()["results"]] == [False, True, False]


def test_a_recording_has_seconds(client: TestClient, wav: bytes) -> None:
    answer = client.post("/v1/predict", json={"model": "hears", "inputs": {"audio": coded(wav)}})
    assert answer.status_code == 200, answer.text
    assert "text" in answer.json()["prediction"]
    frames = answer.json()["axes"]["frames"]
    assert frames["duration"] == pytest.approx(0.5, abs=0.01)
    assert frames["seconds"][0][0] == 0
    form = client.post("/v1/predict", data={"model": "hears"}, files={"audio": ("a.wav", wav, "audio/wav")})
    assert form.json() == answer.json()


def test_a_batch_has_errors_of_its_own(client: TestClient, png: bytes) -> None:
    inputs = [{"image": coded(png)}, {"image": coded(b"no picture")}, "a text"]
    first, broken, text = client.post("/v1/predict", json={"model": "sees", "inputs": inputs}).json()["results"]
    assert first["prediction"]
    assert broken["error"]["errors"][0]["path"] == "inputs.1.image"
    assert text["error"]["errors"][0]["path"] == "inputs.2"


@pytest.mark.parametrize(
    ("model", "inputs", "path", "message"),
    [
        ("sees", lambda: {"image": coded(media.claimed(40_000, 40_000))}, "inputs.image", "1,600,000,000|40,000 x"),
        ("sees", lambda: {"image": coded(b"GIF89a")}, "inputs.image", "cannot be read"),
        ("sees", lambda: {"image": ""}, "inputs.image", "no bytes"),
        ("sees", lambda: {"audio": coded(b"RIFF")}, "inputs", ""),
        ("hears", lambda: {"audio": coded(flac(3 * 3600))}, "inputs.audio", "lasts 10,800 s"),
        ("hears", lambda: {"audio": coded(b"RIFF....WAVE")}, "inputs.audio", "cannot be decoded"),
        ("hears", lambda: "a text", "inputs", ""),
    ],
    ids=["bomb", "broken", "empty", "wrong kind", "three hours", "cut short", "text"],
)
@pytest.mark.parametrize("route", ["/v1/predict", "/v1/traces"])
def test_what_cannot_be_used_is_refused_with_its_place(
    client: TestClient, route: str, model: str, inputs: Callable[[], Any], path: str, message: str
) -> None:
    refused = client.post(route, json={"model": model, "inputs": inputs()})
    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["errors"][0]["path"] == path
    assert any(part in refused.json()["detail"] for part in message.split("|"))


def test_an_example_of_every_model_is_answered(client: TestClient) -> None:
    for model in client.get("/v1/models").json()["models"]:
        for example in model["examples"]:
            body: dict[str, Any] = {"model": model["name"], "inputs": example}
            if model["name"] == "chooses":
                body["parameters"] = {"candidate_labels": ["cat"]}
            assert client.post("/v1/predict", json=body).status_code == 200
