"""A map is a function: the weights of any rows and columns, computed when they are looked at.

    A_ij = exp(score(q_i, k_j) + bias_ij - lse_i)       0 where masked

Every window costs what its own cells cost, at any length, because the kernel has left the denominator of each row
behind. Nothing here renormalises: a weight is the kernel's own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from heedmap.model.attention.biases import Bias
from heedmap.model.attention.masks import NONE, Full, Mask
from heedmap.model.attention.operators import spread
from heedmap.model.attention.products import aligned, grouped_product, take
from heedmap.model.attention.scores import Additive, Score
from heedmap.model.attention.triton import dispatch
from heedmap.model.attention.triton.problem import Problem
from heedmap.model.errors import RangeError

COLUMNS = 1024  # columns that are asked of the mask at once
LEAST_ROWS = 64  # rows for which it is asked: a window's band is little wider than for one
OF_HEADS = ("d_output", "delta", "output_norm", "copying", "normalised_norm")  # where they are known, a head's
ON_DEVICE = ("d_output", "delta", "output_norm", "normalised_norm", "deviation", "mixing")
CELLS = 1 << 22  # cells a block of a streaming pass: 16 MiB in float32, about what a last-level cache holds


def span(part: slice, length: int, field: str) -> range:
    """A half-open slice as a range inside 0..length; omitted ends are the length's own.

    Raises:
        RangeError: a negative, empty, reversed or outlying range, or a step.
    """
    start = 0 if part.start is None else part.start
    stop = length if part.stop is None else part.stop
    if part.step not in (None, 1) or not 0 <= start < stop <= length:
        raise RangeError(
            f"{field} {start}:{stop} is not a range inside the map: 0 <= start < stop <= {length}", field=field
        )
    return range(start, stop)


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """The maps of one layer of a site, for H query heads; `head` narrows it to one.

    q: projected queries (H Q D); k: projected keys (G K D); v: values (G K E); lse: log-sum-exp (H Q), natural
    logarithm, -inf for a row that sees nothing, the sink's logit included where the head has one; score, mask and bias:
    as the model had them.

    d_output: the gradient of a trace's objective at each head's output (H Q E), and delta: <d_output_i, output_i>
    (H Q), float32; both None where the trace has no objective.

    output_norm: ||v_j W_O|| (H K), float32, W_O being the head's part of the output projection; copying: how far each
    head makes likelier what it looks at (H), float32. None where they are not known.

    normalised_norm: ||g * (v_j W_O - mean(v_j W_O))|| (H K), float32, g being the weight of the layer normalisation
    behind the residual; deviation: what that divides each query's sum by (Q); mixing: how much of that sum comes from
    other positions (Q), by its part after the normalisation; float32. None where there is none.

    Where a model only gives its weights A, they stand in the bias: D is 0, the bias is log A and lse is 0.
    """

    q: Float[Tensor, "H Q D"]
    k: Float[Tensor, "G K D"]
    v: Float[Tensor, "G K E"]
    lse: Float[Tensor, "H Q"]
    score: Score
    mask: Mask
    bias: Bias | None = None
    d_output: Float[Tensor, "H Q E"] | None = None
    delta: Float[Tensor, "H Q"] | None = None
    output_norm: Float[Tensor, "H K"] | None = None
    copying: Float[Tensor, "H"] | None = None
    normalised_norm: Float[Tensor, "H K"] | None = None
    deviation: Float[Tensor, "Q"] | None = None
    mixing: Float[Tensor, "Q"] | None = None

    @property
    def heads(self) -> int:
        """H, the number of query heads."""
        return self.q.shape[0]

    @property
    def kv_heads(self) -> int:
        """G, the number of key/value heads."""
        return self.k.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(Q, K)."""
        return self.q.shape[1], self.k.shape[1]

    def head(self, index: int) -> "AttentionMap":
        """The map of one head, counted from 0, negatives from the end.

        Raises:
            RangeError: there is no such head.
        """
        if not -self.heads <= index < self.heads:
            raise RangeError(f"head {index} does not exist: the layer has heads 0 to {self.heads - 1}", field="head")
        index %= self.heads
        group = index // (self.heads // self.kv_heads)
        bias = None if self.bias is None else self.bias.head(index)
        one, its = slice(index, index + 1), slice(group, group + 1)
        parts = {name: getattr(self, name) for name in OF_HEADS}
        kept: dict[str, Any] = {name: None if part is None else part[one] for name, part in parts.items()}
        kept |= {"q": self.q[one], "k": self.k[its], "v": self.v[its], "lse": self.lse[one]}
        return replace(self, score=self.score.of_heads([index]), bias=bias, **kept)

    def to(self, device: torch.device) -> "AttentionMap":
        """The same maps with their tensors on a device; those that are there already are not copied."""
        if self.q.device == device:
            return self
        parts = {name: getattr(self, name) for name in ("q", "k", "v", "lse", *ON_DEVICE)}
        there: dict[str, Any] = {name: part.to(device) for name, part in parts.items() if part is not None}
        score = Additive(self.score.vector.to(device)) if isinstance(self.score, Additive) else self.score
        bias = None if self.bias is None else self.bias.to(device)
        return replace(self, score=score, mask=self.mask.to(device), bias=bias, **there)

    def window(self, rows: slice = slice(None), cols: slice = slice(None)) -> Float[Tensor, "H R C"]:
        """The exact weights of a block of rows and columns, in float32 or wider; 0 where masked.

        Raises:
            RangeError: the block is not inside the map.
        """
        return self._cells(self._indices(span(rows, self.shape[0], "rows")), span(cols, self.shape[1], "cols"))

    def at(self, rows: Int[Tensor, "R"], cols: slice = slice(None)) -> Float[Tensor, "H R C"]:
        """`window` of rows in any order, which are inside the map: a sample of them, or what another map's rows match.

        Raises:
            RangeError: the columns are not inside the map.
        """
        return self._cells(rows.to(self.q.device), span(cols, self.shape[1], "cols"))

    def visible(self, rows: slice = slice(None), cols: slice = slice(None)) -> Bool[Tensor, "R C"]:
        """Which cells of a block the mask leaves visible.

        Raises:
            RangeError: the block is not inside the map.
        """
        return self._visible(
            self._indices(span(rows, self.shape[0], "rows")), self._indices(span(cols, self.shape[1], "cols"))
        )

    def dense(self) -> Float[Tensor, "H Q K"]:
        """The whole map, for lengths where that is small."""
        return self.window()

    def top_k(self, rows: slice = slice(None), k: int = 5) -> tuple[Float[Tensor, "H R T"], Int[Tensor, "H R T"]]:
        """The k largest weights of each row, largest first, and the keys they fall on; k is capped at K.

        Raises:
            RangeError: the rows are not inside the map, or k is under 1.
        """
        if k < 1:
            raise RangeError(f"k must be at least 1, got {k}", field="k")
        k = min(k, self.shape[1])
        values, indices = [], []
        for _, cols, block in self._blocks(self._indices(span(rows, self.shape[0], "rows")), least=k):
            best = block.topk(k, dim=-1)
            values.append(best.values)
            indices.append(best.indices + cols.start)
        return torch.cat(values, dim=1), torch.cat(indices, dim=1)

    def entropy(self, rows: slice = slice(None)) -> Float[Tensor, "H R"]:
        """Shannon entropy of each row, in nats: 0 for one hot key, log K for a uniform row.

        Raises:
            RangeError: the rows are not inside the map.
        """
        parts = [_entropy(block) for _, _, block in self._blocks(self._indices(span(rows, self.shape[0], "rows")))]
        return torch.cat(parts, dim=1)

    def statistics(self, rows: int | None = None) -> dict[str, Float[Tensor, "H"]]:
        """What kind of head each is, in one pass over the rows, or over a sample of so many; means over the rows.

        entropy: nats. distance: tokens between query and attended key, |i - j|. sink: weight on key 0. diagonal:
        weight on the key at the query's own relative place, a one-token band on a square map. max: the row's largest
        weight.
        """
        queries, keys = self.shape
        sample = torch.tensor(sampled_rows(queries, rows or queries), device=self.q.device)
        problem = self.problem()
        if problem is not None and (statistics := dispatch.statistics(problem, sample)) is not None:
            columns = torch.stack(list(statistics.values())).cpu()  # one wait for the device, not five
            return dict(zip(statistics, columns.unbind(), strict=True))
        totals = {name: torch.zeros(self.heads) for name in ("entropy", "distance", "sink", "diagonal", "max")}
        for index, cols, block in self._blocks(sample):
            distance = (index[:, None] - self._indices(cols)[None, :]).abs().to(block.dtype)
            diagonal = index * keys // queries - cols.start  # outside the columns that are seen, the weight is 0
            inside = (diagonal >= 0) & (diagonal < len(cols))
            place = diagonal.clamp(0, len(cols) - 1)[None, :, None].expand(self.heads, -1, 1)
            parts = {
                "entropy": _entropy(block),
                "distance": (block * distance).sum(dim=-1),
                "sink": block[..., 0] * (cols.start == 0),
                "diagonal": block.gather(2, place)[..., 0] * inside,
                "max": block.amax(dim=-1),
            }
            for name, part in parts.items():
                totals[name] += part.sum(dim=-1).cpu()
        return {name: total / len(sample) for name, total in totals.items()}

    def output_error(self, output: Float[Tensor, "H Q E"], rows: int = 64) -> Float[Tensor, "H"]:
        """The largest difference, per head, between A·V recomputed from the map and the output that the model used.

        At most so many rows are recomputed, spread evenly over the map, first and last among them. The answer is where
        the map is: nobody waits for an accelerator here. Groups stay together, and no key is copied for each head.
        """
        sample = _sample(self.shape[0], rows, self.q.device)
        columns = torch.arange(self.shape[1], device=self.q.device)
        if isinstance(self.score, Additive):
            weights = self._weights(sample, columns)
        else:
            scores = self.score.of_products(grouped_product(self.q[:, sample], self.k.mT))
            weights = self._biased(scores, sample, columns).sub_(self.lse[:, sample, None]).exp_()
            if not isinstance(self.mask, Full):
                weights = weights.masked_fill(~self._visible(sample, columns), 0)
        mixed = grouped_product(weights, self.v)
        difference: Tensor = (mixed - output[:, sample].to(mixed)).abs()
        return difference.amax(dim=(1, 2)).float()

    def problem(self) -> Problem | None:
        """The maps as the kernels of an accelerator take them; None on the host, and of maps that they do not know."""
        return dispatch.supports(self.q, self.k, self.lse, self.score, self.mask, self.bias)

    def some_rows(self, rows: Int[Tensor, "R"]) -> Iterator[tuple[Int[Tensor, "N"], range, Float[Tensor, "H N C"]]]:
        """The weights of these rows, in order, a few at a time: which, the columns that they may see, and the block."""
        return self._blocks(rows)

    def _indices(self, part: range) -> Int[Tensor, "N"]:
        return torch.arange(part.start, part.stop, device=self.q.device)

    def _visible(self, rows: Int[Tensor, "R"], cols: Int[Tensor, "C"]) -> Bool[Tensor, "R C"]:
        visible = self.mask.visible(rows, cols)
        return visible[0]

    def exponents(self, rows: slice = slice(None), cols: slice = slice(None)) -> Float[Tensor, "H R C"]:
        """The logarithms of the weights of a block, whatever the mask: a new tensor, the caller's to change.

        For blocks that are reduced: made in one pass over memory, and exact to the rounding of the log-sum-exp.

        Raises:
            RangeError: the block is not inside the map.
        """
        places = self._indices(span(rows, self.shape[0], "rows")), self._indices(span(cols, self.shape[1], "cols"))
        q, k, lse = self._sides(*places)
        return self._biased(self.score.less(q, k, lse), *places)

    def _sides(
        self, rows: Int[Tensor, "R"], cols: Int[Tensor, "C"]
    ) -> tuple[Float[Tensor, "H R D"], Float[Tensor, "H C D"], Float[Tensor, "H R"]]:
        """Queries, a key for each query head, and log-sum-exps, in float32 or wider."""
        wide = torch.promote_types(self.q.dtype, torch.float32)
        q, k = (aligned(take(x, part).to(wide)) for x, part in ((self.q, rows), (self.k, cols)))
        return q, spread(k, self.heads), take(self.lse, rows)

    def _biased(
        self, scores: Float[Tensor, "H R C"], rows: Int[Tensor, "R"], cols: Int[Tensor, "C"]
    ) -> Float[Tensor, "H R C"]:
        return scores if self.bias is None else scores.add_(self.bias.cells(rows, cols))

    def _cells(self, rows: Int[Tensor, "R"], cols: range) -> Float[Tensor, "H R C"]:
        problem = self.problem()
        weights = None if problem is None else dispatch.window(problem, rows, cols)
        return self._weights(rows, self._indices(cols)) if weights is None else weights

    def _weights(self, rows: Int[Tensor, "R"], cols: Int[Tensor, "C"]) -> Float[Tensor, "H R C"]:
        q, k, lse = self._sides(rows, cols)
        weights: Tensor = self._biased(self.score(q, k), rows, cols).sub_(lse[..., None]).exp_()
        if not isinstance(self.mask, Full):
            weights = weights.masked_fill(~self._visible(rows, cols), 0)
        return weights

    def _blocks(
        self, rows: Int[Tensor, "R"], least: int = 1
    ) -> Iterator[tuple[Int[Tensor, "N"], range, Float[Tensor, "H N C"]]]:
        """Rows with the columns that they may see, `least` of them at least, a few rows at a time."""
        step = max(1, CELLS // (self.heads * self.shape[1]))
        for part in torch.split(rows, max(step, LEAST_ROWS)):
            cols = self.seen(range(int(part[0]), int(part[-1]) + 1), least)
            for few in torch.split(part, max(1, CELLS // (self.heads * len(cols)))):
                yield few, cols, self._cells(few, cols)

    def seen(self, rows: range, least: int = 1) -> range:
        """The run of columns, `least` at least, outside which the mask hides everything from these rows."""
        keys = self.shape[1]
        chunks = [range(start, min(start + COLUMNS, keys)) for start in range(0, keys, COLUMNS)]
        visible = [chunk for chunk in chunks if len(chunks) == 1 or self.mask.covers(rows, chunk) != NONE]
        if not visible:
            return range(least)
        start = max(0, min(visible[0].start, keys - least))
        return range(start, max(visible[-1].stop, start + least))


@lru_cache(maxsize=64)
def _sample(queries: int, rows: int, device: torch.device) -> Int[Tensor, "N"]:
    """`sampled_rows` on a device: layers share them, and each copy there is a pause."""
    return torch.tensor(sampled_rows(queries, rows), device=device)


def sampled_rows(queries: int, rows: int) -> list[int]:
    """At most so many row indices, spread evenly over the map, first and last among them."""
    if queries <= rows:
        return list(range(queries))
    return sorted({round(i * (queries - 1) / (rows - 1)) for i in range(rows)})


def _entropy(weights: Float[Tensor, "H R K"]) -> Float[Tensor, "H R"]:
    """-sum w log w, with 0 log 0 = 0."""
    surprise: Tensor = torch.special.entr(weights)
    return surprise.sum(dim=-1)
