"""No answer holds what is no finite number: the operator refuses it, models fail at that input, kept traces say so."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.service.finite import is_finite
from heedmap.app.service.store import ANYONE
from heedmap.app.settings import Settings
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints

BIG = [[1e30, 1e30]]
PARAMETERS = {"max_new_tokens": 4}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"queries": BIG}, "queries"),  # scores of 1e60
        ({"queries": BIG, "keys": [[-1e30, -1e30]]}, "queries"),  # of -1e60: a row that sees a key has no sum
        ({"queries": [[1.0]], "keys": [[1.0], [2.0]], "scale": 1e300}, "scale"),
        ({"queries": [[1e30]], "score": "general", "matrix": [[1e30]]}, "matrix"),
        (
            {"queries": [[1e30]], "score": "additive", "query_matrix": [[1e30]], "vector": [1.0]},
            "query_matrix",
        ),
    ],
)
def test_an_overflow_is_refused_with_its_field(client: TestClient, body: dict[str, Any], field: str) -> None:
    answer = client.post("/v1/attention", json=body)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert (problem["type"], problem["errors"][0]["path"]) == ("urn:heedmap:problem:not-finite", field)
    assert "range of float32" in problem["detail"]


def test_a_row_that_sees_nothing_still_has_lse_null(client: TestClient) -> None:
    answer = client.post("/v1/attention", json={"queries": [[1.0], [2.0]], "mask": [[False, False], [True, False]]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["lse"][0] is None
    assert answer.json()["output"][0] == [0.0]


def test_what_is_finite() -> None:
    assert is_finite({"a": [1.0, None, "x", np.ones(2)], "b": 3})
    assert not any(map(is_finite, ([float("nan")], {"a": np.array([np.inf])}, (1.0, np.float32("inf")))))


@pytest.mark.parametrize("route", ["/v1/predict", "/v1/traces"])
def test_a_model_that_overflows_fails_at_that_input(settings: Callable[..., Settings], route: str) -> None:
    app = create_app(settings())
    with TestClient(app) as client:
        entry = app.state.services.models._entries["tiny"]
        network = entry.model.network
        with torch.no_grad():
            next(network.parameters()).fill_(float("nan"))
        body = {"inputs": "Wo ist der Bahnhof?", "target": "Where?", "parameters": PARAMETERS}
        answer = client.post(route, json=body)
        assert answer.status_code == 500, answer.text
        assert "finite" in answer.json()["detail"]
        assert len(app.state.services.store) == 0


@pytest.fixture(scope="module")
def positions(tmp_path_factory: pytest.TempPathFactory, settings: Callable[..., Settings]) -> Iterator[TestClient]:
    """A service with a BERT that has lost its tenth position: longer inputs overflow, and what is padded to them."""
    folder = checkpoints.bert(tmp_path_factory.mktemp("positions"), "masked")
    app = create_app(settings(models={"bert": str(folder)}))
    with TestClient(app) as client:
        model = app.state.services.models._entries["bert"].model.loaded.model
        with torch.no_grad():
            model.bert.embeddings.position_embeddings.weight[10] = float("nan")
        yield client


@pytest.mark.parametrize("attention", [[], [{"site": "encoder", "layer": 0, "head": 0}]], ids=["bare", "with maps"])
def test_what_overflows_leaves_its_neighbours_their_answers(positions: TestClient, attention: list[Any]) -> None:
    texts = ["a [MASK]", "the station where the train is late today and the [MASK] is there", "the [MASK] is late"]
    alone = [positions.post("/v1/predict", json={"inputs": text, "attention": attention}) for text in texts]
    assert [answer.status_code for answer in alone] == [200, 500, 200]
    together = positions.post("/v1/predict", json={"inputs": texts, "attention": attention})
    assert together.status_code == 200, together.text
    first, failed, last = together.json()["results"]
    assert first["prediction"][0] == pytest.approx(alone[0].json()["prediction"][0])
    assert last["prediction"][0] == pytest.approx(alone[2].json()["prediction"][0])
    assert failed["error"]["errors"] == [{"path": "inputs.1", "detail": alone[1].json()["detail"]}]


def with_value(trace: Trace, part: str, value: float) -> Trace:
    """A trace whose cross maps have this value first in one of their tensors."""

    def changed(layer: AttentionMap) -> AttentionMap:
        tensor = getattr(layer, part).contiguous().clone()
        tensor.view(-1)[0] = value
        return replace(layer, **{part: tensor})

    return replace(trace, layers=trace.layers | {"cross": [changed(layer) for layer in trace.layers["cross"]]})


MAP = "/maps/cross/0/0"
READS = [  # everything of a trace that is computed from its tensors
    "/heads",
    *(f"{MAP}?format={form}" for form in ("json", "npy", "csv", "png", "plotly", "html")),
    f"{MAP}?rows=0:1&cols=0:1",
    "/maps/cross/0/mean",
    "/maps/cross/0/all?format=npy",
    f"{MAP}?measure=value-norm",
    "/thumbnails/cross",
    "/thumbnails/cross?format=npy",
    "/tiles/cross/0/0/max/0/0/0",
    "/tiles/cross/0/0/mean/0?tiles=0:0",
]
NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("part", "value"),
    [(part, value) for part in ("q", "k", "lse") for value in (NAN, INFINITE, -INFINITE)]
    + [("v", NAN), ("v", INFINITE)],
)
def test_a_kept_trace_that_is_not_finite_says_so(client: TestClient, part: str, value: float) -> None:
    """Such as an earlier release may have kept: never null, never an unexplained failure, never a weight of 0."""
    app: Any = client.app
    store = app.state.services.store
    created = client.post("/v1/traces", json={"inputs": "Wo ist der Bahnhof?", "parameters": PARAMETERS}).json()["id"]
    identifier = "f" * 32
    store.put(ANYONE, identifier, "tiny", with_value(store.get(ANYONE, created).trace, part, value))
    try:
        for read in READS if part != "v" else [f"{MAP}?measure=value-norm"]:
            answer = client.get(f"/v1/traces/{identifier}{read}")
            assert answer.status_code == 422, (read, answer.text)
            problem = answer.json()
            assert problem["type"] == "urn:heedmap:problem:not-finite"
            assert problem["errors"][0]["path"] == "id"
            assert "?dtype=float32" in problem["detail"]
        for read in ("", "/file", "/maps/encoder/0/0"):  # the rest of it is as it was
            assert client.get(f"/v1/traces/{identifier}{read}").status_code == 200, read
    finally:
        store.delete(ANYONE, identifier)


@pytest.mark.parametrize("part", ["certificate", "prediction"])
def test_a_summary_that_is_not_finite_says_so(client: TestClient, part: str) -> None:
    app: Any = client.app
    store = app.state.services.store
    created = client.post("/v1/traces", json={"inputs": "Wo ist der Bahnhof?", "parameters": PARAMETERS}).json()["id"]
    trace, identifier = store.get(ANYONE, created).trace, "e" * 32
    field = {"certificate": "max_error", "prediction": "score"}[part]
    broken = replace(trace, **{part: replace(getattr(trace, part), **{field: NAN})})
    store.put(ANYONE, identifier, "tiny", broken)
    try:
        answer = client.get(f"/v1/traces/{identifier}")
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:heedmap:problem:not-finite")
        assert part in answer.json()["detail"]
        assert client.get(f"/v1/traces/{identifier}{MAP}").status_code == 200
    finally:
        store.delete(ANYONE, identifier)
