"""All heads of a model over a corpus: traces go in one at a time and are not kept; a table comes out."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from heedmap.model.corpus.kinds import even_weight, kinds_of, least_weight
from heedmap.model.corpus.running import Most, Passage, Running, Values
from heedmap.model.measures.alignment import CROSS
from heedmap.model.measures.of_heads import ALIGNMENT, alignment_of, of_heads
from heedmap.model.taught_head import TaughtHead
from heedmap.model.trace.trace import Trace

ROWS = 256  # of each map, spread evenly: means over a corpus need no more of one input
LEAST_KEYS = 4  # of a passage among a head's top ones: of fewer each has much weight, whatever the head does
TEXT = 300  # characters that are kept of a passage: what a line or two can show
PREFIX = "prefix"  # an axis whose tokens are the output's, one place later

Place = tuple[str, int]


@dataclass(eq=False)
class _Layer:
    """What is kept of one layer: by measure."""

    heads: int
    running: dict[str, Running] = field(default_factory=dict)
    most: dict[str, Most] = field(default_factory=dict)

    def add(self, name: str, values: Values, rows: float, passage: Passage, keys: int) -> None:
        if name not in self.running:
            self.running[name], self.most[name] = Running(self.heads), Most(self.heads)
        self.running[name].add(values, rows)
        if keys >= LEAST_KEYS:
            self.most[name].add(values, passage)


class Heads:
    """The statistics of every head over all traces that it was given.

    Memory: some arrays and heaps of `running.TOP` a head and measure, and the beginnings of the texts in these heaps.
    """

    def __init__(self, rows: int = ROWS) -> None:
        self.rows = rows
        self.sequences = self.tokens = 0
        self._layers: dict[Place, _Layer] = {}
        self._even: dict[str, Running] = {}
        self._taught: TaughtHead | None = None

    def add(self, trace: Trace, passage: Passage) -> None:
        """One trace, and what it is of."""
        tokens = sum(len(axis) for name, axis in trace.axes.items() if name != PREFIX)
        kept = replace(passage, text=shortened(passage.text), tokens=tokens)
        measured = list(self._measured(trace))  # all of it before anything is added, so that a failure leaves none
        for (site, layer), name, values, rows, keys in measured:
            here = self._layers.setdefault((site, layer), _Layer(len(values)))
            here.add(name, values, rows, kept, keys)
        for site, layers in trace.layers.items():
            self._even.setdefault(site, Running(1)).add(np.array([even_weight(layers[0])]), float(layers[0].shape[0]))
        if CROSS in trace.layers:
            layers = trace.layers[CROSS]
            self._taught = TaughtHead.of(trace.model, len(layers), layers[0].heads)
        self.sequences += 1
        self.tokens += tokens

    def _measured(self, trace: Trace) -> Iterator[tuple[Place, str, Values, float, int]]:
        for site, layers in trace.layers.items():
            for layer, layer_map in enumerate(layers):
                rows, keys = layer_map.shape
                for name, each in of_heads(trace, site, layer, self.rows).items():
                    yield (site, layer), name, each.values.double().numpy(), each.rows, keys
                if site == CROSS and (scores := alignment_of(trace, layer)) is not None:
                    yield (site, layer), ALIGNMENT, scores, float(rows), keys

    @property
    def aligner(self) -> tuple[int, int] | None:
        """The cross head that reads best as a word alignment, by its layer and number.

        It is the one that was taught to, where a token's row is that which writes it, as `best_heads` has it.
        """
        taught = self._taught
        if taught is not None and taught.reading == "output":
            return taught.layer, taught.head
        scores = [
            (score, -layer, -head)
            for (site, layer), kept in self._layers.items()
            if site == CROSS and ALIGNMENT in kept.running
            for head, score in enumerate(kept.running[ALIGNMENT].means)
            if taught is None or (layer, head) != (taught.layer, taught.head)
        ]
        if not scores:
            return None
        _, layer, head = max(scores)
        return -layer, -head

    def passages(self) -> list[Passage]:
        """Those that are among some head's top ones, in their order."""
        kept = {
            passage.number: passage
            for layer in self._layers.values()
            for most in layer.most.values()
            for passage in most.passages()
        }
        return [kept[number] for number in sorted(kept)]

    def metrics(self) -> list[str]:
        """The measures that some head has, in their order."""
        names = dict.fromkeys(name for layer in self._layers.values() for name in layer.running)
        return [
            name
            for name in names
            if any(
                (running := layer.running.get(name)) is not None and running.weight.any()
                for layer in self._layers.values()
            )
        ]

    def table(self) -> list[dict[str, Any]]:
        """A row a head: site, layer, head, the mean of each measure, and `deviation`, `kinds` and `top` of it.

        A mean is over the rows of all inputs, None where no input has what the measure takes; `deviation` is between
        inputs. `top`: by measure, the numbers of the passages with most of it, and how much.
        """
        metrics, aligner = self.metrics(), self.aligner
        rows = []
        for (site, layer), kept in self._layers.items():
            means = {name: _numbers(running.means) for name, running in kept.running.items()}
            spread = {name: _numbers(running.deviations) for name, running in kept.running.items()}
            even = float(self._even[site].mean[0])
            for head in range(kept.heads):
                values = {name: of[head] for name, of in means.items()}
                known = [name for name in metrics if values.get(name) is not None]
                top = {
                    name: [(each.number, _short(value)) for each, value in kept.most[name].of(head)] for name in known
                }
                rows.append(
                    {
                        "site": site,
                        "layer": layer,
                        "head": head,
                        **values,
                        "deviation": {name: spread[name][head] for name in known},
                        "kinds": kinds_of(site, (layer, head), values, even, aligner),
                        "top": {name: listed for name, listed in top.items() if listed},
                    }
                )
        return rows

    def sites(self) -> list[dict[str, Any]]:
        """Each site with the rows of all its maps, and the least mean weight of a kind there."""
        return [
            {"name": site, "rows": int(even.weight[0]), "least": _short(least_weight(float(even.mean[0])))}
            for site, even in self._even.items()
        ]


def shortened(text: str) -> str:
    """The beginning of a text, as long as is kept of one."""
    return text if len(text) <= TEXT else text[: TEXT - 1].rstrip() + "\u2026"


def _short(value: float) -> np.float32:
    """A number with the digits that it has: a measure is in float32."""
    return np.float32(value)


def _numbers(values: Values) -> list[np.float32 | None]:
    return [None if np.isnan(value) else _short(value) for value in values]
