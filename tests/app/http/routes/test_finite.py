"""No answer holds what is no finite number: the bare operator refuses it with the field, models fail at that input."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.service.finite import is_finite
from heedmap.app.settings import Settings

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
