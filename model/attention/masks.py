"""Which keys a query may see: predicates over (query, key) indices, never stored matrices.

A mask answers for any block of rows and columns, so a window of a map needs only its own corner of the mask.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

from heedmap.model.errors import TraceError

Coverage = Literal["none", "some", "all"]
NONE: Coverage = "none"
SOME: Coverage = "some"
ALL: Coverage = "all"
CPU = torch.device("cpu")


class Mask(ABC):
    """A predicate over (query, key) indices; true where the key is visible."""

    @abstractmethod
    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        """The block of the mask at these absolute query and key indices."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The mask as JSON, from which, with `tensors`, `from_description` builds it again."""

    def tensors(self) -> dict[str, Tensor]:
        """What the description cannot hold, by the names that the trace file gives it; most masks have none."""
        return {}

    def of(self, index: int, queries: int, keys: int) -> "Mask":
        """The mask of one sequence of the batch that is cut to its own length: padding has nothing left to hide."""
        return self

    @property
    def device(self) -> torch.device:
        """Where its numbers are, if it has any."""
        return CPU

    def to(self, device: torch.device) -> "Mask":
        """The same mask with its numbers on a device."""
        return self

    def covers(self, rows: range, cols: range) -> "Coverage":
        """Whether a block sees all of its cells, none, or some of them, without looking at each where that is known."""
        queries, keys = (torch.arange(part.start, part.stop, device=self.device) for part in (rows, cols))
        visible = self.visible(queries, keys)
        return ALL if bool(visible.all()) else SOME if bool(visible.any()) else NONE

    def __and__(self, other: "Mask") -> "Mask":
        if isinstance(other, Full):
            return self
        return other if isinstance(self, Full) else Both(self, other)

    def dense(self, queries: int, keys: int, device: torch.device | str = "cpu") -> Bool[Tensor, "#B Q K"]:
        """The whole mask of so many queries and keys; for short sequences and tests."""
        return self.visible(torch.arange(queries, device=device), torch.arange(keys, device=device))


@dataclass(frozen=True)
class Full(Mask):
    """Every key is visible."""

    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        return torch.ones(1, len(queries), len(keys), dtype=torch.bool, device=queries.device)

    def covers(self, rows: range, cols: range) -> Coverage:
        return ALL

    def describe(self) -> dict[str, Any]:
        return {"kind": "full"}


@dataclass(frozen=True)
class Causal(Mask):
    """Keys up to the query's own position; query 0 stands at key `offset` (the length of a cache before it)."""

    offset: int = 0

    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        return (keys[None, :] <= queries[:, None] + self.offset)[None]

    def covers(self, rows: range, cols: range) -> Coverage:
        if cols[0] > rows[-1] + self.offset:
            return NONE
        return ALL if cols[-1] <= rows[0] + self.offset else SOME

    def describe(self) -> dict[str, Any]:
        return {"kind": "causal", "offset": self.offset}


@dataclass(frozen=True)
class SlidingWindow(Mask):
    """Keys less than `size` positions away, on both sides; `& Causal()` leaves the past alone (Longformer, Mistral)."""

    size: int
    offset: int = 0

    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        return ((queries[:, None] + self.offset - keys[None, :]).abs() < self.size)[None]

    def covers(self, rows: range, cols: range) -> Coverage:
        least, most = rows[0] + self.offset - cols[-1], rows[-1] + self.offset - cols[0]  # of the differences
        if least >= self.size or most <= -self.size:
            return NONE
        return ALL if max(most, -least) < self.size else SOME

    def describe(self) -> dict[str, Any]:
        return {"kind": "sliding_window", "size": self.size, "offset": self.offset}


@dataclass(frozen=True, eq=False)
class Padding(Mask):
    """The first `lengths[b]` keys of each sequence of a batch."""

    lengths: Int[Tensor, "B"]

    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        real = keys[None, :] < self.lengths.to(keys.device)[:, None]
        return real[:, None, :].expand(-1, len(queries), -1)

    @property
    def device(self) -> torch.device:
        return self.lengths.device

    def to(self, device: torch.device) -> Mask:
        return Padding(self.lengths.to(device))

    def describe(self) -> dict[str, Any]:
        return {"kind": "padding", "lengths": self.lengths.tolist()}

    def of(self, index: int, queries: int, keys: int) -> Mask:
        length = int(self.lengths[index if len(self.lengths) > 1 else 0])
        return Full() if length >= keys else Padding(self.lengths.new_tensor([length]))


@dataclass(frozen=True)
class Both(Mask):
    """Keys that two masks both show."""

    first: Mask
    second: Mask

    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        return self.first.visible(queries, keys) & self.second.visible(queries, keys)

    @property
    def device(self) -> torch.device:
        return self.second.device if self.first.device == CPU else self.first.device

    def to(self, device: torch.device) -> Mask:
        return Both(self.first.to(device), self.second.to(device))

    def describe(self) -> dict[str, Any]:
        return {"kind": "both", "masks": [self.first.describe(), self.second.describe()]}

    def covers(self, rows: range, cols: range) -> Coverage:
        both = {self.first.covers(rows, cols), self.second.covers(rows, cols)}
        if NONE in both:
            return NONE
        if both == {ALL}:
            return ALL
        return SOME if ALL in both else Mask.covers(self, rows, cols)  # two halves may have nothing in common

    def tensors(self) -> dict[str, Tensor]:
        return {**self.first.tensors(), **self.second.tensors()}

    def of(self, index: int, queries: int, keys: int) -> Mask:
        return self.first.of(index, queries, keys) & self.second.of(index, queries, keys)


@dataclass(frozen=True, eq=False)
class Blocks(Mask):
    """Keys of the query's own block: `blocks` numbers them, one entry a position (windows, chunks, packed texts)."""

    blocks: Int[Tensor, "N"]

    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        blocks = self.blocks.to(queries.device)
        return (blocks[queries][:, None] == blocks[keys][None, :])[None]

    @property
    def device(self) -> torch.device:
        return self.blocks.device

    def to(self, device: torch.device) -> Mask:
        return Blocks(self.blocks.to(device))

    def describe(self) -> dict[str, Any]:
        return {"kind": "blocks"}

    def tensors(self) -> dict[str, Tensor]:
        return {"blocks": self.blocks}


@dataclass(frozen=True, eq=False)
class Given(Mask):
    """Every cell said one by one: what a model brought that is none of the others."""

    cells: Bool[Tensor, "#B Q K"]

    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        cells = self.cells.to(queries.device)
        return cells[:, queries[:, None], keys[None, :]]

    @property
    def device(self) -> torch.device:
        return self.cells.device

    def to(self, device: torch.device) -> Mask:
        return Given(self.cells.to(device))

    def describe(self) -> dict[str, Any]:
        return {"kind": "given", "shape": list(self.cells.shape[1:])}

    def tensors(self) -> dict[str, Tensor]:
        """`visible`: the cells of the first sequence, row-major, eight to a byte, the first in the highest bit."""
        bits = F.pad(self.cells[0].flatten().to(torch.uint8), (0, -self.cells[0].numel() % 8)).view(-1, 8)
        places = torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)
        return {"visible": (bits << places).sum(dim=1, dtype=torch.uint8)}

    def of(self, index: int, queries: int, keys: int) -> Mask:
        return recognise(self.cells[index if len(self.cells) > 1 else 0, :queries, :keys].cpu())


def recognise(cells: Bool[Tensor, "Q K"]) -> Mask:
    """The predicate that gives exactly these cells: full, causal, sliding window, both, or cell by cell."""
    queries, keys = cells.shape
    if cells.all():
        return Full()
    row, column = torch.arange(queries), torch.arange(keys)
    offset = keys - queries
    last = int(cells[-1].sum())
    first = int(cells[0].sum())
    candidates: list[Mask] = [Causal(offset)]
    if last:
        candidates.append(Causal(offset) & SlidingWindow(last, offset))
    if first:
        candidates.append(SlidingWindow(first, offset))
    for mask in candidates:
        if torch.equal(mask.visible(row, column)[0], cells):
            return mask
    return Given(cells[None].clone())


def from_description(description: dict[str, Any], tensors: Mapping[str, Tensor] | None = None) -> Mask:
    """The mask that `Mask.describe` and `Mask.tensors` wrote.

    Raises:
        TraceError: the description is not one of a mask, or a tensor is missing.
    """
    tensors = tensors or {}
    try:
        match description["kind"]:
            case "full":
                return Full()
            case "causal":
                return Causal(int(description["offset"]))
            case "sliding_window":
                return SlidingWindow(int(description["size"]), int(description["offset"]))
            case "padding":
                return Padding(torch.tensor(description["lengths"], dtype=torch.long))
            case "both":
                first, second = (from_description(part, tensors) for part in description["masks"])
                return Both(first, second)
            case "blocks":
                return Blocks(tensors["blocks"])
            case "given":
                rows, columns = description["shape"]
                bits = tensors["visible"][:, None] >> torch.arange(7, -1, -1, dtype=torch.uint8)
                return Given((bits & 1).bool().flatten()[: rows * columns].view(1, rows, columns))
    except (KeyError, TypeError, ValueError) as error:
        raise TraceError(f"not a description of a mask: {description!r}") from error
    raise TraceError(f"unknown kind of mask: {description['kind']!r}")
