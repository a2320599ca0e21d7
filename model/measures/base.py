"""What a measure is: anything derived from a trace, and all that it declares of itself.

A cell measure has a value for every cell of a map, from what that window of the trace holds alone; a head measure one
for every head; a trace measure follows all layers of a site from its top to its input; a token measure is of an input's
tokens, and takes passes of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.contract import Request
from heedmap.model.errors import ParameterError
from heedmap.model.trace.embeddings import Differentiable, InputTokens
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never

Kind = Literal["cell", "head", "trace", "token"]
Rows = range  # in a measure's class, `range` is what it declares
Encoding = Literal["u8log", "s8log"]

NO_OBJECTIVE = "this trace has no objective: make it with one, and its gradients are kept"
CLOSED = "the model's embeddings are closed"
NO_VALUES = "this layer gives its weights alone, and no values that they multiply"


class Measure(ABC):
    """One way to look at a trace; it says of itself what it is, what it costs, where it is defined and when to use it.

    name: as requests have it. description: one sentence. formula: in the letters of the project's legend. source: the
    paper. range: of its values, in words. signed: whether they may be negative. objective: whether it is of one. cost:
    of a value. where: what a trace needs to have. example: a question that it answers. kind: what has a value.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]
    range: ClassVar[str]
    signed: ClassVar[bool] = False
    objective: ClassVar[bool] = False
    cost: ClassVar[str]
    where: ClassVar[str] = "everywhere"
    example: ClassVar[str]
    kind: ClassVar[Kind]

    def describe(self) -> dict[str, Any]:
        """All that it declares, as JSON."""
        first = ("name", "description", "formula", "source", "range", "signed", "objective")
        return {name: getattr(self, name) for name in (*first, "cost", "where", "example", "kind")}


class CellMeasure(Measure):
    """A measure of every cell of a map: any window, tile or thumbnail of it, at any length.

    encoding: the one-byte code of its tiles: u8log for what lies between 0 and 1, s8log for all else.
    """

    kind: ClassVar[Kind] = "cell"
    encoding: ClassVar[Encoding] = "s8log"

    def defined(self, layer: AttentionMap) -> str | None:
        """None where the layer has all that it takes, else a sentence of what it lacks."""
        return None

    @abstractmethod
    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The measure on a block of rows and columns, for every head of the layer; 0 where masked.

        Raises:
            RangeError: the block is not inside the map.
        """

    def describe(self) -> dict[str, Any]:
        """All that it declares, as JSON."""
        return {**super().describe(), "encoding": self.encoding}


class HeadMeasure(Measure):
    """A measure of a head, the mean over its rows: `heads` computes them together, each under its `statistic`."""

    kind: ClassVar[Kind] = "head"
    statistic: ClassVar[str]

    def describe(self) -> dict[str, Any]:
        """All that it declares, as JSON."""
        return {**super().describe(), "statistic": self.statistic}


class TraceMeasure(Measure):
    """A measure of the way from a site's output to its input, through all of its layers."""

    kind: ClassVar[Kind] = "trace"

    @abstractmethod
    def defined(self, trace: Trace, site: str) -> str | None:
        """None where the trace has all that it takes at this site, else a sentence of what it lacks."""

    @abstractmethod
    def rows(self, trace: Trace, site: str, rows: range) -> Iterator[Float[Tensor, "R K"] | None]:
        """The measure of some queries of the site on all of its keys: None between parts of the work, then the rows.

        Raises:
            InputError: it would take too long, or too much memory.
        """


class TokenMeasure(Measure):
    """A measure of the tokens of an input, by passes of its own: no trace holds what it takes."""

    kind: ClassVar[Kind] = "token"

    @abstractmethod
    def scores(
        self, model: object, request: Request, tokens: InputTokens, cancelled: Stop = never
    ) -> NDArray[np.float64]:
        """The measure of each of these tokens of a request's input, whose output and objective are given.

        Raises:
            ParameterError: it is not defined for this model or request. Cancelled: `cancelled` became true.
        """

    def differentiable(self, model: object, request: Request) -> Differentiable:
        """The model, where the request has an objective and the model a gradient by its embeddings.

        Raises:
            ParameterError: one of them is missing.
        """
        if request.objective is None:
            raise ParameterError(f"{self.name} is not defined here: {NO_OBJECTIVE}", field="measures")
        if not isinstance(model, Differentiable):
            raise ParameterError(f"{self.name} is not defined here: {CLOSED}", field="measures")
        return model


# Cells of all heads that are computed between two looks at who else waits: 16 MiB, some 40 ms of a CPU. Each strip
# takes all keys into float32 anew, which at fewer rows would be most of its time.
STRIP = 1 << 22


def propagated(
    share: Float[Tensor, "R Q"],
    layer: AttentionMap,
    cells: Callable[[AttentionMap, slice, slice], Float[Tensor, "H N C"]],
) -> Generator[None, None, Float[Tensor, "R K"]]:
    """Rows times what is the mean over a layer's heads of some measure, strip by strip: pauses, and returns the rows.

    Never more than a strip of the layer is in memory: what is asked for, R x K, and the trace are all.

    Args:
        share: the rows.
        layer: H heads of Q x K.
        cells: the measure of a block, for every head.
    """
    queries, keys = layer.shape
    total = share.new_zeros(share.shape[0], keys)
    step = max(1, STRIP // (layer.heads * keys))
    for start in range(0, queries, step):
        strip = range(start, min(start + step, queries))
        part = share[:, strip.start : strip.stop]
        if bool(part.any()):  # under a causal mask rows share in nothing that comes after them
            cols = layer.seen(strip)
            block = cells(layer, slice(strip.start, strip.stop), slice(cols.start, cols.stop))
            total[:, cols.start : cols.stop] += part @ block.mean(dim=0).to(share)
        yield
    return total


def follows(trace: Trace, site: str) -> str | None:
    """None where a site's keys are its own queries, one layer after the other, else a sentence of why they are not."""
    queries, keys = trace.layers[site][0].shape
    if site == "cross" or queries != keys:
        others = [name for name, layers in trace.layers.items() if name != "cross" and len(set(layers[0].shape)) == 1]
        return f"{site} looks at other positions than its own, so its layers do not follow on each other" + (
            f": take {' or '.join(others)}" if others else ""
        )
    return None


def chosen(rows: range, length: int, device: torch.device) -> Float[Tensor, "R K"]:
    """One row a position: 1 there, and 0 elsewhere."""
    places = torch.arange(rows.start, rows.stop, device=device)
    return (torch.arange(length, device=device) == places[:, None]).float()
