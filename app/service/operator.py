"""POST /v1/attention: the bare operator on the caller's own queries, keys and values.

Arrays come in as nested lists and go to numpy at once; projections stand before the split into heads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heedmap.app.errors import NotFinite, TooLarge
from heedmap.app.requests.schemas import AttentionRequest, MaskWanted
from heedmap.app.service.finite import largest_score
from heedmap.model.attention import kernels
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal, Full, Mask, Padding, SlidingWindow
from heedmap.model.attention.scores import Additive, ScaledDot, Score
from heedmap.model.errors import ParameterError

SCORES = 1 << 26  # query-key pairs over all heads: 8,192 x 8,192, a second or two of a CPU
SHORT = 1 << 24  # products of scores and outputs that take 20 ms at most: what readers can be asked to wait for
LARGEST = float(np.finfo(np.float32).max)
OVERFLOWS = f"is over the range of float32, {LARGEST:.2g}, or nearly so; send smaller numbers"
MASK_CELLS = 1 << 22  # of a mask, that are asked for at once: 4 MiB of booleans
OVER_ONE = 1.01  # a weight is at most 1, and rounding adds far less than a hundredth
HIDDEN = 1 << 28  # of an additive score, pairs of a block x head size: 1 GiB of float32, of which two are alive at once


@dataclass(frozen=True)
class OperatorInputs:
    """What to compute: q (B H Q D), k (B G K D), v (B G K E), the score, and a mask for each sequence.

    batched, split: whether the caller gave an axis of sequences and named heads, so that the answer has them too.
    """

    q: NDArray[np.float32]
    k: NDArray[np.float32]
    v: NDArray[np.float32]
    score: Callable[[], Score]
    masks: Callable[[int], Mask]
    batched: bool
    split: bool
    return_weights: bool
    culprit: str = "queries"  # the field that is named where scores overflow

    @property
    def cells(self) -> int:
        """Weights in the answer."""
        batch, heads, queries, _ = self.q.shape
        return int(batch * heads * queries * self.k.shape[2])

    @property
    def short(self) -> bool:
        """Whether it is done in the time of a window."""
        return self.cells * int(self.q.shape[3] + self.v.shape[3]) <= SHORT


def array(value: Any, field: str, ranks: tuple[int, ...]) -> NDArray[np.float32]:
    """Nested lists as a float32 array of one of these ranks.

    Raises:
        ParameterError: it is ragged, empty, of another depth, or holds anything but finite numbers.
    """
    try:
        read = np.asarray(value)
    except (ValueError, OverflowError):
        path, detail = _ragged(value, field) or (field, "the lists are not of one shape")
        raise ParameterError(detail, field=path) from None
    if read.ndim not in ranks or read.size == 0:
        depths = " or ".join(str(rank) for rank in ranks)
        raise ParameterError(
            f"expected a list of depth {depths} with numbers in it, got shape {read.shape}", field=field
        )
    if read.dtype.kind not in "iuf":
        raise ParameterError("expected numbers only", field=field)
    with np.errstate(over="ignore"):
        single = read.astype(np.float32)
    if not np.isfinite(single).all():
        place = ".".join(str(index) for index in np.argwhere(~np.isfinite(single))[0])
        raise ParameterError("a number is infinite, not a number, or too large for float32", field=f"{field}.{place}")
    return single


def _ragged(value: Any, path: str) -> tuple[str, str] | None:
    """The first place where nested lists stop being a block, and what is wrong there."""
    first = value[0] if value else None
    for index, item in enumerate(value):
        if isinstance(item, list) != isinstance(first, list):
            return f"{path}.{index}", "lists and numbers are mixed at the same depth"
        if isinstance(item, list) and isinstance(first, list) and len(item) != len(first):
            return f"{path}.{index}", f"has {len(item)} entries where the first has {len(first)}"
    inner = (_ragged(item, f"{path}.{index}") for index, item in enumerate(value) if isinstance(item, list))
    return next((fault for fault in inner if fault is not None), None)


def read(request: AttentionRequest) -> OperatorInputs:
    """Check a request and lay its arrays out by heads.

    Raises:
        ParameterError: shapes or options do not fit together; its field says which. TooLarge: too many pairs.
    """
    q = array(request.queries, "queries", (2, 3))
    k = q if request.keys is None else array(request.keys, "keys", (2, 3))
    v = k if request.values is None else array(request.values, "values", (2, 3))
    batched = q.ndim == 3
    for name, other in (("keys", k), ("values", v)):
        if other.ndim != q.ndim or (batched and len(other) != len(q)):
            raise ParameterError(
                f"queries have shape {q.shape}, {name} {other.shape}: the batch must be the same", field=name
            )
    if v.shape[-2] != k.shape[-2]:
        raise ParameterError(f"there are {k.shape[-2]} keys and {v.shape[-2]} values", field="values")
    if not batched:
        q, k, v = q[None], k[None], v[None]
    heads, kv_heads = request.heads or 1, request.kv_heads or request.heads or 1
    if heads % kv_heads:
        raise ParameterError(f"{heads} heads cannot share {kv_heads} key/value heads evenly", field="kv_heads")
    q, k, vector = _project(request, q, k)
    parts = _split(q, heads, "queries"), _split(k, kv_heads, "keys"), _split(v, kv_heads, "values")
    size, key_size = parts[0].shape[-1], parts[1].shape[-1]
    if size != key_size:
        raise ParameterError(
            f"a head of the queries is {size} wide, one of the keys {key_size}; projections may differ, heads may not",
            field="keys",
        )
    problem = OperatorInputs(
        *parts,
        _score(request, size, vector),
        _masks(request.mask, len(q), q.shape[1], k.shape[1]),
        batched,
        request.heads is not None,
        request.return_weights,
        "queries" if request.scale is None else "scale",
    )
    if request.score != "additive" and largest_score(*parts[:2]) * max(1.0, request.scale or 0.0) > LARGEST:
        raise NotFinite(f"a score {OVERFLOWS}", field=problem.culprit)  # a kernel may answer 0 where it is -inf
    if problem.cells > SCORES:
        raise TooLarge(f"{problem.cells:,} query-key pairs, at most {SCORES:,} are computed", field="queries")
    block = problem.cells // q.shape[1] * min(q.shape[1], kernels.BLOCK) // len(q)
    if request.score == "additive" and block * size > HIDDEN:
        raise TooLarge(
            f"an additive score takes {block * size:,} hidden values a block, at most {HIDDEN:,}", field="queries"
        )
    return problem


def _project(
    request: AttentionRequest, q: NDArray[np.float32], k: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
    """The projections of general and additive scores; the parameters that a score takes are given, and no others."""
    takes = {"general": ("matrix",), "additive": ("query_matrix", "key_matrix", "vector")}.get(request.score, ())
    for name in ("matrix", "query_matrix", "key_matrix", "vector"):
        present = getattr(request, name) is not None
        if present and name not in takes:
            raise ParameterError(f"the score {request.score} takes no {name}", field=name)
        if not present and name in takes and name in ("matrix", "vector"):
            raise ParameterError(f"the score {request.score} needs {name}", field=name)
    if request.scale is not None and request.score != "scaled_dot":
        raise ParameterError(f"the score {request.score} takes no scale; scaled_dot does", field="scale")
    if request.matrix is not None:
        q = _times(q, array(request.matrix, "matrix", (2,)), "matrix")
    if request.query_matrix is not None:
        q = _times(q, array(request.query_matrix, "query_matrix", (2,)).T, "query_matrix")
    if request.key_matrix is not None:
        k = _times(k, array(request.key_matrix, "key_matrix", (2,)).T, "key_matrix")
    return q, k, None if request.vector is None else array(request.vector, "vector", (1,))


def _times(x: NDArray[np.float32], matrix: NDArray[np.float32], field: str) -> NDArray[np.float32]:
    if x.shape[-1] != matrix.shape[0]:
        raise ParameterError(f"expected a matrix for width {x.shape[-1]}, got one for {matrix.shape[0]}", field=field)
    with np.errstate(over="ignore", invalid="ignore"):
        product: NDArray[np.float32] = x @ matrix
    if not np.isfinite(product).all():
        raise NotFinite(
            f"the product with {field} is over the range of float32, {LARGEST:.2g}; send smaller numbers", field=field
        )
    return product


def _split(x: NDArray[np.float32], heads: int, field: str) -> NDArray[np.float32]:
    batch, length, width = x.shape
    if width % heads:
        raise ParameterError(f"a width of {width} cannot be split into {heads} heads", field=field)
    return np.ascontiguousarray(x.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3))


def _score(request: AttentionRequest, size: int, vector: NDArray[np.float32] | None) -> Callable[[], Score]:
    if vector is not None:
        if len(vector) != size:
            raise ParameterError(f"a head is {size} wide, the vector has {len(vector)} numbers", field="vector")
        return lambda: Additive(torch.from_numpy(vector))
    if request.score != "scaled_dot":
        return lambda: ScaledDot(1.0)
    return lambda: ScaledDot.for_size(size) if request.scale is None else ScaledDot(request.scale)


def _masks(mask: Any, batch: int, queries: int, keys: int) -> Callable[[int], Mask]:
    """The mask of each sequence."""
    if isinstance(mask, list):
        try:
            matrix = np.asarray(mask)
        except ValueError:
            matrix = np.empty(0)
        if matrix.dtype.kind not in "biu" or matrix.shape != (queries, keys) or not np.isin(matrix, (0, 1)).all():
            raise ParameterError(f"expected {queries} lists of {keys} booleans, true where visible", field="mask")
        return lambda sequence: Explicit(torch.from_numpy(matrix.astype(bool)))
    assert isinstance(mask, MaskWanted)
    match mask.kind:
        case "causal":
            return lambda sequence: Causal()
        case "sliding_window":
            size = mask.size or 1
            return lambda sequence: SlidingWindow(size)
        case "padding":
            lengths = mask.length if isinstance(mask.length, list) else [mask.length or 0] * batch
            if len(lengths) != batch or any(not 0 <= length <= keys for length in lengths):
                raise ParameterError(f"expected {batch} lengths from 0 to {keys}", field="mask.length")
            return lambda sequence: Padding(torch.tensor([lengths[sequence]]))
    return lambda sequence: Full()


class Explicit(Mask):
    """A mask that the caller wrote out: (Q, K), true where visible."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix

    def visible(self, queries: Tensor, keys: Tensor) -> Tensor:
        return self.matrix[queries][:, keys][None]

    def describe(self) -> dict[str, Any]:
        return {"kind": "explicit"}


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


def compute(problem: OperatorInputs) -> dict[str, Any]:
    """The answer, in numpy; runs on a worker.

    output (B, Q, H·E), weights (B, H, Q, K) and lse (B, H, Q), without B where the caller gave none and without H
    where the caller named no heads. A row that sees nothing has output 0, weights 0 and lse null.

    Raises:
        NotFinite: scores, their sum or the output are over the range of float32, so that there is no answer.
    """
    outputs, weights, normalizers, names = [], [], [], set()
    with torch.inference_mode():
        for sequence in range(len(problem.q)):
            q, k, v = (torch.from_numpy(x[sequence : sequence + 1]) for x in (problem.q, problem.k, problem.v))
            score, mask = problem.score(), problem.masks(sequence)
            output, lse, name = kernels.attend(q, k, v, mask, score=score)
            check_normalizers(lse[0], mask, k.shape[2], problem.culprit)
            if not bool(torch.isfinite(output).all()):
                raise NotFinite(f"the output {OVERFLOWS}", field="values")
            outputs.append(output[0].transpose(0, 1).flatten(1).numpy())
            normalizers.append(lse[0].numpy())
            names.add(name)
            if problem.return_weights:
                block = AttentionMap(q[0], k[0], v[0], lse[0], score, mask).window()
                if not bool(((block >= 0) & (block <= OVER_ONE)).all()):  # false for what is no number, too
                    raise NotFinite(f"the weights cannot be told: a score {OVERFLOWS}", field=problem.culprit)
                weights.append(block.numpy())

    def shaped(parts: list[NDArray[np.float32]], has_heads: bool) -> NDArray[np.float32]:
        block = np.stack(parts)
        if has_heads and not problem.split:
            block = block[:, 0]
        return np.ascontiguousarray(block if problem.batched else block[0])

    answer: dict[str, Any] = {"output": shaped(outputs, False), "lse": shaped(normalizers, True)}
    if problem.return_weights:
        answer["weights"] = shaped(weights, True)
    shape = [len(problem.q), problem.q.shape[1], problem.q.shape[2], problem.k.shape[2]]
    kept = (problem.batched, problem.split, True, True)
    answer["shape"] = [length for length, keep in zip(shape, kept, strict=True) if keep]
    answer["kernel"] = "+".join(sorted(names))
    return answer
