"""Edits of a pass, applied: attention with heads silenced or tempered, edges cut, rows patched, exactly.

    A'_ij = exp(s'_ij - lse'_i)        s' the edited scores, -inf where an edge is cut
    output'_i = sum_j A'_ij v_j        lse' over what is left, or, where the mass is dropped, the one from before

The fused kernel computes the layer as it is, with tempered queries where a head is tempered. Only the rows of heads
that a cut touches are computed once more beside it, a few at a time: memory stays linear in the length. What comes out
keeps the formula of a map, so that maps and certificates of an edited pass are exact too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from heedmap.model.attention.biases import Bias, Edited
from heedmap.model.attention.edited_rows import EVERY, Hidden, Inputs
from heedmap.model.attention.kernels import attend, blockwise
from heedmap.model.attention.masks import Mask
from heedmap.model.attention.operators import differentiated
from heedmap.model.attention.scores import Additive, ScaledDot, Score, SoftCapped, Tempered
from heedmap.model.edits import END
from heedmap.model.errors import ParameterError

CELLS = 1 << 22  # scores that are computed at once beside the kernel: 16 MiB in float32


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a head from elsewhere: outputs (N E), or weights (N K), of the queries from `start` on."""

    head: int
    start: int
    values: Tensor


@dataclass(frozen=True, eq=False)
class Attention:
    """What an edited attention computed.

    q, score and bias: as edited, so that the formula holds. output: by the edited weights; mixed: what the model goes
    on with, which is that but for patched outputs. edited: makes the edited bias of the layer's own.
    """

    q: Tensor
    score: Score
    output: Tensor
    lse: Tensor
    kernel: str
    mixed: Tensor
    edited: Callable[[Bias | None], Edited]


@dataclass(eq=False)
class LayerEdits:
    """What is done to the attention of one layer.

    where: its name, for errors. factors: what scores of heads are multiplied with, 0 for those that see all their keys
    alike. hidden: what is cut. outputs, weights: rows from elsewhere. means: outputs of heads (E), whatever the query.
    """

    where: str
    factors: dict[int, float] = field(default_factory=dict)
    hidden: list[Hidden] = field(default_factory=list)
    outputs: list[Rows] = field(default_factory=list)
    weights: list[Rows] = field(default_factory=list)
    means: dict[int, Tensor] = field(default_factory=dict)

    @property
    def by_cells(self) -> bool:
        """Whether it matters which query and which key is which."""
        return bool(self.outputs or self.weights) or any(
            part.queries != (0, END) or part.keys != (0, END) for part in self.hidden
        )

    def attend(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Mask | None,
        bias: Tensor | None,
        score: Score,
        start: int = 0,
        sinks: Tensor | None = None,
    ) -> Attention:
        """Edited attention.

        Args:
            q: queries (B H Q D); k: keys (B G K D); v: values (B G K E); bias: broadcast over (B H Q K).
            start: the first query's place in the sequence; keys begin with the sequence's first.
            sinks: of each head a logit that stands for no key (H).

        Raises:
            ParameterError: a cut leaves a row nothing to see.
        """
        heads, keys = q.shape[1], k.shape[2]
        factors = torch.tensor([self.factors.get(head, 1.0) for head in range(heads)], device=q.device)
        own = factors.tolist()
        if self.factors:
            q, score = _scaled(q, score, own)
            bias = None if bias is None else bias * factors[:, None, None].to(bias.dtype)
            if sinks is not None:
                sinks = sinks.masked_fill(factors == 0, -math.inf)  # all keys alike, and nothing else
        q = self._blank(q, start, score)
        output, lse, kernel = with_sinks(q, k, v, mask, bias, score, sinks)
        layer = Inputs(self.where, q, k, v, mask, bias, score, sinks, start)
        output, lse = self._hide(layer, output, lse)
        output, lse = self._weigh(layer, output, lse)
        mixed = self._patch(output, start)
        cuts = [(part.head, *part.queries, *part.keys) for part in self.hidden]
        places = [(rows.head, rows.start + at) for rows in self.weights for at in range(len(rows.values))]
        given = [_fitted(rows.values, keys).to(q.device).float() for rows in self.weights]
        facts = (
            factors.cpu(),
            torch.tensor(cuts, dtype=torch.int64).view(-1, 5),
            torch.tensor(places, dtype=torch.int64).view(-1, 2),
            torch.cat(given).log() if given else torch.zeros(0, 0),
        )
        return Attention(q, score, output, lse, kernel, mixed, lambda base: Edited(base, *facts))

    def _blank(self, q: Tensor, start: int, score: Score) -> Tensor:
        """Queries of rows whose weights are given are 0: their scores are what the bias says."""
        if self.weights and isinstance(score, Additive):
            raise ParameterError(f"weights of {self.where} cannot be patched: its scores are no products; patch output")
        for rows in self.weights:
            part = _within(rows, start, q.shape[2])
            if part:
                q = q.clone()
                q[:, rows.head, part.start - start : part.stop - start] = 0
        return q

    def _hide(self, layer: Inputs, output: Tensor, lse: Tensor) -> tuple[Tensor, Tensor]:
        """Output and log-sum-exp with the cuts."""
        heads, queries = output.shape[1], output.shape[2]
        silent = {part.head for part in self.hidden if part.drop and (part.queries, part.keys) == ((0, END),) * 2}
        if EVERY in silent:
            silent = set(range(heads))
        groups: dict[tuple[tuple[int, int], ...], list[int]] = {}
        for head in range(heads):
            mine = [part for part in self.hidden if part.head in (EVERY, head)]
            spans = tuple(sorted({part.queries for part in mine}))
            if spans and not (head in silent and all(part.drop for part in mine)):
                groups.setdefault(spans, []).append(head)
        if silent or groups:
            output, lse = output.clone(), lse.clone()
        for spans, members in groups.items():
            touched = torch.zeros(queries, dtype=torch.bool)
            for first, last in spans:
                touched[max(0, first - layer.start) : max(0, min(last - layer.start, queries))] = True
            rows = touched.nonzero()[:, 0]
            step = max(1, CELLS // (len(members) * layer.k.shape[2] * output.shape[0]))
            own = torch.tensor(members, device=output.device)[:, None]
            for part in torch.split(rows, step) if len(rows) else ():
                part = part.to(output.device)
                mixed, denominators = layer.rows(self.hidden, members, part)
                output[:, own, part[None, :]] = mixed.to(output.dtype)
                lse[:, own, part[None, :]] = denominators.detach().to(lse.dtype)
        for head in silent:
            output[:, head] = 0
        return output, lse

    def _weigh(self, layer: Inputs, output: Tensor, lse: Tensor) -> tuple[Tensor, Tensor]:
        """Output of rows whose weights are given."""
        for rows in self.weights:
            part = _within(rows, layer.start, output.shape[2])
            if not part:
                continue
            at = torch.arange(part.start - layer.start, part.stop - layer.start, device=output.device)
            weights = _fitted(rows.values[part.start - rows.start : part.stop - rows.start], layer.k.shape[2])
            weights = weights.to(output.device).float()[None].expand(output.shape[0], -1, -1)
            if layer.mask is not None:
                weights = weights * layer.visible(at)
            weights = weights.masked_fill(layer.hides(self.hidden, rows.head, at), 0)
            group = rows.head // (output.shape[1] // layer.v.shape[1])
            output, lse = output.clone(), lse.clone()
            output[:, rows.head, at] = (weights @ layer.v[:, group].to(weights.dtype)).to(output.dtype)
            lse[:, rows.head, at] = 0
        return output, lse

    def _patch(self, output: Tensor, start: int) -> Tensor:
        """The output with rows of others in it."""
        if self.means or self.outputs:
            output = output.clone()
        for head, mean in self.means.items():
            output[:, head] = mean.to(output)
        for rows in self.outputs:
            part = _within(rows, start, output.shape[2])
            if part:
                values = rows.values[part.start - rows.start : part.stop - rows.start]
                output[:, rows.head, part.start - start : part.stop - start] = values.to(output)
        return output


def with_sinks(
    q: Tensor, k: Tensor, v: Tensor, mask: Mask | None, bias: Tensor | None, score: Score, sinks: Tensor | None
) -> tuple[Tensor, Tensor, str]:
    """Attention by the best kernel, where each head may have a logit that stands for no key (GPT-OSS's sinks)."""
    if sinks is None:
        return attend(q, k, v, mask, bias, score)
    if differentiated(q, k, v):  # fused kernels know no gradient of the denominator
        (output, lse), kernel = blockwise(q, k, v, mask, bias, score), "blockwise"
    else:
        output, lse, kernel = attend(q, k, v, mask, bias, score)
    total = torch.logaddexp(lse.float(), sinks.float()[None, :, None])
    return output * torch.exp(lse - total).to(output.dtype)[..., None], total, kernel


def _scaled(q: Tensor, score: Score, factors: Sequence[float]) -> tuple[Tensor, Score]:
    """Queries and formula whose scores are those times a factor for each head."""
    match score:
        case ScaledDot():
            return q * torch.tensor(factors, device=q.device, dtype=q.dtype)[None, :, None, None], score
        case Additive(vector):
            return q, Additive(vector * factors[0])  # of one head
    assert isinstance(score, SoftCapped)
    return q, Tempered(score, tuple(factors))


def _within(rows: Rows, start: int, queries: int) -> range:
    """Those places in the sequence that are both among the rows and among the queries of this pass."""
    return range(max(rows.start, start), min(rows.start + len(rows.values), start + queries))


def _fitted(weights: Tensor, keys: int) -> Tensor:
    """Rows of weights over so many keys: those that the other trace did not have get nothing."""
    weights = weights[:, :keys]
    missing = keys - weights.shape[1]
    return torch.nn.functional.pad(weights, (0, missing)) if missing else weights
