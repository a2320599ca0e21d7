"""What a block of maps costs on the wire in each representation: bytes, and milliseconds to make them.

python -m benchmarks.wire
"""

import json
import statistics
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Report, interleaved, ratio, verdict
from heedmap.app.render import wire
from heedmap.app.render.figures import figure

HEADS, SIDE = 12, 128
ROUNDS = 15
TARGET = 20.0
BASE = "json.dumps"


def block(heads: int, side: int) -> NDArray[np.float32]:
    """Softmax weights of random scores, as peaked as trained heads are."""
    scores = np.random.default_rng(0).normal(scale=3, size=(heads, side, side))
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    normed: NDArray[np.float32] = (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)
    return normed


def representations(weights: NDArray[np.float32]) -> dict[str, Callable[[], bytes]]:
    """Every way to send the block: the naive one first, then the service's own."""
    _, rows, columns = weights.shape
    labels = [f"▁t{i}" for i in range(max(rows, columns))]
    queries, keys = labels[:rows], labels[:columns]
    visible = np.ones((rows, columns), dtype=bool)

    def png() -> bytes:
        return wire.to_png(wire.side_by_side(wire.linear_codes(weights, visible)), cell=1)

    def plotly() -> bytes:
        return wire.to_json(figure(weights, visible, queries, keys, title="maps", axes=("target", "source")))

    return {
        BASE: lambda: json.dumps({"weights": weights.tolist()}).encode(),
        "json": lambda: wire.to_json({"weights": weights}),
        "npy": lambda: wire.to_npy(weights),
        "csv": lambda: wire.to_csv(weights, queries, keys),
        "png": png,
        "plotly": plotly,
    }


def measure(heads: int = HEADS, side: int = SIDE, rounds: int = ROUNDS) -> Report:
    """Bytes and milliseconds of each representation of a block of heads x side x side weights."""
    weights = block(heads, side)
    ways = representations(weights)
    sizes = {name: len(make()) for name, make in ways.items()}
    times = interleaved(ways, rounds)
    rows = [
        [
            name,
            f"{sizes[name]:,}",
            f"{statistics.median(times[name]) * 1e3:.2f}",
            f"{sizes[BASE] / sizes[name]:.1f}",
            f"{ratio(times, BASE, name):.1f}",
        ]
        for name in ways
    ]
    about = (
        f"{heads} x {side} x {side} float32 weights. `json.dumps` is the naive way, `tolist` and the standard library; "
        "the others are the service's own. *smaller* and *faster* are against it. PNG holds a byte a weight, the "
        f"others all of float32's digits. Medians of {rounds} interleaved rounds."
    )
    headers = ["representation", "bytes", "ms", "times smaller", "times faster"]
    targets = [verdict("npy against json.dumps, times faster", ratio(times, BASE, "npy"), TARGET, at_most=False)]
    return Report("Wire", about, headers, rows, targets)


def main() -> None:
    """Print the report."""
    print(measure().markdown())


if __name__ == "__main__":
    main()
