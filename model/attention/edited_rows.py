"""Rows of an edited attention that are computed beside the kernel: those that a cut touches, by the formula."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from heedmap.model.attention.masks import Mask
from heedmap.model.attention.operators import differentiated
from heedmap.model.attention.scores import Score
from heedmap.model.errors import ParameterError

EVERY = -1  # in the place of a head: all of them


@dataclass(frozen=True)
class Hidden:
    """A rectangle of cells that is hidden from a head (EVERY: all), and what becomes of its mass.

    edit: its place among the request's edits.
    """

    head: int
    queries: tuple[int, int]
    keys: tuple[int, int]
    drop: bool
    edit: int = 0


@dataclass(frozen=True, eq=False)
class Inputs:
    """The inputs of a layer's attention, of which some rows are computed beside the kernel."""

    where: str
    q: Tensor
    k: Tensor
    v: Tensor
    mask: Mask | None
    bias: Tensor | None
    score: Score
    sinks: Tensor | None
    start: int

    def rows(self, hidden: Sequence[Hidden], heads: Sequence[int], rows: Tensor) -> tuple[Tensor, Tensor]:
        """Output (B N R E) and log-sum-exp (B N R) of some rows of some heads, with what is hidden.

        Raises:
            ParameterError: a row has nothing left.
        """
        group = self.q.shape[1] // self.k.shape[1]
        groups = [head // group for head in heads]
        cut, dropped, blame = self._cells(hidden, heads, rows)
        bias = self.bias
        if bias is not None:
            bias = bias[:, list(heads)] if bias.shape[1] > 1 else bias
            bias = bias[:, :, rows] if bias.shape[2] > 1 else bias
        sinks = None if self.sinks is None else self.sinks[list(heads)]
        visible = None if self.mask is None else self.visible(rows)[:, None]
        q, k, v = self.q[:, list(heads)][:, :, rows], self.k[:, groups], self.v[:, groups]
        inputs = (q, k, v, self.score.of_heads(heads), bias, visible, cut, dropped, sinks)
        if differentiated(q, k, v):
            mixed, lse, empty = checkpoint(_mixed, *inputs, use_reentrant=False, preserve_rng_state=False)
        else:
            mixed, lse, empty = _mixed(*inputs)
        if blame is not None and bool(empty.any()):
            _, head, row = (int(at) for at in empty.nonzero()[0])
            raise ParameterError(
                f"query {int(rows[row]) + self.start} of head {heads[head]} in {self.where} is left nothing to see: "
                'keep a key, leave the query out, or take "mass": "drop"',
                field=f"edits.{blame}",
            )
        return mixed, lse

    def visible(self, rows: Tensor) -> Tensor:
        """(B R K)"""
        assert self.mask is not None
        return self.mask.to(rows.device).visible(rows, torch.arange(self.k.shape[2], device=rows.device))

    def hides(self, hidden: Sequence[Hidden], head: int, rows: Tensor) -> Tensor:
        """Which cells (R K) of a head's rows are cut, in whatever way."""
        cut, dropped, _ = self._cells(hidden, [head], rows)
        return (cut | dropped)[0]

    def _cells(self, hidden: Sequence[Hidden], heads: Sequence[int], rows: Tensor) -> tuple[Tensor, Tensor, int | None]:
        """Cells (N R K) that the softmax leaves out, those whose mass is dropped, and the first edit of the former."""
        queries, shape = rows + self.start, (len(heads), len(rows), self.k.shape[2])
        cut, dropped = (torch.zeros(shape, dtype=torch.bool, device=rows.device) for _ in range(2))
        every = torch.zeros((2, *shape[1:]), dtype=torch.bool, device=rows.device)  # there may be hundreds of spans
        blame = None
        for part in hidden:
            if part.head != EVERY and part.head not in heads:
                continue
            (first, last), keys = part.queries, slice(*part.keys)
            there = ((queries >= first) & (queries < last))[:, None]
            if part.head == EVERY:
                every[int(part.drop), :, keys] |= there
            else:
                (dropped if part.drop else cut)[heads.index(part.head), :, keys] |= there
            blame = part.edit if blame is None and not part.drop else blame
        cut |= every[0]
        dropped |= every[1]
        return cut, dropped, blame


def _mixed(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    score: Score,
    bias: Tensor | None,
    visible: Tensor | None,
    cut: Tensor,
    dropped: Tensor,
    sinks: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Output, log-sum-exp, and which rows had something to see and have nothing now, by the formula."""
    wide = torch.promote_types(q.dtype, torch.float32)
    scores = score(q.to(wide), k.to(wide))
    if bias is not None:
        scores = scores + bias
    if visible is not None:
        scores = scores.masked_fill(~visible, -math.inf)
    seen = (scores > -math.inf).any(dim=-1)
    scores = scores.masked_fill(cut, -math.inf)
    lse = scores.logsumexp(dim=-1)
    empty = seen & (lse == -math.inf)
    if sinks is not None:
        lse = torch.logaddexp(lse, sinks.to(lse)[None, :, None])
    weights = torch.exp(scores - lse.masked_fill(lse == -math.inf, 0)[..., None]).masked_fill(dropped, 0)
    return weights @ v.to(wide), lse, empty
