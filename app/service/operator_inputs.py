"""What a caller of POST /v1/attention sends: checked, laid out, and its cost known before anything is multiplied.

Arrays come in as nested lists and go to numpy at once; projections stand before the split into heads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heedmap.app.errors import TooLarge
from heedmap.app.requests.schemas import AttentionRequest, MaskWanted
from heedmap.model.attention.masks import Causal, Full, Mask, Padding, SlidingWindow
from heedmap.model.attention.scores import Additive, ScaledDot, Score
from heedmap.model.errors import ParameterError

SCORES = 1 << 26  # query-key pairs over all heads: 8,192 x 8,192, a second or two of a CPU
WORK = 1 << 36  # products of two numbers, and what takes as long: about four seconds of one core
HIDDEN = 256  # products that take as long as one hidden value of an additive score: 10 ns of sum, tanh and product
SHORT = 1 << 24  # of them, 20 ms at most with all that goes with it: what readers can be asked to wait for
PROJECTED = 1 << 24  # numbers of queries, or keys, times a matrix: 64 MiB
ROW = 1 << 26  # hidden values of one query under an additive score: 256 MiB, of which two are alive at once
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Projection:
    """A matrix (width, width after) that queries or keys are multiplied with, and its field in the request."""

    matrix: Array
    field: str


@dataclass(frozen=True)
class OperatorInputs:
    """What to compute: q (B Q W), k (B K W), v (B K W), their projections and heads, the score, and each one's mask.

    batched, split: whether the caller gave an axis of sequences and named heads, so that the answer has them too.
    """

    q: Array
    k: Array
    v: Array
    projections: tuple[Projection | None, Projection | None]
    heads: int
    kv_heads: int
    size: int
    score: Callable[[], Score]
    additive: bool
    masks: Callable[[int], Mask]
    batched: bool
    split: bool
    return_weights: bool
    culprit: str = "queries"  # the field that is named where scores overflow
    largest_scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """B, H, Q and K."""
        return len(self.q), self.heads, self.q.shape[1], self.k.shape[1]

    @property
    def cells(self) -> int:
        """Query-key pairs over all heads and sequences."""
        batch, heads, queries, keys = self.shape
        return int(batch * heads * queries * keys)

    @property
    def numbers(self) -> int:
        """Weights and components of the output in the answer."""
        batch, heads, queries, _ = self.shape
        outputs = batch * queries * heads * (self.v.shape[2] // self.kv_heads)
        return int(outputs) + (self.cells if self.return_weights else 0)

    @property
    def work(self) -> int:
        """Products that it takes, in all."""
        passes = 2 if self.return_weights else 1  # a map is computed again from the log-sum-exp
        pair = passes * self.size * (HIDDEN if self.additive else 1) + self.v.shape[2] // self.kv_heads
        given = zip((self.q, self.k), self.projections, strict=True)
        projecting = sum(x.size * projection.matrix.shape[1] for x, projection in given if projection is not None)
        return int(projecting + self.cells * pair)

    @property
    def short(self) -> bool:
        """Whether it is done in the time of a window."""
        return self.work <= SHORT


def array(value: Any, field: str, ranks: tuple[int, ...]) -> Array:
    """Nested lists as a float32 array of one of these ranks.

    Raises:
        ParameterError: it is ragged, empty, of another depth, or holds anything but finite numbers.
    """
    try:
        read = np.asarray(value)
    except (ValueError, OverflowError):
        path, detail = _ragged(value, field, ranks[-1]) or (field, "the lists are not of one shape")
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


def _ragged(value: Any, path: str, depth: int) -> tuple[str, str] | None:
    """The first place where nested lists stop being a block of at most so many axes, and what is wrong there."""
    if not depth:
        return path, "lists are nested deeper than an array of this field is"
    first = value[0] if value else None
    for index, item in enumerate(value):
        if isinstance(item, list) != isinstance(first, list):
            return f"{path}.{index}", "lists and numbers are mixed at the same depth"
        if isinstance(item, list) and isinstance(first, list) and len(item) != len(first):
            return f"{path}.{index}", f"has {len(item)} entries where the first has {len(first)}"
    lists = (index for index, item in enumerate(value) if isinstance(item, list))
    inner = (_ragged(value[index], f"{path}.{index}", depth - 1) for index in lists)
    return next((fault for fault in inner if fault is not None), None)


def read(request: AttentionRequest) -> OperatorInputs:
    """Check a request and what it costs; nothing is multiplied yet.

    Raises:
        ParameterError: shapes or options do not fit together; its field says which. TooLarge: too much work.
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
    projections, vector = _projections(request)
    size = _head_size(_width(q, projections[0]), heads, "queries")
    key_size = _head_size(_width(k, projections[1]), kv_heads, "keys")
    _head_size(v.shape[-1], kv_heads, "values")
    if size != key_size:
        raise ParameterError(
            f"a head of the queries is {size} wide, one of the keys {key_size}; projections may differ, heads may not",
            field="keys",
        )
    problem = OperatorInputs(
        *(q, k, v),
        projections,
        heads,
        kv_heads,
        size,
        _score(request, size, vector),
        request.score == "additive",
        _masks(request.mask, len(q), q.shape[1], k.shape[1]),
        batched,
        request.heads is not None,
        request.return_weights,
        "queries" if request.scale is None else "scale",
        max(1.0, request.scale or 0.0),
    )
    if problem.cells > SCORES:
        raise TooLarge(f"{problem.cells:,} query-key pairs, at most {SCORES:,} are computed", field="queries")
    if problem.work > WORK:
        raise TooLarge(
            f"this takes as long as {problem.work:,} products of two numbers, at most {WORK:,} are computed: send "
            "fewer queries at once, or narrower ones",
            field="queries",
        )
    row = heads * problem.k.shape[1] * size
    if problem.additive and row > ROW:
        raise TooLarge(f"an additive score takes {row:,} hidden values a query, at most {ROW:,}", field="keys")
    return problem


def _projections(request: AttentionRequest) -> tuple[tuple[Projection | None, Projection | None], Array | None]:
    """Those of general and additive scores, and the additive vector; what a score takes is given, and nothing else."""
    takes = {"general": ("matrix",), "additive": ("query_matrix", "key_matrix", "vector")}.get(request.score, ())
    for name in ("matrix", "query_matrix", "key_matrix", "vector"):
        present = getattr(request, name) is not None
        if present and name not in takes:
            raise ParameterError(f"the score {request.score} takes no {name}", field=name)
        if not present and name in takes and name in ("matrix", "vector"):
            raise ParameterError(f"the score {request.score} needs {name}", field=name)
    if request.scale is not None and request.score != "scaled_dot":
        raise ParameterError(f"the score {request.score} takes no scale; scaled_dot does", field="scale")
    queries = keys = None
    if request.matrix is not None:
        queries = Projection(array(request.matrix, "matrix", (2,)), "matrix")
    if request.query_matrix is not None:
        queries = Projection(array(request.query_matrix, "query_matrix", (2,)).T, "query_matrix")
    if request.key_matrix is not None:
        keys = Projection(array(request.key_matrix, "key_matrix", (2,)).T, "key_matrix")
    return (queries, keys), None if request.vector is None else array(request.vector, "vector", (1,))


def _width(x: Array, projection: Projection | None) -> int:
    """How wide queries or keys are once they are projected.

    Raises:
        ParameterError: the matrix is of another width. TooLarge: the product would be too large.
    """
    if projection is None:
        return int(x.shape[-1])
    width, after = projection.matrix.shape
    if x.shape[-1] != width:
        raise ParameterError(f"expected a matrix for width {x.shape[-1]}, got one for {width}", field=projection.field)
    numbers = x.shape[0] * x.shape[1] * after
    if numbers > PROJECTED:
        raise TooLarge(
            f"the product with {projection.field} has {numbers:,} numbers, at most {PROJECTED:,} are computed",
            field=projection.field,
        )
    return int(after)


def _head_size(width: int, heads: int, field: str) -> int:
    if width % heads:
        raise ParameterError(f"a width of {width} cannot be split into {heads} heads", field=field)
    return width // heads


def _score(request: AttentionRequest, size: int, vector: Array | None) -> Callable[[], Score]:
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
