"""The measures as the service declares them."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.model.measures.registry import MEASURES


def test_all_measures_declare_themselves(client: TestClient) -> None:
    listed = client.get("/v1/measures").json()["measures"]
    assert listed == [each.describe() for each in MEASURES.values()]
    assert listed[0]["name"] == "weights"
    assert {"description", "cost", "example"} < set(listed[0])


def test_an_unknown_measure_of_a_map_names_those_that_there_are(client: TestClient, summary: dict[str, Any]) -> None:
    answer = client.get(f"/v1/traces/{summary['id']}/maps/cross/0/0?measure=magic")
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["path"] == "measure"
    assert "there are weights, value-norm" in error["detail"]


@pytest.mark.parametrize("accept", ["application/json", "*/*"])
def test_the_description_of_the_answer_holds(client: TestClient, accept: str) -> None:
    schema = client.get("/openapi.json").json()["components"]["schemas"]["MeasureAnswer"]
    for each in client.get("/v1/measures", headers={"Accept": accept}).json()["measures"]:
        assert set(schema["required"]) <= set(each) <= set(schema["properties"])


def test_a_trace_says_where_in_it_each_measure_is_defined(client: TestClient, summary: dict[str, Any]) -> None:
    listed = client.get("/v1/measures", params={"trace": summary["id"]}).json()["measures"]
    by_name = {each["name"]: each for each in listed}
    sites = [site["name"] for site in summary["sites"]]
    assert by_name["weights"]["sites"] == [{"site": site, "lacks": None, "objective": False} for site in sites]
    gradient = by_name["gradient"]
    assert gradient["objective"]
    assert [each["site"] for each in gradient["sites"]] == sites
    assert all("has no objective" in each["lacks"] and each["objective"] for each in gradient["sites"])
    rollout = {each["site"]: each["lacks"] for each in by_name["rollout"]["sites"]}
    assert rollout["encoder"] is None
    assert "other positions than its own" in rollout["cross"]
    assert "sites" not in by_name["entropy"]
    assert "sites" not in by_name["gim"]


def test_of_a_trace_that_is_not_there_nothing_is_said(client: TestClient) -> None:
    answer = client.get("/v1/measures", params={"trace": "0" * 32})
    assert answer.status_code == 404
    assert answer.json()["status"] == 404
