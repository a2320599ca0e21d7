"""Maps compared with each other: by hand, and against the definition over whole matrices."""

import math

import pytest
import torch

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal, Full
from heedmap.model.attention.scores import ScaledDot
from heedmap.model.errors import RangeError
from heedmap.model.measures import comparison
from heedmap.model.measures.comparison import compared_rows, differences, divergences, jensen_shannon
from heedmap.model.measures.matching import Match


def layer(queries: int, keys: int, seed: int, heads: int = 3, causal: bool = False) -> AttentionMap:
    """Random maps."""
    draw = torch.Generator().manual_seed(seed)
    q, k = (2 * torch.randn(heads, length, 4, generator=draw) for length in (queries, keys))
    score = ScaledDot(0.5)
    scores = score(q, k)
    if causal:
        scores = scores.masked_fill(torch.ones(queries, keys).tril() == 0, -torch.inf)
    mask = Causal() if causal else Full()
    return AttentionMap(q, k, torch.zeros(heads, keys, 4), scores.logsumexp(-1), score, mask)


def same(length: int) -> Match:
    """An axis against itself."""
    return Match("ids", [(0, 0, length)], [], (length, length))


def test_divergences_by_hand() -> None:
    p = torch.tensor([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]])
    q = torch.tensor([[0.0, 1.0], [0.5, 0.5], [0.5, 0.5]])
    # The last: m = (3/4, 1/4); (log(4/3) + (log(2/3) + log 2) / 2) / 2
    expected = [math.log(2), 0.0, (math.log(4 / 3) + (math.log(2 / 3) + math.log(2)) / 2) / 2]
    torch.testing.assert_close(jensen_shannon(p, q), torch.tensor(expected))
    torch.testing.assert_close(jensen_shannon(q, p), torch.tensor(expected))


def test_divergences_over_matched_keys_and_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = layer(5, 6, 0), layer(4, 7, 1)
    queries = Match("ids", [(0, 0, 2), (3, 2, 1)], [], (5, 4))
    keys = Match("ids", [(0, 1, 3)], [(4, 5, 2)], (6, 7))
    rows = compared_rows(queries)
    assert rows == [(0, 0), (1, 1), (3, 2)]
    a = one.dense()[:, [0, 1, 3]][..., [0, 1, 2, 4, 5]]
    b = other.dense()[:, [0, 1, 2]][..., [1, 2, 3, 5, 6]]
    m = (a + b) / 2
    expected = ((a * (a / m).log()).sum(-1) + (b * (b / m).log()).sum(-1)) / 2
    expected += math.log(2) / 2 * (2 - a.sum(-1) - b.sum(-1))  # of keys that one alone has
    torch.testing.assert_close(torch.cat(list(divergences(one, other, rows, keys)), -1), expected, rtol=1e-4, atol=1e-6)
    monkeypatch.setattr(comparison, "CELLS", 1)
    parts = list(divergences(one, other, rows, keys))
    assert len(parts) == 3
    torch.testing.assert_close(torch.cat(parts, -1), expected, rtol=1e-4, atol=1e-6)


def test_a_map_is_no_distance_from_itself_masked_or_not() -> None:
    maps = layer(6, 6, 2, causal=True)
    assert torch.cat(list(divergences(maps, maps, compared_rows(same(6)), same(6))), -1).abs().max() < 1e-6


def test_long_maps_are_sampled() -> None:
    rows = compared_rows(same(10_000), 5)
    assert rows == [(0, 0), (2500, 2500), (5000, 5000), (7499, 7499), (9999, 9999)]


@pytest.mark.parametrize("cells", [1, 40, 1 << 22])
def test_differences_of_a_window_at_every_level(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "CELLS", cells)
    one, other = layer(7, 9, 3, heads=1), layer(8, 8, 4, heads=1)
    queries = Match("ids", [(0, 0, 3), (4, 5, 3)], [], (7, 8))
    keys = Match("ids", [(0, 0, 2), (3, 2, 6)], [], (9, 8))
    whole = torch.full((7, 9), torch.nan)
    a, b = one.dense()[0], other.dense()[0]
    for i, k in enumerate(queries.partners()):
        for j, n in enumerate(keys.partners()):
            if k >= 0 and n >= 0:
                whole[i, j] = b[k, n] - a[i, j]
    rows, cols = slice(1, 7), slice(0, 9)
    window = whole[rows, cols]
    torch.testing.assert_close(
        torch.cat(list(differences(one, other, queries, keys, rows, cols))), window, equal_nan=True, rtol=0, atol=1e-6
    )
    for level in (1, 2, 5):
        side = 1 << level
        for how in ("mean", "max"):
            made = torch.cat(list(differences(one, other, queries, keys, rows, cols, level, how)))  # type: ignore[arg-type]
            for i in range(made.shape[0]):
                for j in range(made.shape[1]):
                    block = window[i * side : (i + 1) * side, j * side : (j + 1) * side]
                    block = block[~block.isnan()]
                    if not len(block):
                        assert made[i, j].isnan()
                    elif how == "mean":
                        assert made[i, j] == pytest.approx(float(block.mean()), abs=1e-6)
                    else:
                        assert made[i, j] == pytest.approx(float(block[block.abs().argmax()]), abs=1e-6)


def test_masked_cells_have_no_difference() -> None:
    one, other = layer(4, 4, 5, heads=1, causal=True), layer(4, 4, 6, heads=1, causal=True)
    made = torch.cat(list(differences(one, other, same(4), same(4))))
    assert torch.equal(made.isnan(), torch.ones(4, 4).tril() == 0)


def test_windows_outside_are_refused() -> None:
    one = layer(4, 4, 5, heads=1)
    for options, field in (({"rows": slice(0, 5)}, "rows"), ({"cols": slice(3, 3)}, "cols"), ({"level": -1}, "level")):
        with pytest.raises(RangeError) as refused:
            list(differences(one, one, same(4), same(4), **options))  # type: ignore[arg-type]
        assert refused.value.field == field
