"""POST /v1/attention: the bare operator on the caller's own queries, keys and values, a strip of rows at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from heedmap.app.errors import NotFinite
from heedmap.app.service.finite import largest_score
from heedmap.app.service.operator_inputs import HIDDEN, Array, Explicit, OperatorInputs, Projection
from heedmap.model.attention import kernels
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal, Mask, SlidingWindow
from heedmap.model.watch import Stop, never, raise_if_cancelled

STRIP = 1 << 28  # of them between two looks at whether somebody still waits: 10 to 20 ms
STRIP_CELLS = 1 << 20  # weights of a strip: as long, where heads are narrow
LARGEST = float(np.finfo(np.float32).max)
OVERFLOWS = f"is over the range of float32, {LARGEST:.2g}, or nearly so; send smaller numbers"
MASK_CELLS = 1 << 22  # of a mask, that are asked for at once: 4 MiB of booleans
OVER_ONE = 1.01  # a weight is at most 1, and rounding adds far less than a hundredth


def check_normalizers(lse: Tensor, mask: Mask, keys: int, field: str) -> None:
    """Whether every row that sees a key has a log-sum-exp (H, Q); that of one which sees none is -inf.

    Raises:
        NotFinite: a score was over the range, so that the sum of the row's powers is too.
    """
    finite = torch.isfinite(lse).all(dim=0)
    if bool(finite.all()):
        return
    if bool((torch.isnan(lse) | (lse == torch.inf)).any()):
        raise NotFinite(f"a score {OVERFLOWS}", field=field)
    rows, columns = torch.nonzero(~finite).flatten(), torch.arange(keys)
    for some in torch.split(rows, max(1, MASK_CELLS // keys)):
        if bool(mask.visible(some, columns).any()):
            raise NotFinite(f"a score {OVERFLOWS}", field=field)


def below(mask: Mask, start: int) -> Mask:
    """A mask as the queries from `start` on see it."""
    match mask:
        case Causal():
            return Causal(start) if start else mask
        case SlidingWindow():
            return SlidingWindow(mask.size, start)
        case Explicit():
            return Explicit(mask.matrix[start:])
    return mask


class Computation:
    """One problem under way: `turns` does it a strip at a time, then `answer` has it.

    output (B, Q, H·E), weights (B, H, Q, K) and lse (B, H, Q), without B where the caller gave none and without H
    where the caller named no heads. A row that sees nothing has output 0, weights 0 and lse null.
    """

    def __init__(self, problem: OperatorInputs) -> None:
        self.problem = problem
        self.names: set[str] = set()
        batch, heads, queries, keys = problem.shape
        self.output = np.empty((batch, queries, heads * (problem.v.shape[2] // problem.kv_heads)), np.float32)
        self.lse = np.empty((batch, heads, queries), np.float32)
        self.weights = np.empty((batch, heads, queries, keys), np.float32) if problem.return_weights else None

    def turns(self) -> Iterator[None]:
        """Do the work; between two strips others may have their turn, or it is given up. Runs on a worker.

        Raises:
            NotFinite: scores, their sum or the output are over the range of float32, so that there is no answer.
        """
        problem = self.problem
        sides = []
        for x, projection, heads in zip(
            (problem.q, problem.k), problem.projections, (problem.heads, problem.kv_heads), strict=True
        ):
            product = x
            if projection is not None:
                product = np.empty((*x.shape[:2], projection.matrix.shape[1]), np.float32)
                yield from _times(x, projection, product)
            sides.append(_by_heads(product, heads))
        q, k, v = (*sides, _by_heads(problem.v, problem.kv_heads))
        if not problem.additive and largest_score(q, k) * problem.largest_scale > LARGEST:
            raise NotFinite(f"a score {OVERFLOWS}", field=problem.culprit)  # a kernel may answer 0 where it is -inf
        _, heads, queries, keys = problem.shape
        row = heads * keys * problem.size * (HIDDEN if problem.additive else 1)
        step = max(1, min(STRIP // row, STRIP_CELLS // (heads * keys)))
        for sequence in range(len(q)):
            for start in range(0, queries, step):
                self._strip(q, k, v, sequence, slice(start, min(start + step, queries)))
                yield None

    @torch.inference_mode()
    def _strip(self, q: Array, k: Array, v: Array, sequence: int, rows: slice) -> None:
        problem, one = self.problem, slice(sequence, sequence + 1)
        queries, keys, values = (torch.from_numpy(x) for x in (q[one, :, rows], k[one], v[one]))
        score, mask = problem.score(), below(problem.masks(sequence), rows.start)
        output, lse, name = kernels.attend(queries, keys, values, mask, score=score)
        check_normalizers(lse[0], mask, keys.shape[2], problem.culprit)
        if not bool(torch.isfinite(output).all()):
            raise NotFinite(f"the output {OVERFLOWS}", field="values")
        self.output[sequence, rows] = output[0].transpose(0, 1).flatten(1).numpy()
        self.lse[sequence, :, rows] = lse[0].numpy()
        self.names.add(name)
        if self.weights is not None:
            block = AttentionMap(queries[0], keys[0], values[0], lse[0], score, mask).window()
            if not bool(((block >= 0) & (block <= OVER_ONE)).all()):  # false for what is no number, too
                raise NotFinite(f"the weights cannot be told: a score {OVERFLOWS}", field=problem.culprit)
            self.weights[sequence, :, rows] = block.numpy()

    def answer(self) -> dict[str, Any]:
        """What the turns made, in numpy."""
        problem = self.problem

        def shaped(block: Array, has_heads: bool) -> Array:
            if has_heads and not problem.split:
                block = block[:, 0]
            return np.ascontiguousarray(block if problem.batched else block[0])

        answer: dict[str, Any] = {"output": shaped(self.output, False), "lse": shaped(self.lse, True)}
        if self.weights is not None:
            answer["weights"] = shaped(self.weights, True)
        kept = (problem.batched, problem.split, True, True)
        answer["shape"] = [length for length, keep in zip(problem.shape, kept, strict=True) if keep]
        answer["kernel"] = "+".join(sorted(self.names))
        return answer


def compute(problem: OperatorInputs, cancelled: Stop = never) -> dict[str, Any]:
    """The answer of a `Computation`, at one go.

    Raises:
        NotFinite: as its turns do. Cancelled: `cancelled` became true between two strips.
    """
    computation = Computation(problem)
    for _ in computation.turns():
        raise_if_cancelled(cancelled)
    return computation.answer()


def _times(x: Array, projection: Projection, product: Array) -> Iterator[None]:
    """x (B L W) times a matrix, into `product`, some rows at a time.

    Raises:
        NotFinite: a product is over the range.
    """
    rows, into = x.reshape(-1, x.shape[-1]), product.reshape(-1, product.shape[-1])
    step = max(1, STRIP // projection.matrix.size)
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(rows[some], projection.matrix, out=into[some])
        if not np.isfinite(into[some]).all():
            raise NotFinite(f"the product with {projection.field} {OVERFLOWS}", field=projection.field)
        yield None


def _by_heads(x: Array, heads: int) -> Array:
    batch, length, width = x.shape
    return np.ascontiguousarray(x.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3))
