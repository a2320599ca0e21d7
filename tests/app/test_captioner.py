"""A native captioner over HTTP: listed with its examples, answering and traced like any that writes about pictures."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings
from tests.model.native.test_captioner import png, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write(tmp_path_factory.mktemp("scenes") / "tiny")
    (made / "examples").mkdir()
    (made / "examples" / "1.png").write_bytes(png(seed=6)["image"])
    return made


@pytest.fixture(scope="module")
def client(settings: Callable[..., Settings], folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(settings(models={"scenes": str(folder)}))) as client:
        yield client


def coded(inputs: dict[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(data).decode() for name, data in inputs.items()}


def test_it_is_listed_with_its_pictures(client: TestClient) -> None:
    listed = client.get("/v1/models/scenes").json()
    assert listed["task"] == "image-to-text"
    assert listed["examples"] == [coded(png(seed=6))]


def test_a_picture_is_captioned_and_its_map_is_of_patches(client: TestClient) -> None:
    body = {"inputs": coded(png()), "parameters": {"max_new_tokens": 4, "tgt_lang": "zh"}}
    answer = client.post("/v1/predict", json={**body, "attention": [{"site": "cross", "layer": 0, "head": 1}]})
    assert answer.status_code == 200, answer.text
    prediction, axes = answer.json()["prediction"], answer.json()["axes"]
    assert prediction["generated_text"] == prediction["text"]
    assert axes["source"]["kind"] == "image"
    assert axes["source"]["boxes"][5] == [8, 8, 16, 16]
    [attention] = answer.json()["attention"]
    assert (attention["queries"], attention["keys"]) == ("target", "source")
    assert attention["shape"] == [len(axes["target"]["ids"]), 16]
    trace = client.post("/v1/traces", json={**body, "objective": {"tokens": [0]}})
    assert trace.status_code == 201, trace.text
    assert trace.json()["certificate"]["warning"] is None
    effects = client.post(
        f"/v1/traces/{trace.json()['id']}/effects", json={"edits": "heads", "measured": True, "inputs": body["inputs"]}
    )
    assert effects.status_code == 200, effects.text


@pytest.mark.parametrize(
    ("inputs", "status"), [("a dog", 422), ({"image": "bm9uZQ=="}, 422), (coded(png(plain=True)), 200)]
)
def test_bad_input_is_a_sentence(client: TestClient, inputs: object, status: int) -> None:
    answer = client.post("/v1/predict", json={"inputs": inputs})
    assert answer.status_code == status, answer.text
    assert status == 200 or answer.json()["detail"]
