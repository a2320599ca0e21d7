"""The likeliest tokens over HTTP: places, candidates, going on with one of them, and what is refused."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.http.routes import likeliest
from heedmap.app.settings import Settings
from tests.model.hub import checkpoints

BODY = {"inputs": "Wo ist der Bahnhof?", "parameters": {"max_new_tokens": 6}}


def posted(client: TestClient, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/traces", json={**BODY, **body})
    assert response.status_code == 201, response.text
    trace: dict[str, Any] = response.json()
    return trace


@pytest.fixture(scope="module")
def trace(client: TestClient) -> dict[str, Any]:
    return posted(client)


def test_places_sum_up_to_the_score(client: TestClient, trace: dict[str, Any]) -> None:
    places = client.post(f"/v1/traces/{trace['id']}/likeliest", json={"count": 3}).json()["places"]
    assert [place["written"]["token"] for place in places] == trace["prediction"]["tokens"]
    total = sum(place["written"]["log_probability"] for place in places)
    assert total == pytest.approx(trace["prediction"]["score"], abs=1e-4)
    for place in places:
        assert len(place["tokens"]) == 3
        parts = [token["log_probability"] for token in place["tokens"]]
        assert parts == sorted(parts, reverse=True)
        assert all(
            token["probability"] == pytest.approx(math.exp(token["log_probability"])) for token in place["tokens"]
        )


def test_one_place_and_another_way_from_there(client: TestClient, trace: dict[str, Any]) -> None:
    response = client.post(f"/v1/traces/{trace['id']}/likeliest", json={"position": 1, "count": 5})
    assert response.status_code == 200, response.text
    place = response.json()
    assert place["position"] == 1
    assert place["written"]["rank"] == 1
    before = trace["axes"]["target"]["ids"][:1]
    other = place["tokens"][1]
    again = posted(client, parameters={**BODY["parameters"], "prefix": [*before, other["id"]]})
    assert again["axes"]["target"]["ids"][:2] == [*before, other["id"]]
    assert again["id"] != trace["id"]
    assert posted(client, parameters={**BODY["parameters"], "prefix": [*before, other["id"]]})["id"] == again["id"]
    mine = client.post(f"/v1/traces/{again['id']}/likeliest", json={"position": 1}).json()
    assert mine["written"]["log_probability"] == pytest.approx(other["log_probability"], abs=1e-4)
    assert mine["written"]["rank"] == 2


def test_a_given_answer_has_places_too(client: TestClient) -> None:
    trace = posted(client, target="The station is there.")
    places = client.post(f"/v1/traces/{trace['id']}/likeliest", json={}).json()["places"]
    total = sum(place["written"]["log_probability"] for place in places)
    assert total == pytest.approx(trace["prediction"]["score"], abs=1e-3)


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        ({"position": 99}, "position", "0 to"),
        ({"position": -1}, "position", "greater"),
        ({"count": 0}, "count", "greater"),
        ({"count": 101}, "count", "100"),
        ({"place": 1}, "place", ""),
    ],
)
def test_what_is_refused_names_its_field(
    client: TestClient, trace: dict[str, Any], body: Any, path: str, says: str
) -> None:
    response = client.post(f"/v1/traces/{trace['id']}/likeliest", json=body)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["path"] == path
    assert says in response.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("prefix", "path"),
    [([5, 10**6], "parameters.prefix.1"), ([5, "a"], "parameters.prefix.1"), ("", "parameters.prefix")],
)
def test_a_beginning_that_cannot_be_names_its_field(client: TestClient, prefix: Any, path: str) -> None:
    response = client.post("/v1/predict", json={**BODY, "parameters": {"prefix": prefix}})
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["path"] == path


def test_unknown_traces_and_long_outputs(
    client: TestClient, trace: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.post(f"/v1/traces/{'0' * 32}/likeliest", json={}).status_code == 404
    monkeypatch.setattr(likeliest, "MOST_PLACES", 2)
    assert client.post(f"/v1/traces/{trace['id']}/likeliest", json={}).status_code == 413


@pytest.fixture(scope="module")
def others(settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("others")
    models = {
        "causal": str(checkpoints.gpt2(folder / "causal")),
        "classes": str(checkpoints.bert(folder / "classes", "sequence-classification")),
    }
    with TestClient(create_app(settings(models=models))) as client:
        yield client


def test_hub_checkpoints_have_places_where_they_write(others: TestClient) -> None:
    trace = posted(others, model="causal")
    places = others.post(f"/v1/traces/{trace['id']}/likeliest", json={}).json()["places"]
    assert len(places) == 6
    classes = others.post("/v1/traces", json={"model": "classes", "inputs": "I have no time."}).json()
    response = others.post(f"/v1/traces/{classes['id']}/likeliest", json={})
    assert response.status_code == 422
    assert "no tokens" in response.json()["detail"]
