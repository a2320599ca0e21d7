"""Which keys a query may see: predicates over (query, key) indices, never stored matrices.

A mask answers for any block of rows and columns, so a window of a map needs only its own corner of the mask.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from model.errors import TraceError


class Mask(ABC):
    """A predicate over (query, key) indices; true where the key is visible."""

    @abstractmethod
    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        """The block of the mask at these absolute query and key indices."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The mask as JSON, from which `from_description` builds it again."""

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

    def describe(self) -> dict[str, Any]:
        return {"kind": "full"}


@dataclass(frozen=True)
class Causal(Mask):
    """Keys up to the query's own position; query 0 stands at key `offset` (the length of a cache before it)."""

    offset: int = 0

    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        return (keys[None, :] <= queries[:, None] + self.offset)[None]

    def describe(self) -> dict[str, Any]:
        return {"kind": "causal", "offset": self.offset}


@dataclass(frozen=True)
class SlidingWindow(Mask):
    """Keys less than `size` positions away, on both sides; `& Causal()` leaves the past alone (Longformer, Mistral)."""

    size: int
    offset: int = 0

    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        return ((queries[:, None] + self.offset - keys[None, :]).abs() < self.size)[None]

    def describe(self) -> dict[str, Any]:
        return {"kind": "sliding_window", "size": self.size, "offset": self.offset}


@dataclass(frozen=True, eq=False)
class Padding(Mask):
    """The first `lengths[b]` keys of each sequence of a batch."""

    lengths: Int[Tensor, "B"]

    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        real = keys[None, :] < self.lengths.to(keys.device)[:, None]
        return real[:, None, :].expand(-1, len(queries), -1)

    def describe(self) -> dict[str, Any]:
        return {"kind": "padding", "lengths": self.lengths.tolist()}


@dataclass(frozen=True)
class Both(Mask):
    """Keys that two masks both show."""

    first: Mask
    second: Mask

    def visible(self, queries: Int[Tensor, "Q"], keys: Int[Tensor, "K"]) -> Bool[Tensor, "#B Q K"]:
        return self.first.visible(queries, keys) & self.second.visible(queries, keys)

    def describe(self) -> dict[str, Any]:
        return {"kind": "both", "masks": [self.first.describe(), self.second.describe()]}


def from_description(description: dict[str, Any]) -> Mask:
    """The mask that `Mask.describe` wrote.

    Raises:
        TraceError: the description is not one of a mask.
    """
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
                first, second = (from_description(part) for part in description["masks"])
                return Both(first, second)
    except (KeyError, TypeError, ValueError) as error:
        raise TraceError(f"not a description of a mask: {description!r}") from error
    raise TraceError(f"unknown kind of mask: {description['kind']!r}")
