"""The bare operator over HTTP: values worked by hand, every score and mask, and what does not fit together."""

import math
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

RANDOM = np.random.default_rng(0)


def ask(client: TestClient, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/attention", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def softmax(scores: Any) -> Any:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_ten_vectors_of_width_64(client: TestClient) -> None:
    vectors = RANDOM.normal(size=(10, 64))
    answer = ask(client, queries=vectors.tolist())
    weights = softmax(vectors @ vectors.T / 8)
    assert set(answer) == {"output", "weights", "lse", "shape", "kernel"}
    assert np.asarray(answer["weights"]) == pytest.approx(weights, abs=1e-5)
    assert np.asarray(answer["output"]) == pytest.approx(weights @ vectors, abs=1e-5)
    assert answer["shape"] == [10, 10]


def test_by_hand(client: TestClient) -> None:
    # scores of (1) with (0) and (ln 3) are 0 and ln 3, so the weights are 1/4 and 3/4
    answer = ask(client, queries=[[1]], keys=[[0], [math.log(3)]], values=[[4, 0], [0, 4]], score="dot")
    assert answer["weights"][0] == pytest.approx([0.25, 0.75])
    assert answer["output"][0] == pytest.approx([1, 3])
    assert answer["lse"] == pytest.approx([math.log(4)])


def test_the_short_names_are_read_too(client: TestClient) -> None:
    full = ask(client, queries=[[1, 2]], keys=[[3, 4], [1, 0]], values=[[5, 6], [7, 8]])
    assert ask(client, q=[[1, 2]], k=[[3, 4], [1, 0]], v=[[5, 6], [7, 8]]) == full


def test_general_and_additive_scores(client: TestClient) -> None:
    q, k, v = RANDOM.normal(size=(3, 4)), RANDOM.normal(size=(5, 6)), RANDOM.normal(size=(5, 2))
    arrays = {"queries": q.tolist(), "keys": k.tolist(), "values": v.tolist()}
    matrix = RANDOM.normal(size=(4, 6))
    general = ask(client, **arrays, score="general", matrix=matrix.tolist())
    assert np.asarray(general["weights"]) == pytest.approx(softmax(q @ matrix @ k.T), abs=1e-5)
    wq, wk, vector = RANDOM.normal(size=(8, 4)), RANDOM.normal(size=(8, 6)), RANDOM.normal(size=8)
    hidden = np.tanh((q @ wq.T)[:, None] + (k @ wk.T)[None])
    projections = {"query_matrix": wq.tolist(), "key_matrix": wk.tolist(), "vector": vector.tolist()}
    additive = ask(client, **arrays, score="additive", **projections)
    weights = softmax(hidden @ vector)
    assert np.asarray(additive["weights"]) == pytest.approx(weights, abs=1e-5)
    assert np.asarray(additive["output"]) == pytest.approx(weights @ v, abs=1e-5)


def test_grouped_heads_and_batches(client: TestClient) -> None:
    q, k, v = RANDOM.normal(size=(2, 3, 8)), RANDOM.normal(size=(2, 5, 4)), RANDOM.normal(size=(2, 5, 6))
    answer = ask(client, queries=q.tolist(), keys=k.tolist(), values=v.tolist(), heads=4, kv_heads=2)
    assert answer["shape"] == [2, 4, 3, 5]
    weights = np.stack(
        [
            [
                softmax(q[b][:, 2 * h : 2 * h + 2] @ k[b][:, 2 * (h // 2) : 2 * (h // 2) + 2].T / 2**0.5)
                for h in range(4)
            ]
            for b in range(2)
        ]
    )
    assert np.asarray(answer["weights"]) == pytest.approx(weights, abs=1e-5)
    outputs = np.stack(
        [np.concatenate([weights[b, h] @ v[b][:, 3 * (h // 2) :][:, :3] for h in range(4)], axis=-1) for b in range(2)]
    )
    assert np.asarray(answer["output"]) == pytest.approx(outputs, abs=1e-5)
    assert np.asarray(answer["lse"]).shape == (2, 4, 3)


@pytest.mark.parametrize(
    ("mask", "visible"),
    [
        ("none", [[1, 1, 1], [1, 1, 1], [1, 1, 1]]),
        ("causal", [[1, 0, 0], [1, 1, 0], [1, 1, 1]]),
        ({"kind": "causal"}, [[1, 0, 0], [1, 1, 0], [1, 1, 1]]),
        ({"kind": "sliding_window", "size": 2}, [[1, 1, 0], [1, 1, 1], [0, 1, 1]]),
        ({"kind": "padding", "length": 2}, [[1, 1, 0], [1, 1, 0], [1, 1, 0]]),
        ([[True, False, True], [False, True, False], [True, True, True]], [[1, 0, 1], [0, 1, 0], [1, 1, 1]]),
    ],
    ids=str,
)
def test_masks(client: TestClient, mask: Any, visible: list[list[int]]) -> None:
    answer = ask(client, queries=[[1, 0], [0, 1], [1, 1]], mask=mask)
    assert (np.asarray(answer["weights"]) > 0).astype(int).tolist() == visible
    assert np.asarray(answer["weights"]).sum(axis=-1) == pytest.approx(np.ones(3), abs=1e-6)


def test_a_row_that_sees_nothing_is_zero(client: TestClient) -> None:
    answer = ask(client, queries=[[1, 0], [0, 1]], mask=[[False, False], [True, True]])
    assert (answer["weights"][0], answer["output"][0], answer["lse"][0]) == ([0, 0], [0, 0], None)


def test_padding_by_sequence(client: TestClient) -> None:
    queries = [[[1.0], [2.0]], [[1.0], [2.0]]]
    answer = ask(client, queries=queries, mask={"kind": "padding", "length": [1, 2]})
    assert [row[0][1] > 0 for row in answer["weights"]] == [False, True]


def test_without_weights(client: TestClient) -> None:
    assert "weights" not in ask(client, queries=[[1, 2]], return_weights=False)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "queries"),
        ({"queries": []}, "queries"),
        ({"queries": [1, 2]}, "queries"),
        ({"queries": "x"}, "queries"),
        ({"queries": [["a"]]}, "queries"),
        ({"queries": [[True]]}, "queries"),
        ({"queries": [[None]]}, "queries"),
        ({"queries": [[1, 2], [3]]}, "queries.1"),
        ({"queries": [[[1], [2]], [[3], [4, 5]]]}, "queries.1.1"),
        ({"queries": [[1, [2]]]}, "queries.0.1"),
        ({"queries": [[1e39]]}, "queries.0.0"),
        ({"queries": [[1, 2]], "keys": [[1, 2, 3]]}, "keys"),
        ({"queries": [[1, 2]], "keys": [[[1, 2]]]}, "keys"),
        ({"queries": [[1, 2]], "values": [[1], [2]]}, "values"),
        ({"queries": [[1, 2, 3]], "heads": 2}, "queries"),
        ({"queries": [[1, 2]], "heads": 2, "kv_heads": 3}, "kv_heads"),
        ({"queries": [[1, 2]], "score": "general"}, "matrix"),
        ({"queries": [[1, 2]], "score": "general", "matrix": [[1]]}, "matrix"),
        ({"queries": [[1, 2]], "score": "additive"}, "vector"),
        ({"queries": [[1, 2]], "score": "additive", "vector": [1, 2, 3]}, "vector"),
        ({"queries": [[1, 2]], "vector": [1, 2]}, "vector"),
        ({"queries": [[1, 2]], "score": "dot", "scale": 2}, "scale"),
        ({"queries": [[1, 2]], "score": "cosine"}, "score"),
        ({"queries": [[1, 2]], "mask": "diagonal"}, "mask.kind"),
        ({"queries": [[1, 2]], "mask": {"kind": "sliding_window"}}, "mask.size"),
        ({"queries": [[1, 2]], "mask": {"kind": "padding", "length": 2}}, "mask.length"),
        ({"queries": [[1, 2]], "mask": [[True, False]]}, "mask"),
        ({"queries": [[1, 2]], "mask": [[2]]}, "mask"),
        ({"queries": [[1, 2]], "mask": 3}, "mask"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(client: TestClient, body: dict[str, Any], path: str) -> None:
    response = client.post("/v1/attention", json=body)
    assert response.status_code == 422, response.text
    assert [entry["path"] for entry in response.json()["errors"]] == [path]


def test_not_a_number_is_not_json(client: TestClient) -> None:
    response = client.post(
        "/v1/attention", content=b'{"queries": [[NaN]]}', headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, response.json()["errors"][0]["path"]) == (422, "body")


@pytest.mark.parametrize("extra", [{}, {"score": "additive", "vector": [1.0]}])
def test_what_is_too_large_is_refused_before_it_is_computed(client: TestClient, extra: dict[str, Any]) -> None:
    response = client.post("/v1/attention", json={"queries": [[0.5]] * 20_000, "return_weights": False, **extra})
    assert response.status_code == 413
    weights = client.post("/v1/attention", json={"queries": [[0.5]] * 2_000})
    assert weights.status_code == 413
    assert "return_weights" in weights.json()["detail"]
