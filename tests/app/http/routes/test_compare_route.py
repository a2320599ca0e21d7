"""Two traces compared over HTTP: against windows of the maps themselves, and refused where nothing matches."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from tests.app.conftest import PARAMETERS, TEXT

OTHER = "Wo ist heute der Bahnhof?"
TARGET = "Where is the station?"


def traced(client: TestClient, text: str, target: str | None = TARGET) -> dict[str, Any]:
    """A trace."""
    body = {"inputs": text, "target": target, "parameters": PARAMETERS}
    summary: dict[str, Any] = client.post("/v1/traces", json={k: v for k, v in body.items() if v is not None}).json()
    return summary


def weights(client: TestClient, trace: str, layer: int, head: int) -> NDArray[np.float64]:
    """A map of the cross site."""
    return np.array(client.get(f"/v1/traces/{trace}/maps/cross/{layer}/{head}").json()["weights"])


def compared(client: TestClient, one: str, other: str, /, **body: Any) -> dict[str, Any]:
    """A comparison of the cross site."""
    response = client.post("/v1/compare", json={"traces": [one, other], "site": "cross", **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.fixture(scope="module")
def pair(client: TestClient) -> tuple[dict[str, Any], dict[str, Any]]:
    return traced(client, TEXT), traced(client, OTHER)


def test_a_word_more_is_named_and_the_rest_compared(
    client: TestClient, pair: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    one, other = pair
    answer = compared(client, one["id"], other["id"], layer=1, head=2)
    source = [trace["axes"]["source"]["labels"] for trace in pair]
    assert answer["keys"]["by"] == "ids"
    assert answer["queries"]["equal"] == [[0, 0, len(one["axes"]["target"]["labels"])]]
    partners = {
        start + k: begin + k
        for start, begin, length in answer["keys"]["equal"] + answer["keys"]["substituted"]
        for k in range(length)
    }
    assert all(source[0][a] == source[1][b] for a, b, _ in answer["keys"]["equal"])
    extra = [at for start, stop in answer["keys"]["unmatched"][1] for at in range(start, stop)]
    assert len(partners) + len(extra) == len(source[1])
    a, b = (weights(client, trace["id"], 1, 2) for trace in pair)
    values = np.array(answer["difference"]["values"], dtype=np.float64)
    for column in range(a.shape[1]):
        if column in partners:
            np.testing.assert_allclose(values[:, column], b[:, partners[column]] - a[:, column], atol=1e-6)
        else:
            assert np.isnan(values[:, column]).all()
    columns = sorted(partners)
    p, q = a[:, columns], b[:, [partners[c] for c in columns]]
    mixed = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = sum(np.where(x > 0, x * np.log(x / mixed), 0).sum(1) / 2 for x in (p, q))
    rows += np.log(2) / 2 * (2 - p.sum(1) - q.sum(1))  # of keys that one alone has
    [head] = answer["heads"]
    assert head["divergence"] == pytest.approx(float(np.mean(rows)), rel=1e-3)
    order = np.argsort(-np.asarray(rows))[:3]
    assert [row["row"] for row in head["rows"]] == order.tolist()
    assert head["rows"][0]["label"] == one["axes"]["target"]["labels"][order[0]]
    assert answer["rows_compared"] == len(a)


def test_all_heads_are_ranked_and_nothing_differs_from_itself(
    client: TestClient, pair: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    one, other = pair
    site = next(site for site in one["sites"] if site["name"] == "cross")
    answer = compared(client, one["id"], other["id"])
    places = {(head["layer"], head["head"]) for head in answer["heads"]}
    assert places == {(layer, head) for layer in range(site["layers"]) for head in range(site["heads"])}
    assert "difference" not in answer
    order = [head["divergence"] for head in answer["heads"]]
    assert order == sorted(order, reverse=True)
    assert 0 < order[0] <= np.log(2)
    assert max(head["divergence"] for head in compared(client, one["id"], one["id"])["heads"]) < 1e-6


def test_heads_of_one_trace(client: TestClient, pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    one, _ = pair
    answer = compared(client, one["id"], one["id"], layer=0, head=1, other={"layer": -1, "head": 0}, rows=[1, 3])
    a, b = weights(client, one["id"], 0, 1), weights(client, one["id"], -1, 0)
    np.testing.assert_allclose(answer["difference"]["values"], (b - a)[1:3], atol=1e-6)
    assert (answer["difference"]["rows"], answer["heads"][0]["other"]["head"]) == ([1, 3], 0)
    coarse = compared(
        client, one["id"], one["id"], layer=0, head=1, other={"layer": -1, "head": 0}, level=6, how="max"
    )["difference"]["values"]
    assert np.shape(coarse) == (1, 1)
    assert coarse[0][0] == pytest.approx(float((b - a).flat[np.abs(b - a).argmax()]), abs=1e-6)


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({"site": "nowhere"}, 404, "site"),
        ({"layer": 9}, 422, "layer"),
        ({"head": -9}, 422, "head"),
        ({"layer": 0, "head": 0, "other": {"head": 9}}, 422, "other.head"),
        ({"other": {"layer": 0}}, 422, "layer"),
        ({"layer": 0, "head": 0, "rows": [0, 99]}, 422, "rows"),
        ({"layer": 0, "head": 0, "rows": [2]}, 422, "rows"),
        ({"level": -1}, 422, "level"),
        ({"traces": ["none", "none"]}, 404, "traces.0"),
        ({"traces": ["none"]}, 422, "traces"),
        ({"how": "min"}, 422, "how"),
    ],
)
def test_what_there_is_not_is_refused(
    client: TestClient, pair: tuple[dict[str, Any], dict[str, Any]], body: Any, status: int, path: str
) -> None:
    ids = [trace["id"] for trace in pair]
    response = client.post("/v1/compare", json={"traces": ids, "site": "cross", **body})
    assert response.status_code == status, response.text
    assert response.json()["errors"][0]["path"] == path


def test_axes_without_a_common_token_are_refused(client: TestClient) -> None:
    ids = [traced(client, text)["id"] for text in ("gut", "Bahnhof")]
    response = client.post("/v1/compare", json={"traces": ids, "site": "cross"})
    assert response.status_code == 422, response.text
    assert "no token in common" in response.json()["detail"]
