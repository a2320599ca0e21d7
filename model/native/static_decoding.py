"""Decoding over buffers that stay where they are: what a CUDA graph can hold, and what a CPU can test.

A step reads and writes tensors that were set aside once, in a shape out of few: its rows and its columns are powers of
two, the first so many of the buffers. Each row has its own position, so that a sequence joins at its own beginning,
and a longer shape is a wider look at the same buffers: nothing moves when a batch grows over a border. What a row does
not see yet is hidden by a mask, at the cost of reading it: at most half of the columns.

The likeliest token, its log-probability and whether the row has met its end belong to the step; a row of two numbers
comes back to the host, in one copy. Bytes of a step: the weights, and `rows x columns` of keys and values; launches:
one.
"""

import math
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.attention.multihead import AttentionRecorder
from heedmap.model.native.graphs import Replay
from heedmap.model.native.tokenizer import END, PAD

LEAST = 32  # columns of the smallest shape: under it a step is launches and weights
# Rows that are set aside at least, for a request with its hypotheses, and for a running batch: few sizes, because
# another size needs other captures. More are set aside as powers of two, up to the last.
FEW, MANY, MOST = 8, 64, 512
AT_ONCE = 2  # decodings of one network that have buffers: the running batch, and what is being traced
SHARE = 4  # static buffers take at most one part in so many of a device's free memory


def bucket(size: int, least: int = 1) -> int:
    """The power of two that holds `size`, at least `least`."""
    return max(least, 1 << (size - 1).bit_length())


def attend_over(
    q: Float[Tensor, "B H D"], k: Float[Tensor, "B G K D"], v: Float[Tensor, "B G K D"], mask: Float[Tensor, "B 1 1 K"]
) -> Float[Tensor, "B M"]:
    """One query of each row and head; the heads of a group are the queries of one, so that no key is repeated."""
    rows, heads, size = q.shape
    grouped = q.view(rows, k.shape[1], heads // k.shape[1], size)
    return F.scaled_dot_product_attention(grouped, k, v, mask).reshape(rows, heads * size)


class StaticDecoding(ABC):
    """A batch that is decoded over static buffers: the decoder of `decoding.generate` and its state in one.

    Args:
        rows: sequences that the buffers hold, a power of two.
        columns: tokens of each that they hold, a power of two.
        last: the last position that the network knows.
        output: the output projection (V M): dtype and device of all.
        replay: how a step is run.
    """

    joined: Tensor | None = None  # as in `InferenceState`: here no row has columns before its own beginning

    def __init__(self, rows: int, columns: int, last: int, output: Tensor, replay: Replay) -> None:
        self.capacity, self.columns, self.last, self.replay = rows, columns, last, replay
        device = output.device
        self.tokens = torch.zeros(rows, dtype=torch.long, device=device)  # that the next step reads
        self.positions = torch.zeros(rows, dtype=torch.long, device=device)  # where it stands
        self.ended = torch.zeros(rows, dtype=torch.bool, device=device)
        self.logits = output.new_zeros(rows, len(output))
        self.results = torch.zeros(rows, 2, dtype=torch.float64, device=device)  # id and log-probability, both exact
        self.places = torch.arange(columns, device=device)
        self.indices = torch.arange(rows, device=device)
        self.rows = 0  # sequences that there are; more are computed, up to a power of two
        self.seen: list[int] = []  # `positions` once more, on the host

    @property
    def moving(self) -> tuple[Tensor, ...]:
        """The buffers from which a step starts."""
        return self.tokens, self.positions, self.ended

    @abstractmethod
    def compute(self, shape: tuple[int, ...], at: Int[Tensor, "B"]) -> Float[Tensor, "B V"]:
        """Logits after the tokens of the first rows; keys and values are written at each row's own position, `at`."""

    @abstractmethod
    def keep(self, rows: Int[Tensor, "B"], sources: Sequence[int]) -> None:
        """Let these rows' keys and values be the first ones; `sources` are the same rows."""

    def shape(self) -> tuple[int, ...]:
        """Rows and columns of the next step."""
        return bucket(self.rows), min(bucket(max(self.seen) + 1, LEAST), self.columns)

    def decode(self, ids: Tensor, state: object, recorder: AttentionRecorder | None = None) -> Tensor:
        """Logits (B 1 V) of the token after `ids` (B 1), in a buffer that the next step writes anew; it moves on."""
        assert recorder is None, "a recorder listens to plain steps"
        self._read(ids[:, 0])
        shape = self.shape()
        self.replay(("logits", *shape), lambda: self._logits_step(shape), self.moving)
        self.seen = [seen + 1 for seen in self.seen]
        return self.logits[: self.rows, None]

    def greedy(self, tokens: Int[Tensor, "B"], state: object) -> tuple[Tensor, list[int], list[float]]:
        """The likeliest token after each: where the next step reads it, and on the host with its log-probability.

        A row that met its end has padding.
        """
        self._read(tokens)
        shape = self.shape()
        self.replay(("greedy", *shape), lambda: self._greedy_step(shape), self.moving)
        results = self.results[: self.rows].tolist()  # waits for the device
        ids = [int(token) for token, _ in results]
        self.seen = [seen + (token != PAD) for seen, token in zip(self.seen, ids, strict=True)]
        return self.tokens[: self.rows], ids, [part for _, part in results]

    def reorder(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order; those that the buffers have no room for must not be among it."""
        kept = rows.tolist()
        assert len(kept) <= self.capacity, "more hypotheses than rows were asked for"
        self.keep(rows, kept)
        for buffer in (self.positions, self.ended):
            buffer[: len(kept)] = buffer[rows]
        self.rows, self.seen = len(kept), [self.seen[row] for row in kept]

    def _read(self, tokens: Tensor) -> None:
        if tokens.data_ptr() != self.tokens.data_ptr():  # else they are what the last step left there
            self.tokens[: self.rows] = tokens

    def _positions(self, shape: tuple[int, ...]) -> Int[Tensor, "B"]:
        """Of those who go on after their limit only because others do, the last."""
        return self.positions[: shape[0]].clamp(max=min(shape[1] - 1, self.last))

    def _past(self, shape: tuple[int, ...], at: Tensor, dtype: torch.dtype) -> Float[Tensor, "B 1 1 K"]:
        """Additive: which columns each row sees."""
        hidden = self.places[: shape[1]] > at[:, None]
        return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill(hidden, -math.inf)[
            :, None, None
        ]

    def _logits_step(self, shape: tuple[int, ...]) -> None:
        rows = shape[0]
        self.logits[:rows] = self.compute(shape, self._positions(shape))
        self.positions[:rows].add_(1)

    def _greedy_step(self, shape: tuple[int, ...]) -> None:
        rows = shape[0]
        ended, results = self.ended[:rows], self.results[:rows]
        logits = self.compute(shape, self._positions(shape))
        logits[:, PAD] = -math.inf
        chosen = logits.argmax(dim=-1).masked_fill(ended, PAD)
        results[:, 0] = chosen
        results[:, 1] = logits.float().log_softmax(dim=-1).gather(1, chosen[:, None])[:, 0]
        self.tokens[:rows] = chosen
        self.positions[:rows].add_(~ended)
        ended.logical_or_(chosen == END)


Static = TypeVar("Static", bound=StaticDecoding)


class Lease(Generic[Static]):
    """Who holds it has the buffers, until `end` or until nobody holds it any more."""

    def __init__(self, decoding: Static) -> None:
        self.decoding: Static | None = decoding

    def end(self) -> None:
        """Somebody else may have them."""
        self.decoding = None


class Reserve(Generic[Static]):
    """The static buffers of a network, made when first asked for and kept with their graphs; one decoding has them at
    a time.

    Args:
        make: the buffers for so many rows and columns.
        size: their bytes.
        device: where they lie.
    """

    def __init__(
        self, make: Callable[[int, int], Static], size: Callable[[int, int], int], device: torch.device
    ) -> None:
        self._make, self._size, self._device = make, size, device
        self._kept: list[tuple[Static, weakref.ref[Lease[Static]]]] = []
        self._lock = threading.Lock()

    def lend(self, rows: int, columns: int) -> Lease[Static] | None:
        """Buffers for a batch; None where all are in use, and where they would take too much memory."""
        with self._lock:
            idle = [kept for kept, lease in self._kept if (held := lease()) is None or held.decoding is None]
            fitting = [kept for kept in idle if kept.capacity >= rows and kept.columns >= columns]
            if fitting:
                decoding: Static | None = fitting[0]
            elif len(self._kept) < AT_ONCE:
                decoding = self._built(rows, bucket(columns, LEAST))
            elif idle:  # what replaces one holds what either was asked for
                old = idle.pop()
                rows, columns = max(rows, old.capacity), max(bucket(columns, LEAST), old.columns)
                self._kept = [pair for pair in self._kept if pair[0] is not old]
                del old  # its memory goes first
                decoding = self._built(rows, columns)
            else:
                decoding = None
            if decoding is None:
                return None
            lease = Lease(decoding)
            others = [pair for pair in self._kept if pair[0] is not decoding]
            self._kept = [(decoding, weakref.ref(lease)), *others]
            return lease

    def _built(self, rows: int, columns: int) -> Static | None:
        if rows > MOST:
            return None
        room = FEW if rows <= FEW else bucket(rows, MANY)
        if self._device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self._device)
            if self._size(room, columns) > free // SHARE:
                return None
        try:
            return self._make(room, columns)
        except torch.OutOfMemoryError:
            return None
