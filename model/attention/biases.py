"""What is added to the scores: position biases, as functions of (query, key) indices wherever they are that.

A bias answers for any block of rows and columns, so a window of a map needs only its own corner. A relative bias is
kept as the values of its offsets, a windowed one as its table; only what has no such structure is kept cell by cell.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.errors import TraceError


class Bias(ABC):
    """A term of the scores of H heads, or one for all of them."""

    @abstractmethod
    def cells(self, rows: Int[Tensor, "R"], cols: Int[Tensor, "C"]) -> Float[Tensor, "#H R C"]:
        """The bias at these query and key indices."""

    @abstractmethod
    def head(self, index: int) -> "Bias":
        """The bias of one head, from 0."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The kind of bias as JSON; its numbers are `tensors`."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What `from_description` needs besides, by the names that the trace file gives them."""

    def to(self, device: torch.device) -> "Bias":
        """The same bias with its numbers on a device."""
        if all(tensor.device == device for tensor in self.tensors().values()):
            return self
        moved = {name: tensor.to(device) for name, tensor in self.tensors().items()}
        bias = from_description(self.describe(), moved)
        assert bias is not None
        return bias


@dataclass(frozen=True, eq=False)
class Dense(Bias):
    """Every cell's own value."""

    values: Float[Tensor, "#H Q K"]

    def cells(self, rows: Int[Tensor, "R"], cols: Int[Tensor, "C"]) -> Float[Tensor, "#H R C"]:
        return self.values[:, rows[:, None], cols[None, :]]

    def head(self, index: int) -> "Dense":
        return self if self.values.shape[0] == 1 else Dense(self.values[index : index + 1])

    def describe(self) -> dict[str, Any]:
        return {"kind": "dense"}

    def tensors(self) -> dict[str, Tensor]:
        return {"bias": self.values}


@dataclass(frozen=True, eq=False)
class Toeplitz(Bias):
    """A function of the offset alone: bias_ij = values[j - i + queries - 1] (T5, ALiBi: Press et al. 2022)."""

    values: Float[Tensor, "#H N"]
    queries: int

    def cells(self, rows: Int[Tensor, "R"], cols: Int[Tensor, "C"]) -> Float[Tensor, "#H R C"]:
        return self.values[:, cols[None, :] - rows[:, None] + self.queries - 1]

    def head(self, index: int) -> "Toeplitz":
        return self if self.values.shape[0] == 1 else Toeplitz(self.values[index : index + 1], self.queries)

    def describe(self) -> dict[str, Any]:
        return {"kind": "toeplitz", "queries": self.queries}

    def tensors(self) -> dict[str, Tensor]:
        return {"bias": self.values}


@dataclass(frozen=True, eq=False)
class Windowed(Bias):
    """A table over the places inside a window: bias_ij = table[place_i, place_j] (Liu et al. 2021, Swin)."""

    table: Float[Tensor, "#H W W"]
    place: Int[Tensor, "Q"]

    def cells(self, rows: Int[Tensor, "R"], cols: Int[Tensor, "C"]) -> Float[Tensor, "#H R C"]:
        return self.table[:, self.place[rows][:, None], self.place[cols][None, :]]

    def head(self, index: int) -> "Windowed":
        return self if self.table.shape[0] == 1 else Windowed(self.table[index : index + 1], self.place)

    def describe(self) -> dict[str, Any]:
        return {"kind": "windowed"}

    def tensors(self) -> dict[str, Tensor]:
        return {"bias": self.table, "place": self.place}


@dataclass(frozen=True, eq=False)
class Edited(Bias):
    """What edits of a pass made of a layer's bias, cell by cell only where they touch it.

    base: the layer's own, times `factors` (H), one for each head. cuts (N, 5): head (-1 for every), first query, stop
    query, first key, stop key; there it is -inf. places (P, 2): head and query of rows whose weights were given; their
    logarithms, `given` (P K), stand instead.
    """

    base: Bias | None
    factors: Float[Tensor, "H"]
    cuts: Int[Tensor, "N 5"]
    places: Int[Tensor, "P 2"]
    given: Float[Tensor, "P K"]

    def cells(self, rows: Int[Tensor, "R"], cols: Int[Tensor, "C"]) -> Float[Tensor, "H R C"]:
        heads, factors = len(self.factors), self.factors.to(rows.device)
        if self.base is None:
            cells = torch.zeros(heads, len(rows), len(cols), device=rows.device)
        else:
            cells = (self.base.cells(rows, cols) * factors[:, None, None]).contiguous()
        if not len(rows) or not len(cols):
            return cells
        top, bottom = (int(edge) for edge in rows.aminmax())
        left, right = (int(edge) for edge in cols.aminmax())
        for place, (head, query) in enumerate(self.places.tolist()):
            if top <= query <= bottom:
                cells[head, rows == query] = self.given[place, cols].to(cells)
        for head, start, stop, first, last in self.cuts.tolist():
            if start <= bottom and stop > top and first <= right and last > left:
                within = ((rows >= start) & (rows < stop))[:, None] & ((cols >= first) & (cols < last))[None, :]
                part = cells if head < 0 else cells[head]
                part.masked_fill_(within, -math.inf)
        return cells

    def head(self, index: int) -> "Edited":
        mine, own = (self.cuts[:, 0] < 0) | (self.cuts[:, 0] == index), self.places[:, 0] == index
        cuts, places = self.cuts[mine].clone(), self.places[own].clone()
        cuts[:, 0], places[:, 0] = -1, 0
        base = None if self.base is None else self.base.head(index)
        given = self.given[own.to(self.given.device)]
        return Edited(base, self.factors[index : index + 1], cuts, places, given)

    def to(self, device: torch.device) -> "Edited":
        """The numbers of many cells on a device; what says where they are stays on the host, which reads it."""
        base = None if self.base is None else self.base.to(device)
        return replace(self, base=base, given=self.given.to(device))

    def describe(self) -> dict[str, Any]:
        return {"kind": "edited", "base": None if self.base is None else self.base.describe()}

    def tensors(self) -> dict[str, Tensor]:
        own = {"factors": self.factors, "cuts": self.cuts, "places": self.places, "given": self.given}
        return own if self.base is None else {**self.base.tensors(), **own}


def recognise(values: Float[Tensor, "#H Q K"]) -> Bias | None:
    """The smallest form that gives exactly these values: None for zeros, Toeplitz, or every cell."""
    if not values.any():
        return None
    _, queries, keys = values.shape
    first_column, first_row = values[:, :, 0].flip(1), values[:, 0, 1:]
    toeplitz = Toeplitz(torch.cat([first_column, first_row], dim=1).contiguous(), queries)
    for row in range(queries):  # row by row: nothing of the map's size is made
        start = queries - 1 - row
        if not torch.equal(values[:, row], toeplitz.values[:, start : start + keys]):
            return Dense(values.contiguous())
    return toeplitz


def from_description(description: dict[str, Any] | None, tensors: dict[str, Tensor]) -> Bias | None:
    """The bias that `describe` and `tensors` wrote.

    Raises:
        TraceError: the description is not one of a bias, or a tensor is missing.
    """
    if description is None:
        return None
    try:
        match description["kind"]:
            case "dense":
                return Dense(tensors["bias"])
            case "toeplitz":
                return Toeplitz(tensors["bias"], int(description["queries"]))
            case "windowed":
                return Windowed(tensors["bias"], tensors["place"])
            case "edited":
                parts = (tensors[name] for name in ("factors", "cuts", "places", "given"))
                return Edited(from_description(description["base"], tensors), *parts)
    except (KeyError, TypeError, ValueError) as error:
        raise TraceError(f"not a description of a bias: {description!r}") from error
    raise TraceError(f"unknown kind of bias: {description['kind']!r}")
