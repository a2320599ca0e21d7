"""All heads over traces of several lengths, against numpy over the rows of all their maps together."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from heedmap.model.attention.kernels import plain
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal, Full
from heedmap.model.attention.scores import ScaledDot
from heedmap.model.contract import Axis, Prediction
from heedmap.model.corpus.heads import LEAST_KEYS, TEXT, Heads
from heedmap.model.corpus.running import TOP, Passage
from heedmap.model.trace.certificate import Certificate
from heedmap.model.trace.trace import Trace
from tests.small_trace import small_trace

H, D, LAYERS = 4, 6, 2
LENGTHS = (3, 9, 6, 17, 12, 5, 8)


def axis(ids: list[int]) -> Axis:
    return Axis("text", [str(id) for id in ids], ids, [(0, 0)] * len(ids), [False] * len(ids))


def layer(length: int, keys: int, mask: Any, seed: int) -> AttentionMap:
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(H, n, D, generator=generator) * 2 for n in (length, keys, keys))
    score = ScaledDot(D**-0.5)
    return AttentionMap(q, k, v, plain(q[None], k[None], v[None], mask, None, score)[1][0], score, mask, None)


def trace(number: int, length: int) -> Trace:
    """A decoder over tokens of which some stand twice, and cross-attention onto two more."""
    ids = [int(id) for id in np.random.default_rng(number).integers(0, 5, length)]
    axes = {"target": axis(ids), "prefix": axis(ids), "source": axis([*range(length + 2)])}
    layers = {
        "decoder": [layer(length, length, Causal(), 10 * number + each) for each in range(LAYERS)],
        "cross": [layer(length, length + 2, Full(), 10 * number + 5 + each) for each in range(LAYERS)],
    }
    return Trace(
        {"task": "translation", "revision": "m"},
        Prediction("b", ["b"], None, axes),
        {"decoder": ("prefix", "prefix"), "cross": ("target", "source")},
        Certificate(0.0, 1, "plain", "float32", {}, {}),
        layers,
    )


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    return [trace(number, length) for number, length in enumerate(LENGTHS)]


def gathered(traces: list[Trace]) -> Heads:
    heads = Heads()
    for number, each in enumerate(traces):
        heads.add(each, Passage(number, number, f"text {number}"))
    return heads


def by_rows(each: Trace, site: str, index: int) -> dict[str, np.ndarray]:
    """The measures of every row (H, Q) of a map, by loops: NaN where a row has nothing that counts."""
    weights = each.layers[site][index].dense().double().numpy()
    ids = each.axes[each.site_axes[site][1]].ids
    _, rows, keys = weights.shape
    square = site == "decoder"
    found = {name: np.full((H, rows), np.nan) for name in ("previous", "duplicate", "induction")}
    found["sink"] = weights[..., 0]
    found["max"] = weights.max(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found["entropy"] = -np.nan_to_num(weights * np.log(weights)).sum(axis=-1)
    found["distance"] = (weights * np.abs(np.arange(rows)[:, None] - np.arange(keys))).sum(axis=-1)
    for row in range(rows if square else 0):
        if row:
            found["previous"][:, row] = weights[:, row, row - 1]
        same = [key for key in range(row) if ids[key] == ids[row]]
        after = [key for key in range(1, row + 1) if key - 1 != row and ids[key - 1] == ids[row] and key != row]
        for name, cells in (("duplicate", same), ("induction", after)):
            if cells:
                found[name][:, row] = weights[:, row, cells].sum(axis=-1)
    return found


def test_statistics_are_those_of_all_rows_together(traces: list[Trace]) -> None:
    heads = gathered(traces)
    table = heads.table()
    assert [(row["site"], row["layer"], row["head"]) for row in table] == [
        (site, index, head) for site in ("decoder", "cross") for index in range(LAYERS) for head in range(H)
    ]
    for row in table:
        each = [by_rows(one, row["site"], row["layer"]) for one in traces]
        for name in each[0]:
            every = np.concatenate([rows[name][row["head"]] for rows in each])
            known = every[~np.isnan(every)]
            if not known.size:
                assert row[name] is None
                assert name not in row["deviation"]
                continue
            assert row[name] == pytest.approx(known.mean(), abs=2e-6)
            means = [rows[name][row["head"]] for rows in each]
            weights = [np.count_nonzero(~np.isnan(values)) for values in means]
            means = [np.nanmean(values) for values, count in zip(means, weights, strict=True) if count]
            spread = np.cov(means, fweights=[count for count in weights if count], ddof=0) ** 0.5
            assert row["deviation"][name] == pytest.approx(spread, abs=2e-6)
    assert heads.tokens == sum(2 * length + 2 for length in LENGTHS), "the prefix is the target again"
    assert heads.sites()[0] == {"name": "decoder", "rows": sum(LENGTHS), "least": pytest.approx(0.455, abs=0.03)}


def test_the_top_passages_are_those_with_most(traces: list[Trace]) -> None:
    heads = gathered(traces)
    long = [number for number, length in enumerate(LENGTHS) if length >= LEAST_KEYS]
    for row in heads.table():
        if row["site"] != "decoder":
            continue
        values = {
            number: by_rows(traces[number], "decoder", row["layer"])["sink"][row["head"]].mean() for number in long
        }
        wanted = sorted(values, key=lambda number: -values[number])[:TOP]
        assert [number for number, _ in row["top"]["sink"]] == wanted
        assert [value for _, value in row["top"]["sink"]] == pytest.approx([values[n] for n in wanted], abs=1e-5)
    assert {passage.text for passage in heads.passages()} <= {f"text {number}" for number in range(len(LENGTHS))}
    assert [passage.number for passage in heads.passages()] == sorted(passage.number for passage in heads.passages())


def test_texts_are_kept_as_far_as_they_are_shown() -> None:
    heads = Heads()
    heads.add(small_trace("a", "b"), Passage(0, 0, "word " * 1000))
    [passage] = heads.passages()
    assert len(passage.text) <= TEXT
    assert passage.text.endswith("word\u2026")
    assert passage.tokens == 5 + 7


def test_the_head_that_was_taught_to_align_does(traces: list[Trace]) -> None:
    def aligners(alignment: str) -> list[tuple[int, int]]:
        named = [replace(one, model={**one.model, "alignment": alignment}) for one in traces]
        return [(row["layer"], row["head"]) for row in gathered(named).table() if "aligns" in row["kinds"]]

    [best] = aligners("")
    scores = {
        (row["layer"], row["head"]): row["alignment"] for row in gathered(traces).table() if row["site"] == "cross"
    }
    assert best == max(scores, key=lambda place: scores[place])
    assert aligners("1.2.output") == [(1, 2)]
    [second] = aligners(f"{best[0]}.{best[1]}.input")
    assert second == sorted(scores, key=lambda place: -scores[place])[1], (
        "read in the row after, it shows words less well"
    )
