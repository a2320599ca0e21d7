"""The tiles of a head: the coarse levels made once and kept beside the trace, the fine ones when they are looked at.

A head's coarse levels take one pass over its whole map. The pass runs on the worker in short turns, so that windows and
predictions of others come between them, and callers who want the same head wait for the same pass.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from app.engine import Engine
from app.store import Held, TraceStore
from app.wire import to_codes
from model.attention.maps import AttentionMap
from model.attention.tiles import SIDE, Reduced, below, levels, reduce, reduce_strips, size_at
from model.errors import RangeError

How = Literal["max", "mean"]
Codes = NDArray[np.uint8]
HOW: tuple[How, ...] = ("max", "mean")
KEPT = 2048  # pixels a side of the finest level that is kept: what is finer costs 40 ms a tile at most up to 32k tokens
MEMORY_BYTES = 256 << 20  # of coarse levels and tiles in memory: two dozen heads


@dataclass(frozen=True)
class Address:
    """One head of a trace."""

    site: str
    layer: int
    head: int

    def __str__(self) -> str:
        return f"{self.site}.{self.layer}.{self.head}"


@dataclass(frozen=True, eq=False)
class Pyramid:
    """The coarse levels of a head in u8log: `codes[how][level - base]`."""

    base: int
    codes: dict[How, list[Codes]]

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return sum(level.nbytes for levels_of in self.codes.values() for level in levels_of)

    def tensors(self) -> dict[str, torch.Tensor]:
        """As a safetensors file has it: {how}.{level}."""
        return {
            f"{how}.{self.base + index}": torch.from_numpy(level)
            for how, levels_of in self.codes.items()
            for index, level in enumerate(levels_of)
        }

    @classmethod
    def of(cls, tensors: dict[str, torch.Tensor]) -> "Pyramid":
        """The pyramid that `tensors` wrote."""
        known = sorted({int(name.partition(".")[2]) for name in tensors})
        return cls(known[0], {how: [tensors[f"{how}.{level}"].numpy() for level in known] for how in HOW})


def base_of(shape: tuple[int, int]) -> int:
    """The finest level that is kept."""
    level = 0
    while max(size_at(length, level) for length in shape) > KEPT:
        level += 1
    return level


def finished(reduced: Reduced, base: int, top: int) -> Pyramid:
    """All levels from `base` to `top`, each from the one before."""
    codes: dict[How, list[Codes]] = {"max": [], "mean": []}
    for level in range(base, top + 1):
        for how in HOW:
            codes[how].append(coded(reduced, how))
        if level < top:
            reduced = reduced.coarser()
    return Pyramid(base, codes)


def coded(reduced: Reduced, how: How) -> Codes:
    """Blocks as bytes: 0 masked."""
    values = reduced.largest if how == "max" else reduced.mean
    return to_codes(values.cpu().numpy(), reduced.visible.cpu().numpy() > 0)


def blocks_of(shape: tuple[int, int], level: int, row: int, col: int) -> tuple[range, range]:
    """The rows and columns of blocks that a tile has; finds one outside the pyramid before any work is done.

    Raises:
        RangeError: there is no such level or tile.
    """
    top = levels(shape) - 1
    if not 0 <= level <= top:
        raise RangeError(f"level {level} does not exist: this map has levels 0 to {top}", field="level")
    for name, index, length in (("row", row, shape[0]), ("col", col, shape[1])):
        last = (size_at(length, level) - 1) // SIDE
        if not 0 <= index <= last:
            raise RangeError(
                f"{name} {index} does not exist: level {level} has tile {name}s 0 to {last}, of {SIDE} blocks each",
                field=name,
            )
    rows, cols = (
        range(i * SIDE, min((i + 1) * SIDE, size_at(n, level))) for i, n in zip((row, col), shape, strict=True)
    )
    return rows, cols


class Tiles:
    """Makes tiles, and remembers them within a budget; whoever asks was let in to the trace before."""

    def __init__(self, engine: Engine, store: TraceStore, memory: int = MEMORY_BYTES) -> None:
        self.engine, self.store, self.memory = engine, store, memory
        self._kept: OrderedDict[Any, Pyramid | Codes] = OrderedDict()
        self._passes: dict[Any, asyncio.Task[Pyramid]] = {}

    async def tile(self, owner: str, held: Held, at: Address, how: How, level: int, row: int, col: int) -> Codes:
        """At most 256 x 256 blocks of a head in u8log.

        Raises:
            RangeError: there is no such level or tile.
        """
        layer = held.trace.map(at.site, at.layer).head(at.head)
        rows, cols = blocks_of(layer.shape, level, row, col)
        if level >= base_of(layer.shape) > 0:
            whole = await self.pyramid(owner, held, at, layer)
            return whole.codes[how][level - whole.base][rows.start : rows.stop, cols.start : cols.stop]
        key = (owner, held.version, at, how, level, row, col)
        found = self._remembered(key)
        if found is None:
            both = await self.engine.run(lambda: reduce(layer, rows, cols, level))
            made = {each: coded(both, each) for each in HOW}
            for each, codes in made.items():
                self._remember((*key[:3], each, *key[4:]), codes)
            found = made[how]
        assert not isinstance(found, Pyramid)
        return found

    async def pyramid(self, owner: str, held: Held, at: Address, layer: AttentionMap) -> Pyramid:
        """The coarse levels of a head: from memory, from beside the trace, or by a pass over its map."""
        key = (owner, held.version, at)
        found = self._remembered(key)
        if found is not None:
            assert isinstance(found, Pyramid)
            return found
        if key not in self._passes:
            task = asyncio.create_task(self._make(owner, held, at, layer))
            task.add_done_callback(lambda done: self._passes.pop(key, None))
            self._passes[key] = task
        made = await asyncio.shield(self._passes[key])  # one who goes away stops nobody else's
        self._remember(key, made)
        return made

    async def _make(self, owner: str, held: Held, at: Address, layer: AttentionMap) -> Pyramid:
        tensors = await self.engine.run(lambda: self.store.beside(owner, held.id, str(at)))
        if tensors:
            return Pyramid.of(tensors)
        base = base_of(layer.shape)
        whole = range(size_at(layer.shape[0], base)), range(size_at(layer.shape[1], base))
        parts = await self.engine.run_turns(part for _, part in reduce_strips(layer, *whole, base))

        def end() -> Pyramid:
            made = finished(below(parts), base, levels(layer.shape) - 1)
            self.store.keep_beside(owner, held.id, str(at), made.tensors())
            return made

        return await self.engine.run(end)

    def _remembered(self, key: Any) -> "Pyramid | Codes | None":
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _remember(self, key: Any, value: "Pyramid | Codes") -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self.memory:
            self._kept.popitem(last=False)
