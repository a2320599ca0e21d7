"""Running means and heaps against numpy over everything at once, and what they cost in memory."""

import tracemalloc

import numpy as np
import pytest

from heedmap.model.corpus.running import TOP, Most, Passage, Running

HEADS = 3


def test_a_weighted_mean_by_hand() -> None:
    """Two rows of 1 and six of 5: the mean is 4, the variance (2 * 9 + 6 * 1) / 8."""
    running = Running(1)
    running.add(np.array([1.0]), 2.0)
    running.add(np.array([5.0]), 6.0)
    assert running.means == [4.0]
    assert running.deviations == pytest.approx(3**0.5)
    assert np.isnan(Running(1).means).all()
    assert np.isnan(Running(1).deviations).all()


def test_means_and_deviations_are_those_of_all_rows_together() -> None:
    generator = np.random.default_rng(0)
    rows = generator.integers(1, 40, 200)
    values = generator.normal(1e6, 1.0, (200, HEADS))  # squares would cancel
    values[generator.random((200, HEADS)) < 0.2] = np.nan
    values[:, 2] = np.nan
    running = Running(HEADS)
    for row, weight in zip(values, rows, strict=True):
        running.add(row, float(weight))
    for head in range(2):
        every = np.repeat(values[:, head], rows)
        every = every[~np.isnan(every)]
        assert running.means[head] == pytest.approx(every.mean(), rel=1e-12)
        assert running.deviations[head] == pytest.approx(every.std(), rel=1e-7)
        assert running.weight[head] == every.size
    assert np.isnan(running.means[2])


def test_the_most_are_what_sorting_finds() -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(size=(300, HEADS)).round(1)  # some are equal
    values[generator.random(values.shape) < 0.3] = np.nan
    most = Most(HEADS)
    for number, row in enumerate(values):
        most.add(row, Passage(number, number))
    for head in range(HEADS):
        numbers = [number for number in range(300) if not np.isnan(values[number, head])]
        wanted = sorted(numbers, key=lambda number: (-values[number, head], number))[:TOP]
        assert [passage.number for passage, _ in most.of(head)] == wanted
        assert [value for _, value in most.of(head)] == [values[number, head] for number in wanted]
    few = Most(1)
    few.add(np.array([np.nan]), Passage(0, 0))
    few.add(np.array([2.0]), Passage(1, 1))
    assert [(passage.number, value) for passage, value in few.of(0)] == [(1, 2.0)]


def test_a_million_rows_take_no_more_memory_than_a_thousand() -> None:
    running, most = Running(HEADS), Most(HEADS)
    generator = np.random.default_rng(2)

    def take(inputs: int) -> int:
        tracemalloc.start()
        for number in range(inputs):
            values = generator.normal(size=HEADS)
            running.add(values, 50.0)
            most.add(values, Passage(number, number, f"text {number} " * 20))
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return held

    few, many = take(20), take(20_000)
    assert running.weight.tolist() == [20_020 * 50.0] * HEADS, "a million rows"
    assert many < few + 100_000, "what the heaps let go of is freed"
    assert len(list(most.passages())) == TOP * HEADS
