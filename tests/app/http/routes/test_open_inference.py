"""The Open Inference Protocol, asked by Triton's own client: tensors in JSON and in bytes, maps as outputs, errors."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from heedmap.app.http.main import create_app
from heedmap.app.requests.open_inference import HEADER
from heedmap.app.settings import Settings
from tests.live import service
from tests.model.hub import checkpoints

TEXT = "Wo ist der Bahnhof?"
OTHER = "Ich habe heute keine Zeit."
LIMIT = {"max_new_tokens": 6}
MODEL = "org/tiny"


@pytest.fixture(scope="module")
def url(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A live service of a model that translates, under a name with a slash, and one that answers questions."""
    folder = tmp_path_factory.mktemp("open-inference")
    reader = checkpoints.bert(folder / "reader", "question-answering")
    with service(folder, "--model", f"{MODEL}={tiny}", "--model", f"reader={reader}") as address:
        yield address


@pytest.fixture(scope="module")
def triton(url: str) -> Iterator[InferenceServerClient]:
    """Triton's client."""
    with InferenceServerClient(url.removeprefix("http://")) as client:
        yield client


def tensor(name: str, *values: Any, binary: bool = True, column: bool = False) -> Any:
    array = np.array(values, dtype=np.object_)
    array = array[:, None] if column else array
    made = InferInput(name, list(array.shape), "BYTES")
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def output(name: str, binary: bool = True) -> Any:
    return InferRequestedOutput(name, binary_data=binary)


def texts(result: Any, name: str) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else value for value in result.as_numpy(name).tolist()]


def predicted(url: str, inputs: Any, model: str = MODEL, **more: Any) -> Any:
    body = {"model": model, "inputs": inputs, **({"parameters": LIMIT} if model == MODEL else {}), **more}
    return httpx.post(f"{url}/v1/predict", json=body, timeout=60).json()


def test_the_service_and_its_models_are_described(triton: InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready(MODEL)
    assert triton.is_model_ready(MODEL, "1")
    assert not triton.is_model_ready(MODEL, "2")
    assert not triton.is_model_ready("nobody")
    assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data", "parameters"]
    index = triton.get_model_repository_index()
    assert [(row["name"], row["version"], row["state"]) for row in index] == [
        (MODEL, "1", "READY"),
        ("reader", "1", "READY"),
    ]
    for described in (triton.get_model_metadata(MODEL), triton.get_model_metadata(MODEL, "1")):
        assert (described["name"], described["versions"]) == (MODEL, ["1"])
        assert [entry["name"] for entry in described["inputs"]] == ["inputs", "target"]
        outputs = {entry["name"]: (entry["datatype"], entry["shape"]) for entry in described["outputs"]}
        assert outputs["text"] == ("BYTES", [-1])
        assert outputs["attention.cross.1.all"] == ("FP32", [-1, -1, -1])
    assert {entry["name"] for entry in triton.get_model_metadata("reader")["inputs"]} == {"question", "context"}


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("got", [True, False])
def test_a_map_is_a_requested_output(triton: InferenceServerClient, url: str, sent: bool, got: bool) -> None:
    heads = [("cross", 1, 2), ("cross", -1, "mean"), ("decoder", 0, "max"), ("encoder", 0, "all")]
    wanted = [{"site": site, "layer": layer, "head": head} for site, layer, head in heads]
    expected = predicted(url, TEXT, attention=wanted)
    names = ["text", "score", "tokens", "ids", *(".".join(["attention", *map(str, head)]) for head in heads)]
    outputs = [output(name, binary=got) for name in names]
    result = triton.infer(
        MODEL, [tensor("inputs", TEXT, binary=sent)], outputs=outputs, parameters=LIMIT, request_id="7"
    )
    head = result.get_response()
    assert (head["model_name"], head["model_version"], head["id"]) == (MODEL, "1", "7")
    assert [entry["name"] for entry in head["outputs"]] == names
    assert all(("parameters" in entry) == got for entry in head["outputs"])
    assert texts(result, "text") == [expected["prediction"]["text"]]
    assert texts(result, "tokens") == expected["prediction"]["tokens"]
    assert result.as_numpy("ids").tolist() == expected["axes"]["target"]["ids"]
    assert result.as_numpy("score") == pytest.approx([expected["prediction"]["score"]], abs=1e-4)
    for name, entry in zip(names[4:], expected["attention"], strict=True):
        weights = result.as_numpy(name)
        assert weights.dtype == np.float32
        np.testing.assert_allclose(weights, entry["weights"], atol=1e-6, rtol=0)


def test_a_batch_has_an_element_each(triton: InferenceServerClient, url: str) -> None:
    expected = predicted(url, [TEXT, OTHER])["results"]
    for column in (False, True):
        result = triton.infer(
            MODEL, [tensor("inputs", TEXT, OTHER, column=column)], model_version="1", parameters=LIMIT
        )
        assert texts(result, "text") == [one["prediction"]["text"] for one in expected]
        scores = [one["prediction"]["score"] for one in expected]
        assert result.as_numpy("score").tolist() == pytest.approx(scores, abs=1e-4)
    wanted = [output("prediction"), output("axes", binary=False)]
    whole = triton.infer(MODEL, [tensor("inputs", TEXT, OTHER)], outputs=wanted, parameters=LIMIT)
    assert [json.loads(text)["text"] for text in texts(whole, "prediction")] == [
        o["prediction"]["text"] for o in expected
    ]
    assert [json.loads(text) for text in texts(whole, "axes")] == [one["axes"] for one in expected]


def test_a_target_is_scored(triton: InferenceServerClient, url: str) -> None:
    target = "Where is the station?"
    expected = predicted(url, TEXT, target=target)["prediction"]
    result = triton.infer(MODEL, [tensor("inputs", TEXT), tensor("target", target)])
    assert texts(result, "text") == [target]
    assert result.as_numpy("score") == pytest.approx([expected["score"]], abs=1e-4)


def test_parts_of_an_input_are_tensors_of_their_own(triton: InferenceServerClient, url: str) -> None:
    parts = {"question": "Where is the station?", "context": "The station is in Cologne."}
    expected = predicted(url, parts, "reader")["prediction"]
    result = triton.infer("reader", [tensor(name, value) for name, value in parts.items()])
    assert texts(result, "text") == [expected["answer"]]
    assert result.as_numpy("score") == pytest.approx([expected["score"]], abs=1e-5)


def test_a_compressed_request_is_read(triton: InferenceServerClient) -> None:
    plain, packed = (
        triton.infer(MODEL, [tensor("inputs", TEXT)], parameters=LIMIT, request_compression_algorithm=how)
        for how in (None, "gzip")
    )
    assert texts(plain, "text") == texts(packed, "text")


REFUSED: list[tuple[str, list[Any], dict[str, Any], int]] = [
    ("there is no model", [], {"model_name": "nobody"}, 404),
    ("there is no version", [], {"model_version": "2"}, 404),
    ("there is no output 'love'", [], {"outputs": [output("love")]}, 422),
    ("there is no layer 9", [], {"outputs": [output("attention.cross.9.0")]}, 422),
    ("there is no site", [], {"outputs": [output("attention.vision.0.0")]}, 404),
    ("an output of one input", [TEXT, OTHER], {"outputs": [output("attention.cross.0.0")]}, 422),
    ("input 1: the text is empty", [TEXT, " "], {}, 422),
    ("beam", [], {"parameters": {"beam": 4}}, 422),
    ("asked for twice", [], {"outputs": [output("text"), output("text")]}, 422),
    ("is not served", [], {"outputs": [InferRequestedOutput("text", class_count=3)]}, 422),
    ("sequence_id", [], {"sequence_id": 3}, 422),
]


@pytest.mark.parametrize(("said", "inputs", "more", "status"), REFUSED, ids=[case[0] for case in REFUSED])
def test_refusals_are_in_the_protocols_body(
    triton: InferenceServerClient, said: str, inputs: list[Any], more: dict[str, Any], status: int
) -> None:
    with pytest.raises(InferenceServerException) as refused:
        triton.infer(**{"model_name": MODEL, "inputs": [tensor("inputs", *(inputs or [TEXT]))], **more})
    assert refused.value.status() == str(status)
    assert said in refused.value.message()


@pytest.fixture(scope="module")
def local(settings: Callable[..., Settings], tiny: Path) -> Iterator[TestClient]:
    """A service in this process, which loads its model when it is asked for."""
    with TestClient(create_app(settings(models={"tiny": str(tiny)}, load="first-use"))) as client:
        yield client


def test_a_body_that_lies_is_refused_with_an_id(local: TestClient) -> None:
    answer = local.post("/v2/models/tiny/infer", content=b"{}", headers={HEADER: "900"})
    assert (answer.status_code, set(answer.json())) == (422, {"error"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert local.post("/v2/models/tiny/infer", content=b" " * (35 << 20)).status_code == 413
    assert local.get("/v2/nothing").json() == {
        "error": "there is nothing at this address; GET /docs lists what there is"
    }


def test_a_model_that_waits_to_be_loaded_is_ready(local: TestClient) -> None:
    assert local.get("/v2/models/tiny/ready").json() == {"name": "tiny", "ready": True}
    assert local.post("/v2/repository/index", json={"ready": True}).json()[0]["state"] == "READY"


def test_the_door_refuses_before_the_body_is_read(local: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heedmap.app.service.engine.Engine.full", True)
    full = local.post("/v2/models/tiny/infer", content=b"not read")
    assert (full.status_code, set(full.json())) == (503, {"error"})
    assert full.headers["retry-after"]
    assert local.post("/v2/repository/index").status_code == 200
