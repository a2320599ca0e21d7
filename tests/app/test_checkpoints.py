"""Checkpoints of other people's over HTTP: served where they are sound, refused with a reason where they are not."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings
from heedmap.model.errors import CheckpointError, CheckpointMismatch, UnsafeCheckpoint
from tests.model.hub import checkpoints

TEXT = "Where is the station?"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with a head for masked words."""
    return checkpoints.bert(tmp_path_factory.mktemp("sound") / "bert", "masked")


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def misshapen(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["bert.embeddings.LayerNorm.weight"] = torch.zeros(7)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def lacking(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["cls.predictions.transform.dense.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def asking(folder: Path) -> None:
    edit(folder, auto_map={"AutoModelForMaskedLM": "modeling_mine.Mine"})
    (folder / "modeling_mine.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")


# what is done to the folder, what is raised at the start, and what the message says
BAD: dict[str, tuple[Callable[[Path], None], type[CheckpointError], str]] = {
    "wrong shape": (misshapen, CheckpointMismatch, "has shape [7], expected [32]"),
    "missing weight": (lacking, CheckpointMismatch, "lacks 1 weights"),
    "unknown architecture": (lambda f: edit(f, model_type="bort"), CheckpointError, "no model type 'bort'"),
    "remote code": (asking, UnsafeCheckpoint, "modeling_mine.Mine), which is never run"),
    "pickles": (pickled, UnsafeCheckpoint, "heedmap convert {folder} --out {folder}-safetensors"),
    "no task": (lambda f: edit(f, architectures=["BertForNextSentencePrediction"]), CheckpointError, "?task="),
}


@pytest.fixture(params=list(BAD))
def bad(request: pytest.FixtureRequest, sound: Path, tmp_path: Path) -> tuple[Path, type[CheckpointError], str]:
    """A checkpoint that cannot be served, and what is said of it."""
    folder = Path(shutil.copytree(sound, tmp_path / "bert"))
    change, error, message = BAD[request.param]
    change(folder)
    return folder, error, message.replace("{folder}", str(folder))


def test_a_bad_checkpoint_stops_the_start(
    settings: Callable[..., Settings], bad: tuple[Path, type[CheckpointError], str]
) -> None:
    folder, error, message = bad
    with pytest.raises(error) as caught, TestClient(create_app(settings(models=f"bad={folder}"))):
        pass
    assert str(caught.value).startswith(f"the model bad cannot be served from {folder}: ")
    assert message in str(caught.value)
    assert not (folder / "ran").exists()


def test_a_bad_checkpoint_is_told_at_its_first_use(
    settings: Callable[..., Settings], sound: Path, bad: tuple[Path, type[CheckpointError], str]
) -> None:
    folder, _, message = bad
    message = message.replace(str(folder), folder.name)  # callers are shown no folder of the server
    models = {"good": str(sound), "bad": str(folder)}
    with TestClient(create_app(settings(models=models, load="first-use"))) as client:
        for route in ("/v1/predict", "/v1/traces"):
            refused = client.post(route, json={"inputs": TEXT, "model": "bad"})
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert message in refused.json()["detail"]
        assert message in client.get("/v1/models/bad").json()["error"]
        good = client.post("/v1/predict", json={"inputs": f"{TEXT} [MASK]", "model": "good"})
        assert good.status_code == 200, good.text
    assert not (folder / "ran").exists()


def test_a_hub_id_where_there_is_no_network(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with TestClient(create_app(settings(models="mt=org/name@v1", load="first-use"))) as client:
        refused = client.post("/v1/predict", json={"inputs": TEXT})
    assert refused.status_code == 503
    assert "org/name@v1 cannot be had" in refused.json()["detail"]
    assert "hf download org/name --revision v1" in refused.json()["detail"]


@pytest.fixture(scope="module")
def client(
    settings: Callable[..., Settings], sound: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """A service of two checkpoints, one of them under two tasks."""
    labels = checkpoints.bert(tmp_path_factory.mktemp("labels") / "bert", "sequence-classification")
    models = {"masked": str(sound), "vectors": f"{sound}?task=feature-extraction&dtype=bfloat16", "labels": str(labels)}
    with TestClient(create_app(settings(models=models))) as client:
        yield client


def test_models_say_what_they_are(client: TestClient) -> None:
    masked, vectors, labels = client.get("/v1/models").json()["models"]
    assert (masked["task"], vectors["task"], labels["task"]) == (
        "fill-mask",
        "feature-extraction",
        "text-classification",
    )
    assert (masked["dtype"], vectors["dtype"]) == ("float32", "bfloat16")
    assert masked["sites"] == [
        {"name": "encoder", "layers": 2, "heads": 4, "kv_heads": 4, "queries": "tokens", "keys": "tokens"}
    ]
    assert (masked["state"], masked["architecture"], masked["device"]) == ("loaded", "BertForMaskedLM", "cpu")
    assert masked["parameter_count"] * 4 <= masked["bytes"] <= masked["parameter_count"] * 4 + 4096
    assert all(client.post("/v1/predict", json={"model": row["name"], "inputs": row["examples"][0]}).status_code == 200
               for row in (masked, vectors, labels))  # fmt: skip


def test_a_prediction_with_its_maps(client: TestClient) -> None:
    body = {"model": "labels", "inputs": TEXT, "attention": [{"site": "encoder", "head": "mean"}]}
    answer = client.post("/v1/predict", json=body).json()
    assert {entry["label"] for entry in answer["prediction"]} == {"bad", "fair", "good"}
    [attention] = answer["attention"]
    length = len(answer["axes"]["tokens"]["labels"])
    assert attention["shape"] == [length, length]
    assert [sum(row) for row in attention["weights"]] == pytest.approx([1.0] * length, abs=1e-5)


def test_a_trace_has_its_tasks_prediction(client: TestClient) -> None:
    created = client.post("/v1/traces", json={"model": "masked", "inputs": "Where is the [MASK]?"})
    assert created.status_code == 201, created.text
    body = created.json()
    assert set(body["prediction"][0]) == {"score", "token", "token_str", "sequence"}
    assert client.get(f"/v1/traces/{body['id']}").json() == body
    assert client.get(f"/v1/traces/{body['id']}/maps/encoder/-1/all?format=npy").status_code == 200
    again = client.post("/v1/traces", json={"model": "vectors", "inputs": "Where is the [MASK]?"}).json()
    assert again["id"] != body["id"], "the same files, for another task"
    assert again["task"] == "feature-extraction"


def test_an_input_of_another_kind_is_refused_with_its_place(client: TestClient) -> None:
    refused = client.post("/v1/predict", json={"model": "labels", "inputs": {"question": "a", "context": "b"}})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "inputs")
    long = client.post("/v1/predict", json={"model": "labels", "inputs": "where is the station " * 40})
    assert (long.status_code, long.json()["errors"][0]["path"]) == (422, "inputs")
    assert "positions" in long.json()["detail"]
