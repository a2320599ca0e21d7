"""Greedy, beam and sampled decoding against exhaustive search on small languages."""

import itertools
import math
from collections.abc import Sequence

import pytest
import torch

from heedmap.model.contract import Parameters
from heedmap.model.errors import Cancelled
from heedmap.model.generated import Generated
from heedmap.model.native.decoding import generate
from heedmap.model.native.tokenizer import END, PAD
from heedmap.model.sampling import Sampler

VOCABULARY = 6


class Bigram:
    """A decoder whose next token depends on the last one and on the sequence's own table."""

    def __init__(self, tables: torch.Tensor) -> None:
        self.tables = tables  # N V V, logits

    def decode(self, ids: torch.Tensor, state: "Rows") -> torch.Tensor:
        return self.tables[state.rows, ids[:, -1]][:, None].clone()


class Rows:
    def __init__(self, count: int) -> None:
        self.rows = torch.arange(count)

    def reorder(self, rows: torch.Tensor) -> None:
        self.rows = self.rows[rows]


def tables(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, VOCABULARY, VOCABULARY, generator=generator) * 2


def run(table: torch.Tensor, limit: int = 5, **parameters: object) -> list[Generated]:
    chosen = Parameters(**parameters)
    return generate(Bigram(table), Rows(len(table)), len(table), chosen, limit, torch.device("cpu"))


def log_probability(table: torch.Tensor, ids: Sequence[int]) -> float:
    logits = table.clone()
    logits[:, PAD] = -math.inf
    rows = logits.log_softmax(dim=-1)
    return sum(rows[last, token].item() for last, token in itertools.pairwise([END, *ids]))


def best(table: torch.Tensor, limit: int, penalty: float) -> list[int]:
    """The best output by trying all."""
    tokens = [t for t in range(VOCABULARY) if t not in (PAD, END)]
    outputs = [[*body, END] for length in range(limit) for body in itertools.product(tokens, repeat=length)]
    return max(outputs, key=lambda ids: log_probability(table, ids) / len(ids) ** penalty)


def test_greedy_takes_the_likeliest_token_and_stops_each_sequence_alone() -> None:
    table = tables(8)
    for row, output in enumerate(run(table, limit=7)):
        expected, last = [], END
        for _ in range(7):
            logits = table[row, last].clone()
            logits[PAD] = -math.inf
            last = int(logits.argmax())
            expected.append(last)
            if last == END:
                break
        assert output.ids == expected
        assert output.score == pytest.approx(log_probability(table[row], expected), abs=1e-4)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_output(penalty: float) -> None:
    table = tables(6, seed=3)
    table[:, :, END] += 1.5  # short outputs, so that the exhaustive search stays small
    for row, output in enumerate(run(table, limit=5, beam_size=16, length_penalty=penalty)):
        assert output.ids == best(table[row], 5, penalty)
        assert output.score == pytest.approx(log_probability(table[row], output.ids), abs=1e-4)


def test_neighbours_in_the_batch_change_nothing() -> None:
    table = tables(5, seed=4)
    for parameters in ({}, {"beam_size": 3}, {"do_sample": True, "seed": 9}):
        together = run(table, **parameters)
        alone = [run(table[row : row + 1], **parameters)[0] for row in range(5)]
        assert [o.ids for o in together] == [o.ids for o in alone]


def test_an_output_that_runs_out_of_length_has_no_end() -> None:
    table = tables(2)
    table[:, :, END] = -1e9
    for parameters in ({}, {"beam_size": 4}):
        assert [len(o.ids) for o in run(table, limit=4, **parameters)] == [4, 4]


def test_samples_follow_the_distribution() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05])).repeat(4000, 1)
    rows = list(range(4000))
    parameters = Parameters(do_sample=True)
    sampler = Sampler(parameters, 4000)
    sampler.generators = [torch.Generator().manual_seed(seed) for seed in rows]
    counts = torch.bincount(sampler(logits, rows), minlength=4) / 4000
    torch.testing.assert_close(counts, torch.tensor([0.5, 0.3, 0.15, 0.05]), atol=0.03, rtol=0)


@pytest.mark.parametrize(
    ("parameters", "allowed"),
    [({"top_k": 2}, {0, 1}), ({"top_p": 0.6}, {0, 1}), ({"top_p": 0.5}, {0}), ({"temperature": 0.01}, {0})],
)
def test_cut_distributions_draw_only_what_is_left(parameters: dict[str, float], allowed: set[int]) -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05])).repeat(500, 1)
    sampler = Sampler(Parameters(do_sample=True, **parameters), 500)
    sampler.generators = [torch.Generator().manual_seed(seed) for seed in range(500)]
    assert set(sampler(logits, list(range(500))).tolist()) == allowed


def test_a_cancelled_prediction_stops() -> None:
    calls = itertools.count()
    table = tables(1)
    table[:, :, END] = -1e9
    with pytest.raises(Cancelled):
        generate(Bigram(table), Rows(1), 1, Parameters(), 100, torch.device("cpu"), cancelled=lambda: next(calls) >= 3)
    assert next(calls) == 4
