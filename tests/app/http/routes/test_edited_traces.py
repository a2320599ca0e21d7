"""Objectives and edits over HTTP: in the summary, the file and the id, and the field of each mistake."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from heedmap.model.trace.trace import Trace

BODY = {"inputs": "Wo ist der Bahnhof?", "target": "The station is there."}
SILENCE = {"kind": "silence", "site": "cross", "layer": 1, "head": 2}


def test_an_objective_adds_gradients_to_summary_and_file(client: TestClient, tmp_path: Path) -> None:
    plain = client.post("/v1/traces", json=BODY).json()
    response = client.post("/v1/traces", json={**BODY, "objective": {"tokens": [3]}})
    body = response.json()
    assert response.status_code == 201
    assert body["id"] != plain["id"]
    assert body["objective"]["tokens"] == [3]
    assert body["objective"]["value"] < 0
    assert "objective" not in plain
    assert client.get(response.headers["location"]).json() == body
    (tmp_path / "trace").write_bytes(client.get(f"/v1/traces/{body['id']}/file").content)
    layer = Trace.load(tmp_path / "trace").layers["cross"][0]
    assert layer.d_output is not None
    assert layer.d_output.shape == (4, layer.shape[0], 8)


def test_edits_change_trace_map_and_prediction(client: TestClient) -> None:
    plain = client.post("/v1/traces", json=BODY).json()
    body = client.post("/v1/traces", json={**BODY, "edits": [SILENCE]}).json()
    assert body["edits"] == [{**SILENCE, "how": "zero"}]
    assert body["id"] != plain["id"]
    assert body["certificate"]["warning"] is None
    response = client.get(f"/v1/traces/{body['id']}/maps/cross/1/2?format=npy")
    assert np.load(io.BytesIO(response.content)).max() == 0
    cut = {"kind": "cut", "site": "cross", "query": 1, "key": [0, 2]}
    asked = {**BODY, "edits": [cut], "attention": [{"site": "cross", "layer": 0, "head": 1}]}
    [answer] = [client.post("/v1/predict", json=asked).json()]
    weights = np.array(answer["attention"][0]["weights"])
    assert weights[1, :2].tolist() == [0, 0]
    assert weights.sum(axis=1) == pytest.approx(1)
    assert answer["prediction"]["score"] != pytest.approx(plain["prediction"]["score"], abs=1e-6)


def test_a_trace_is_patched_from_another(client: TestClient) -> None:
    donor = client.post("/v1/traces", json={**BODY, "edits": [{**SILENCE, "how": "uniform"}]}).json()
    patch = {"kind": "patch", "site": "cross", "layer": 1, "head": 2, "what": "weights", "trace": donor["id"]}
    body = client.post("/v1/traces", json={**BODY, "edits": [patch]}).json()
    assert body["prediction"]["score"] == pytest.approx(donor["prediction"]["score"], abs=1e-4)
    missing = client.post("/v1/traces", json={**BODY, "edits": [SILENCE, {**patch, "trace": "0" * 32}]})
    assert missing.status_code == 422
    assert missing.json()["errors"][0]["path"] == "edits.1.trace"
    refused = client.post("/v1/predict", json={**BODY, "edits": [patch]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == "edits.0"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"objective": {"tokens": [99]}}, "objective.tokens.0"),
        ({"objective": {"tokens": ["a"]}}, "objective.tokens.0"),
        ({"objective": {"label": "x"}}, "objective.label"),
        ({"objective": {}}, "objective"),
        ({"edits": [SILENCE, {**SILENCE, "head": 4}]}, "edits.1.head"),
        ({"edits": [{**SILENCE, "layer": "first"}]}, "edits.0.layer"),
        ({"edits": [{"kind": "mute"}]}, "edits.0.kind"),
        ({"edits": [{"kind": "cut", "site": "decoder", "key": 0}]}, "edits.0"),
        ({"edits": [{"kind": "cut", "site": "decoder", "query": 77, "key": 0}]}, "edits.0.query"),
        ({"edits": [{"kind": "replace", "token": 50, "by": 5}]}, "edits.0.token"),
    ],
)
def test_each_mistake_names_its_field(client: TestClient, fields: dict[str, Any], path: str) -> None:
    response = client.post("/v1/traces", json={**BODY, **fields})
    assert response.status_code == 422
    assert [error["path"] for error in response.json()["errors"]] == [path]


def test_a_prediction_has_no_objective(client: TestClient) -> None:
    response = client.post("/v1/predict", json={**BODY, "objective": {"tokens": [0]}})
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "objective"
