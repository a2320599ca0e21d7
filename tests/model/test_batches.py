"""Batches by length: cheapest by trying all, within their budget, and each sequence in one of them."""

import itertools
import random
from pathlib import Path

import pytest

from heedmap.model.batches import PADDED_TOKENS, decoding_batches, forward_batches, length_batches

SENTENCES = Path(__file__).resolve().parents[1] / "data" / "de-en" / "test.jsonl"


def cost(batches: list[list[int]], lengths: list[int], overhead: int) -> int:
    return sum(len(batch) * max(lengths[index] for index in batch) + overhead for batch in batches)


def test_short_ones_are_not_padded_to_a_long_one() -> None:
    lengths = [5, 60, 4, 5, 61]
    assert length_batches(lengths, 8192, 10) == [[2, 0, 3], [1, 4]]
    assert length_batches(lengths, 8192, 1000) == [[2, 0, 3, 1, 4]]


@pytest.mark.parametrize("seed", range(20))
def test_the_cut_is_the_cheapest_of_all(seed: int) -> None:
    draw = random.Random(seed)
    lengths = [draw.randrange(1, 40) for _ in range(8)]
    budget, overhead = 80, draw.randrange(0, 60)
    order = sorted(range(8), key=lambda index: lengths[index])
    ways = []
    for cuts in itertools.product([False, True], repeat=7):
        edges = [0, *(at + 1 for at, here in enumerate(cuts) if here), 8]
        batches = [order[start:stop] for start, stop in itertools.pairwise(edges)]
        if all(len(batch) * lengths[batch[-1]] <= budget or len(batch) == 1 for batch in batches):
            ways.append(cost(batches, lengths, overhead))
    found = length_batches(lengths, budget, overhead)
    assert sorted(index for batch in found for index in batch) == list(range(8))
    assert cost(found, lengths, overhead) == min(ways)


def test_without_a_price_batches_are_as_few_as_fit() -> None:
    assert length_batches([10] * 10, budget=40) == [[0, 1], [2, 3, 4, 5], [6, 7, 8, 9]]
    assert length_batches([3, 500, 2], budget=100) == [[2, 0], [1]], "what is over the budget goes alone"
    assert length_batches([], 10) == []


def test_sentences_of_a_test_set_are_mostly_tokens() -> None:
    lengths = [len(line) // 8 for line in SENTENCES.read_text(encoding="utf-8").splitlines()[:320]]

    def padding(batches: list[list[int]]) -> float:
        return 1 - sum(lengths) / cost(batches, lengths, 0)

    arriving = [list(range(start, start + 32)) for start in range(0, 320, 32)]
    cut = [
        [batch[i] for i in part] for batch in arriving for part in forward_batches([lengths[i] for i in batch], "cpu")
    ]
    assert padding(arriving) > 0.35
    assert padding(cut) < 0.2


def test_a_decoders_batch_is_cut_by_its_budget_alone() -> None:
    assert len(decoding_batches([5] * 40 + [100] * 20, "cpu")) == 1
    assert len(decoding_batches([500] * 40, "cpu")) == -(-40 // (PADDED_TOKENS["cpu"] // 500))
