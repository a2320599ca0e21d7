"""The bare operator: its cost is known before anything is multiplied, and it stops within a strip."""

import time
from typing import Any

import numpy as np
import pytest

from heedmap.app.errors import TooLarge
from heedmap.app.requests.schemas import AttentionRequest
from heedmap.app.service import operator
from heedmap.app.service.operator import Computation, compute
from heedmap.app.service.operator_inputs import read
from heedmap.model.errors import Cancelled

RANDOM = np.random.default_rng(0)
MASKS: list[Any] = [
    "none",
    "causal",
    {"kind": "sliding_window", "size": 7},
    {"kind": "padding", "length": [60, 33]},
    (RANDOM.random((70, 60)) < 0.5).tolist(),
]


def asked(**body: Any) -> AttentionRequest:
    return AttentionRequest.model_validate(body)


def random(*shape: int) -> Any:
    return RANDOM.normal(size=shape).tolist()


@pytest.mark.parametrize("mask", MASKS, ids=str)
@pytest.mark.parametrize("additive", [False, True])
def test_strips_are_the_whole(monkeypatch: pytest.MonkeyPatch, mask: Any, additive: bool) -> None:
    body: dict[str, Any] = {"queries": random(2, 70, 8), "keys": random(2, 60, 4), "values": random(2, 60, 6)}
    body |= {"heads": 4, "kv_heads": 2, "mask": mask}
    if additive:
        body |= {"score": "additive", "query_matrix": random(8, 8), "key_matrix": random(4, 4), "vector": random(2)}
    problem = read(asked(**body))
    whole = compute(problem)
    monkeypatch.setattr(operator, "STRIP_CELLS", 4 * 60 * 9)  # 9 rows
    monkeypatch.setattr(operator, "STRIP", 1 << 8 if not additive else 1 << 20)
    computation = Computation(problem)
    assert sum(1 for _ in computation.turns()) >= 16
    strips = computation.answer()
    assert strips["shape"] == whole["shape"] == [2, 4, 70, 60]
    for name in ("output", "lse", "weights"):
        assert np.asarray(strips[name]) == pytest.approx(np.asarray(whole[name]), abs=1e-5), name


@pytest.mark.parametrize(
    ("body", "field"),
    [
        # 260 KB that make 50,000 x 15,000 numbers
        ({"queries": [[1.0]] * 50_000, "score": "general", "matrix": [[0.5] * 15_000]}, "matrix"),
        # 534 KB that take minutes: each of 4,000 x 4,000 pairs is a sum over 512 hidden values
        (
            {
                "queries": [[0.5]] * 4_000,
                "score": "additive",
                "query_matrix": [[1.0]] * 512,
                "key_matrix": [[1.0]] * 512,
                "vector": [1.0] * 512,
                "return_weights": False,
            },
            "queries",
        ),
        ({"queries": [[0.5]] * 20_000, "return_weights": False}, "queries"),
    ],
)
def test_what_is_too_much_is_refused_before_it_is_multiplied(body: dict[str, Any], field: str) -> None:
    request = asked(**body)
    started = time.process_time()
    with pytest.raises(TooLarge) as caught:
        read(request)
    assert caught.value.field == field
    assert time.process_time() - started < 0.5  # the 50,000 lists go to numpy, and that is all


def test_it_stops_within_a_strip() -> None:
    rows = random(2_000, 4)
    problem = read(asked(queries=rows, score="additive", vector=random(4), return_weights=False))
    assert not problem.short
    asks = []

    def stop() -> bool:
        asks.append(time.process_time())
        return len(asks) == 3

    with pytest.raises(Cancelled):
        compute(problem, stop)
    assert len(asks) == 3
    assert asks[2] - asks[1] < 0.5
