"""The tiles of a head: the coarse levels made once and kept beside the trace, the fine ones when they are looked at.

A head's coarse levels take one pass over its whole map. The pass runs on the reading worker in short turns, so that
windows of others come between them, and callers who want the same head wait for the same pass.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from heedmap.app.render.figures import WEIGHTS
from heedmap.app.render.wire import codes_to_square, to_codes, to_signed_codes
from heedmap.app.service.engine import Engine
from heedmap.app.service.finite import require, require_map
from heedmap.app.service.flights import Flights
from heedmap.app.service.maps import other_values
from heedmap.app.service.store import TraceStore
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.tiles import SIDE, How, Reduced, below, levels, reduce, reduce_strips, size_at
from heedmap.model.errors import RangeError
from heedmap.model.measures.registry import cell_measure

Codes = NDArray[np.uint8]
KEPT = 2048  # pixels a side of the finest level that is kept: what is finer costs 40 ms a tile at most up to 32k tokens
FEW_CELLS = 2  # the last level of tiles that are made at one go: a million cells, a few milliseconds
TOGETHER = 1 << 24  # blocks of a layer's heads that are made in one pass: 64 MiB of float32
MEMORY_BYTES = 256 << 20  # of coarse levels and tiles in memory: two dozen heads


@dataclass(frozen=True)
class Address:
    """One head of a trace, and the measure of its cells."""

    site: str
    layer: int
    head: int
    measure: str = WEIGHTS

    def __str__(self) -> str:
        place = f"{self.site}.{self.layer}.{self.head}"
        return place if self.measure == WEIGHTS else f"{place}.{self.measure}"


@dataclass(frozen=True, eq=False)
class Pyramid:
    """The coarse levels of a head by one reduction, in its measure's encoding: `codes[level - base]`."""

    base: int
    codes: list[Codes]

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return sum(level.nbytes for level in self.codes)

    def tensors(self) -> dict[str, torch.Tensor]:
        """As a safetensors file has it, by level."""
        return {str(self.base + index): torch.from_numpy(codes) for index, codes in enumerate(self.codes)}

    @classmethod
    def of(cls, tensors: dict[str, torch.Tensor]) -> "Pyramid":
        """The pyramid that `tensors` wrote."""
        kept = sorted(map(int, tensors))
        return cls(kept[0], [tensors[str(level)].numpy() for level in kept])


def base_of(shape: tuple[int, int]) -> int:
    """The finest level that is kept."""
    level = 0
    while max(size_at(length, level) for length in shape) > KEPT:
        level += 1
    return level


def finished(reduced: Reduced, base: int, top: int, measure: str = WEIGHTS) -> Pyramid:
    """All levels of one head from `base` to `top`, each from the one before."""
    codes = [coded(reduced, measure)]
    for _ in range(base, top):
        reduced = reduced.coarser()
        codes.append(coded(reduced, measure))
    return Pyramid(base, codes)


def coded(reduced: Reduced, measure: str = WEIGHTS) -> Codes:
    """One head's blocks as bytes, in its measure's encoding: 0 masked.

    Raises:
        NotFinite: a value is no finite number.
    """
    encode = to_codes if cell_measure(measure).encoding == "u8log" else to_signed_codes
    return encode(require(reduced.values[0].cpu().numpy(), "weights"), reduced.visible.cpu().numpy() > 0)


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


def _strips(
    layer: AttentionMap, rows: range, cols: range, level: int, how: How, measure: str
) -> Iterator[Codes | None]:
    """A tile, after a strip at a time of the cells under it: others may have their turn between two, or it is left."""
    parts = []
    for _, part in reduce_strips(layer, rows, cols, level, how, other_values(measure)):
        parts.append(part)
        yield None
    yield coded(below(parts), measure)


class Tiles:
    """Makes tiles, and remembers them within a budget; whoever asks was let in to the trace before."""

    def __init__(self, reading: Engine, store: TraceStore, memory: int = MEMORY_BYTES) -> None:
        self.reading, self.store, self.memory = reading, store, memory
        self._kept: OrderedDict[Any, Pyramid | Codes] = OrderedDict()
        self._passes: Flights[list[Pyramid]] = Flights(shared=True)

    async def tile(self, owner: str, held: StoredTrace, at: Address, how: How, level: int, row: int, col: int) -> Codes:
        """At most 256 x 256 blocks of a head in its measure's encoding.

        Raises:
            RangeError: there is no such level or tile.
        """
        layer = held.trace.map(at.site, at.layer).head(at.head)
        rows, cols = blocks_of(layer.shape, level, row, col)
        if level >= base_of(layer.shape) > 0:
            whole = await self.pyramid(owner, held, at, how)
            return whole.codes[level - whole.base][rows.start : rows.stop, cols.start : cols.stop]
        key = (owner, held.version, at, how, level, row, col)
        codes = self._remembered(key)
        if codes is None:
            made: Codes | None
            if level <= FEW_CELLS:

                def fine() -> Codes:
                    held.trace.check()
                    values = other_values(at.measure)
                    return coded(reduce(require_map(layer), rows, cols, level, how, values), at.measure)

                made = await self.reading.run(fine)
            else:
                work = held.trace.watched(_strips(require_map(layer), rows, cols, level, how, at.measure))
                *_, made = await self.reading.run_turns(work)
            assert made is not None
            codes = made
            self._remember(key, codes)
        assert not isinstance(codes, Pyramid)
        return codes

    async def thumbnails(
        self, owner: str, held: StoredTrace, site: str, size: int, measure: str = WEIGHTS
    ) -> Codes | None:
        """All heads of a site as bytes (L, H, size, size), from their coarse levels; None where maps have no such."""
        signed = cell_measure(measure).encoding == "s8log"
        layers = held.trace.layers[site]
        base = base_of(layers[0].shape)
        if not base:
            return None
        blocks = size_at(layers[0].shape[0], base) * size_at(layers[0].shape[1], base)
        rows = []
        for index, layer in enumerate(layers):
            together = layer.heads if layer.heads * blocks <= TOGETHER else 1
            row = []
            for first in range(0, layer.heads, together):
                heads = [Address(site, index, first + head, measure) for head in range(together)]
                pyramids = await self._pyramids(owner, held, heads, "max")
                row += [codes_to_square(whole.codes[0], size, signed=signed) for whole in pyramids]
            rows.append(row)
        return np.array(rows)

    async def pyramid(self, owner: str, held: StoredTrace, at: Address, how: How) -> Pyramid:
        """The coarse levels of a head: from memory, from beside the trace, or by a pass over its map."""
        [pyramid] = await self._pyramids(owner, held, [at], how)
        return pyramid

    async def _pyramids(self, owner: str, held: StoredTrace, heads: list[Address], how: How) -> list[Pyramid]:
        """Those of one head, or of all heads of a layer, for which the mask is then looked at once."""
        keys = [(owner, held.version, at, how) for at in heads]
        remembered = [self._remembered(key) for key in keys]
        if None in remembered:
            key = (owner, held.version, tuple(heads), how)
            computed = await self._passes.join(key, lambda: self._make(owner, held, heads, how))
            for each, pyramid in zip(keys, computed, strict=True):
                self._remember(each, pyramid)
            return computed
        return [each for each in remembered if isinstance(each, Pyramid)]

    async def _make(self, owner: str, held: StoredTrace, heads: list[Address], how: How) -> list[Pyramid]:
        names = [f"{at}.{how}" for at in heads]
        layer = held.trace.map(heads[0].site, heads[0].layer)
        layer = layer.head(heads[0].head) if len(heads) == 1 else layer
        base, top = base_of(layer.shape), levels(layer.shape) - 1
        written = await self.reading.run(lambda: [self.store.beside(owner, held.id, name) for name in names])
        stored = [Pyramid.of(tensors) for tensors in written if str(base) in tensors]
        if len(stored) == len(heads):
            return stored
        rows, cols = (range(size_at(length, base)) for length in layer.shape)

        def strips() -> Iterator[Reduced]:
            held.trace.check()
            work = reduce_strips(require_map(layer), rows, cols, base, how, other_values(heads[0].measure))
            yield from (part for _, part in held.trace.watched(work))

        parts = await self.reading.run_turns(strips())

        def end() -> Iterator[Pyramid]:
            whole = below(parts)
            for index in range(len(names)):
                yield finished(whole.head(index), base, top, heads[0].measure)

        computed = await self.reading.run_turns(end())

        def keep() -> None:
            for name, pyramid in zip(names, computed, strict=True):
                self.store.keep_beside(owner, held.id, name, pyramid.tensors())

        await run_in_threadpool(keep)  # no reader waits for the disk
        return computed

    def _remembered(self, key: Any) -> "Pyramid | Codes | None":
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _remember(self, key: Any, value: "Pyramid | Codes") -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self.memory:
            self._kept.popitem(last=False)
