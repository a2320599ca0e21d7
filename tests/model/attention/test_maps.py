"""A map's windows, summaries and certificate against the dense softmax."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heedmap.model.attention import maps
from heedmap.model.attention.kernels import attend
from heedmap.model.attention.maps import AttentionMap, sampled_rows
from heedmap.model.attention.masks import Causal, Full, Mask, SlidingWindow
from heedmap.model.attention.operators import spread
from heedmap.model.attention.scores import Additive, ScaledDot, Score
from heedmap.model.errors import RangeError


def layer(
    heads: int = 4,
    groups: int = 2,
    queries: int = 9,
    keys: int = 9,
    mask: Mask | None = None,
    score: Score | None = None,
) -> tuple[AttentionMap, torch.Tensor, torch.Tensor]:
    """A random layer, its dense weights by softmax, and the output that the kernel gave."""
    torch.manual_seed(2)
    size = 8
    q, k, v = (torch.randn(1, n, length, size) for n, length in ((heads, queries), (groups, keys), (groups, keys)))
    score = score or ScaledDot.for_size(size)
    done = attend(q, k, v, mask, score=score)
    scores = score(q, spread(k, heads))
    if mask is not None:
        scores = scores.masked_fill(~mask.dense(queries, keys)[:, None], -math.inf)
    built = AttentionMap(q[0], k[0], v[0], done.lse[0], score, mask or Full())
    return built, scores.softmax(dim=-1)[0], done.output[0]


def test_by_hand() -> None:
    """Scores 0 and log 3 give weights 1/4 and 3/4."""
    built = AttentionMap(
        q=torch.tensor([[[1.0]]]),
        k=torch.tensor([[[0.0], [math.log(3)]]]),
        v=torch.zeros(1, 2, 1),
        lse=torch.tensor([[math.log(4)]]),
        score=ScaledDot(1.0),
        mask=Full(),
    )
    assert built.dense().flatten().tolist() == pytest.approx([0.25, 0.75])
    assert built.entropy().item() == pytest.approx(0.25 * math.log(4) + 0.75 * math.log(4 / 3))


@settings(max_examples=60, deadline=None)
@given(
    queries=st.integers(1, 17),
    keys=st.integers(1, 17),
    grouped=st.booleans(),
    kind=st.sampled_from(["full", "causal", "window", "additive"]),
    data=st.data(),
)
def test_any_window_is_the_dense_maps_corner(
    queries: int, keys: int, grouped: bool, kind: str, data: st.DataObject
) -> None:
    mask = {"causal": Causal(), "window": SlidingWindow(3) & Causal()}.get(kind)
    if kind == "window":
        keys = queries
    score = Additive(torch.linspace(-1, 1, 8)) if kind == "additive" else None
    built, dense, _ = layer(4, 2 if grouped else 4, queries, keys, mask, score)
    top = data.draw(st.integers(0, queries - 1))
    bottom = data.draw(st.integers(top + 1, queries))
    left = data.draw(st.integers(0, keys - 1))
    right = data.draw(st.integers(left + 1, keys))
    rows, cols = slice(top, bottom), slice(left, right)
    torch.testing.assert_close(built.window(rows, cols), dense[:, rows, cols], atol=1e-6, rtol=0)
    head = data.draw(st.integers(-4, 3))
    torch.testing.assert_close(built.head(head).window(rows, cols)[0], dense[head, rows, cols], atol=1e-6, rtol=0)
    expected = (mask or Full()).dense(queries, keys)[0, rows, cols]
    assert torch.equal(built.visible(rows, cols), expected)


def test_rows_sum_to_one_and_masked_cells_are_zero() -> None:
    built, _, _ = layer(mask=Causal())
    dense = built.dense()
    torch.testing.assert_close(dense.sum(dim=-1), torch.ones(4, 9), atol=1e-6, rtol=0)
    assert dense[:, 0, 1:].abs().max() == 0


def test_a_row_that_sees_nothing_is_zero() -> None:
    built, _, _ = layer(queries=6, keys=2, mask=SlidingWindow(2))
    assert built.dense()[:, 5].abs().max() == 0
    assert not built.dense().isnan().any()


def test_top_k_entropy_and_statistics_stream_like_the_dense_map(monkeypatch: pytest.MonkeyPatch) -> None:
    built, dense, _ = layer(queries=11, keys=13)
    monkeypatch.setattr(maps, "CELLS", 4 * 13 * 2)  # two rows a block
    values, indices = built.top_k(k=3)
    expected = dense.topk(3, dim=-1)
    torch.testing.assert_close(values, expected.values, atol=1e-6, rtol=0)
    assert torch.equal(indices, expected.indices)
    entropy = -(dense * dense.log()).sum(dim=-1)
    torch.testing.assert_close(built.entropy(), entropy, atol=1e-5, rtol=0)
    statistics = built.statistics()
    torch.testing.assert_close(statistics["entropy"], entropy.mean(dim=-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(statistics["sink"], dense[..., 0].mean(dim=-1), atol=1e-6, rtol=0)
    torch.testing.assert_close(statistics["max"], dense.amax(dim=-1).mean(dim=-1), atol=1e-6, rtol=0)
    gap = (torch.arange(11)[:, None] - torch.arange(13)[None]).abs()
    torch.testing.assert_close(statistics["distance"], (dense * gap).sum(dim=-1).mean(dim=-1), atol=1e-5, rtol=0)


def test_diagonal_is_one_for_a_head_that_looks_at_itself() -> None:
    eye = torch.eye(6)[None] * 30
    built = AttentionMap(eye, eye, eye, (eye @ eye.mT).logsumexp(dim=-1), ScaledDot(1.0), Full())
    assert built.statistics()["diagonal"].item() == pytest.approx(1)
    assert built.statistics()["distance"].item() == pytest.approx(0)


def test_the_certificate_is_small_for_the_models_own_output_and_large_for_another() -> None:
    built, _, output = layer(mask=Causal())
    assert built.output_error(output).max() < 1e-6
    wrong = output.clone()
    wrong[2, 4] += 0.5
    assert built.output_error(wrong).tolist() == pytest.approx([0, 0, 0.5, 0], abs=1e-5)


def test_sampled_rows_hold_both_ends() -> None:
    assert sampled_rows(3, 64) == [0, 1, 2]
    rows = sampled_rows(1000, 64)
    assert (rows[0], rows[-1], len(rows)) == (0, 999, 64)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda m: m.window(slice(0, 10)), "rows"),
        (lambda m: m.window(slice(3, 3)), "rows"),
        (lambda m: m.window(slice(0, 1), slice(-1, 2)), "cols"),
        (lambda m: m.window(slice(0, 4, 2)), "rows"),
        (lambda m: m.head(4), "head"),
        (lambda m: m.head(-5), "head"),
        (lambda m: m.top_k(k=0), "k"),
    ],
)
def test_what_is_outside_the_map_is_named(call: object, field: str) -> None:
    built, _, _ = layer()
    with pytest.raises(RangeError) as caught:
        call(built)  # type: ignore[operator]
    assert caught.value.field == field
