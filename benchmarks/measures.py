"""A window of every measure of cells at a long length beside that of the weights, and a rollout's memory.

python -m benchmarks.measures
"""

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch

from benchmarks.length import Writer, exponent, head, tokens
from benchmarks.measure import Report, growth, in_fresh_process, interleaved, ratio, verdict
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.measures.registry import CELLS, TRACES
from heedmap.model.native.language_model import LanguageModelConfig

LENGTH, WINDOW = 32_768, 256
ROUNDS = 40  # a window takes less than a millisecond
SHAPE = LanguageModelConfig(language="en", vocabulary=260)  # the shape of the shipped `shakespeare`
LENGTHS = (2048, 4096, 8192)  # through which the exponent of a rollout's memory is fitted
ROWS = 8  # of it that are asked for
TIMES, EXPONENT = 2.0, 1.1  # the targets


def layer_of(length: int) -> AttentionMap:
    """A causal head with all that any measure takes, of random numbers: a window's cost does not depend on them."""
    layer = head(length)
    heads, queries, _ = layer.q.shape
    generator = torch.Generator().manual_seed(1)

    def make(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator) + 0.5

    return replace(
        layer,
        d_output=make(heads, queries, layer.v.shape[2]),
        delta=make(heads, queries),
        output_norm=make(heads, queries),
        normalised_norm=make(heads, queries),
        deviation=make(queries),
    )


def windows(layer: AttentionMap) -> dict[str, Callable[[], object]]:
    """The same window, off the diagonal, by each measure."""
    start = layer.shape[0] // 2
    rows, cols = slice(start, start + WINDOW), slice(start - WINDOW, start)
    for name, measure in CELLS.items():
        if lacks := measure.defined(layer):
            raise ValueError(f"{name} is not measured here: {lacks}")
    return {name: partial(measure.window, layer, rows, cols) for name, measure in CELLS.items()}


def rollout(length: int, config: LanguageModelConfig = SHAPE) -> None:
    """A trace of this length, and a rollout of its last rows."""
    trace = Writer(config).trace(tokens(length))
    rows = range(length - min(ROWS, length), length)
    assert [part for part in TRACES["rollout"].rows(trace, "decoder", rows) if part is not None]


def measure(length: int = LENGTH, lengths: Sequence[int] = LENGTHS, rounds: int = ROUNDS) -> Report:
    """Every measure's window, and what a rollout adds to the memory of its trace."""
    times = interleaved(windows(layer_of(length)), rounds)
    costs = {name: ratio(times, name, "weights") for name in times}
    rows = [
        [f"{name}, window", f"{statistics.median(times[name]) * 1e3:.2f} ms", f"{costs[name]:.2f}"] for name in times
    ]
    peaks = {n: in_fresh_process("benchmarks.measures", "--memory", str(n)) for n in lengths}
    rows += [[f"a trace and a rollout of {ROWS} rows, {n:,} tokens", f"{peaks[n] / 1e6:,.0f} MB", ""] for n in lengths]
    targets = [
        verdict("a measure's window over the weights', the worst", max(costs.values()), TIMES, at_most=True),
    ]
    if len(peaks) > 1 and min(peaks.values()) > 0:
        slope = exponent(list(peaks), list(peaks.values()))
        targets.append(verdict("rollout: the exponent of memory over length", slope, EXPONENT, at_most=True))
    about = (
        f"Windows of {WINDOW} x {WINDOW} cells of a causal head of {length:,} tokens, {rounds} interleaved rounds, "
        "medians; the ratio is to the weights' own window in the same round. The rollout is of a trace of the shape of "
        f"`shakespeare` ({SHAPE.layers} layers, {SHAPE.heads} heads): what both add to the peak of a process of their "
        f"own. {torch.get_num_threads()} threads."
    )
    return Report("Measures", about, ["what", "", "over weights"], rows, targets)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report, or with --memory LENGTH the bytes that a trace and its rollout add."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=int, metavar="LENGTH")
    options = parser.parse_args(arguments)
    if options.memory:
        rollout(8)  # what is imported and allocated once
        print(json.dumps(growth(lambda: rollout(options.memory))))
    else:
        print(measure().markdown())


if __name__ == "__main__":
    main()
