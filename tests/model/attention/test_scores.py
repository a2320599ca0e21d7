"""Score formulas on values worked by hand."""

import math

import pytest
import torch

from heedmap.model.attention import scores
from heedmap.model.attention.scores import Additive, ScaledDot, SoftCapped, Tempered
from heedmap.model.errors import TraceError

Q = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
K = torch.tensor([[3.0, 1.0], [2.0, 2.0], [0.0, 4.0]])


def test_dot_by_hand() -> None:
    assert scores.dot(Q, K).tolist() == [[5, 6, 8], [-1, -2, -4]]


def test_scaled_dot_divides_by_the_root_of_the_size() -> None:
    torch.testing.assert_close(scores.scaled_dot(Q, K), scores.dot(Q, K) / math.sqrt(2))
    torch.testing.assert_close(scores.scaled_dot(Q, K, scale=0.5), scores.dot(Q, K) / 2)


def test_general_by_hand() -> None:
    matrix = torch.tensor([[0.0, 1.0, 0.0], [2.0, 0.0, 1.0]])  # width 2 -> width 3
    keys = torch.tensor([[1.0, 1.0, 1.0]])
    # q W = [1*[0,1,0] + 2*[2,0,1]] = [4, 1, 2] and [-2, 0, -1]
    assert scores.general(Q, keys, matrix).tolist() == [[7], [-3]]


def test_additive_by_hand() -> None:
    query_matrix = torch.eye(2)
    key_matrix = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    vector = torch.tensor([2.0, -1.0])
    got = scores.additive(Q, K, query_matrix, key_matrix, vector)
    expected = 2 * math.tanh(1 + 3) - math.tanh(2 + 1)
    assert got.shape == (2, 3)
    assert got[0, 0].item() == pytest.approx(expected, abs=1e-6)
    assert got[1, 2].item() == pytest.approx(2 * math.tanh(0) - math.tanh(3), abs=1e-6)


@pytest.mark.parametrize("score", [ScaledDot(1.0), ScaledDot(0.25), Additive(torch.tensor([1.0, 2.0]))])
def test_a_description_builds_the_same_score(score: scores.Score) -> None:
    vector = score.vector if isinstance(score, Additive) else None
    again = scores.from_description(score.describe(), vector)
    torch.testing.assert_close(again(Q, K), score(Q, K))


def test_an_additive_description_without_its_vector_is_refused() -> None:
    with pytest.raises(TraceError, match="additive"):
        scores.from_description({"kind": "additive", "scale": 1.0})


def test_tempered_scores_are_times_a_number_for_each_head() -> None:
    q, k = torch.stack([Q, Q]), torch.stack([K, K])
    inner = SoftCapped(0.5, 4.0)
    score = Tempered(inner, (0.5, 2.0))
    right = inner(q, k) * torch.tensor([0.5, 2.0])[:, None, None]
    torch.testing.assert_close(score(q, k), right)
    torch.testing.assert_close(score.of_products(q @ k.mT), right)
    torch.testing.assert_close(score.of_heads([1])(q[1:], k[1:]), right[1:])
    torch.testing.assert_close(score.less(q, k, torch.ones(2, 2)), right - 1)
    assert scores.from_description(score.describe()) == score
    with pytest.raises(TraceError):
        scores.from_description({**score.describe(), "factors": [math.nan, 1.0]})
