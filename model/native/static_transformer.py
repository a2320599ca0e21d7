"""The decoder of `inference.py` over static buffers: the same layers, a step that a CUDA graph can hold."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.native.graphs import Replay
from heedmap.model.native.inference import InferenceState, InferenceTransformer
from heedmap.model.native.static_decoding import LEAST, Reserve, StaticDecoding, attend_over, bucket


class StaticTransformer(StaticDecoding):
    """Caches (L 2 B G T D) and sources (L 2 B G K D) of a decoder, set aside for `rows` sentences.

    `de-en` in float32, 512 target and 512 source tokens: 6.3 MB a row. Its step is about 75 kernels; at 1 row and 32
    columns it reads 21 MB of weights and 0.4 MB of caches, at 64 rows and 64 columns 50 MB of caches.
    """

    def __init__(self, engine: InferenceTransformer, rows: int, columns: int, replay: Replay) -> None:
        output = engine.output.weight
        super().__init__(rows, columns, len(engine.positions) - 1, output, replay)
        self.engine, self.keys = engine, bucket(len(engine.positions), LEAST)
        shape = (len(engine.decoder), 2, rows, engine.groups)
        self.caches = output.new_zeros(*shape, columns, engine.size)
        self.sources = output.new_zeros(*shape, self.keys, engine.size)
        self.source_mask = output.new_zeros(rows, 1, 1, self.keys)  # additive
        self.origin: list[int] = []  # the sentence that a row belongs to
        self.lengths: list[int] = []  # of its source

    @staticmethod
    def bytes(engine: InferenceTransformer, rows: int, columns: int) -> int:
        """What such buffers take."""
        keys = bucket(len(engine.positions), LEAST)
        row = 2 * len(engine.decoder) * engine.groups * engine.size * (columns + keys) + len(engine.output.weight)
        return rows * row * engine.output.weight.itemsize

    @classmethod
    def reserve(cls, engine: InferenceTransformer, replay: Callable[[], Replay]) -> "Reserve[StaticTransformer]":
        """Buffers of an engine, lent to one decoding at a time; each has a `replay` of its own."""
        return Reserve(
            lambda rows, columns: cls(engine, rows, columns, replay()),
            lambda rows, columns: cls.bytes(engine, rows, columns),
            engine.output.weight.device,
        )

    def begin(self, state: InferenceState) -> "StaticTransformer":
        """A batch of what a state that has seen nothing yet holds."""
        self.rows, self.seen, self.origin, self.lengths = 0, [], [], []
        self.join(state)
        return self

    def join(self, other: InferenceState, free: Sequence[int] = ()) -> list[int]:
        """Take in the sentences of a state that has seen nothing yet, in the place of rows that are free or behind all.

        Returns:
            The row of each.
        """
        new = len(other.lengths)
        places = [*free[:new], *range(self.rows, self.rows + new - len(free[:new]))]
        self.rows = max(self.rows, *(place + 1 for place in places))
        assert self.rows <= self.capacity, "more sentences than rows"
        rows = torch.tensor(places, device=other.lengths.device)
        keys = other.sources[0].shape[3]
        # Zeros where there is nothing: what is hidden has weight 0, which does not hide what is no number.
        self.caches.index_fill_(2, rows, 0)
        self.sources.index_fill_(2, rows, 0)
        for mine, theirs in zip(self.sources, other.sources, strict=True):
            mine[:, rows, :, :keys] = theirs
        hidden = torch.arange(self.keys, device=rows.device) >= other.lengths[:, None]
        self.source_mask[rows] = self.source_mask.new_zeros(hidden.shape).masked_fill(hidden, -torch.inf)[:, None, None]
        self.positions[rows] = 0
        self.ended[rows] = False
        more = self.rows - len(self.seen)
        self.seen, self.lengths = self.seen + [0] * more, self.lengths + [0] * more
        for place, length in zip(places, other.lengths.tolist(), strict=True):
            self.seen[place], self.lengths[place] = 0, length
        self.origin = list(range(self.rows))
        return places

    def shape(self) -> tuple[int, ...]:
        """Rows, columns and source tokens of the next step."""
        return *super().shape(), bucket(max(self.lengths), LEAST)

    def keep(self, rows: Int[Tensor, "B"], sources: Sequence[int]) -> None:
        """Let these rows be the first ones."""
        used, count = max(self.seen), len(sources)
        self.caches[:, :, :count, :, :used] = self.caches[:, :, :, :, :used].index_select(2, rows)
        origin = [self.origin[row] for row in sources]
        if origin == self.origin:  # beams that changed places within their sentence
            return
        longest = max(self.lengths)
        self.sources[:, :, :count, :, :longest] = self.sources[:, :, :, :, :longest].index_select(2, rows)
        self.source_mask[:count] = self.source_mask[rows]
        self.origin, self.lengths = origin, [self.lengths[row] for row in sources]

    def compute(self, shape: tuple[int, ...], at: Int[Tensor, "B"]) -> Float[Tensor, "B V"]:
        """Logits after the tokens of the first rows; keys and values are written at each row's own position."""
        engine = self.engine
        rows, columns, keys = shape
        past, mask = self._past(shape, at, self.caches.dtype), self.source_mask[:rows, ..., :keys]
        hidden = F.embedding(self.tokens[:rows], engine.embedding) + F.embedding(at, engine.positions)  # B M
        for layer, cache, source in zip(engine.decoder, self.caches, self.sources, strict=True):
            projected = layer.attention.project(layer.attention.norm(hidden))
            projected = projected.view(rows, engine.heads + 2 * engine.groups, engine.size)
            new = projected[:, engine.heads :].view(rows, 2, engine.groups, engine.size)
            cache[:, self.indices[:rows], :, at] = new
            k, v = cache[:, :rows, :, :columns]
            mixed = attend_over(projected[:, : engine.heads], k, v, past)
            hidden = layer.attention.output.added(mixed, hidden)
            q = layer.cross_query(layer.cross_norm(hidden)).view(rows, engine.heads, engine.size)
            k, v = source[:, :rows, :, :keys]
            hidden = layer.mlp(layer.cross_output.added(attend_over(q, k, v, mask), hidden))
        return engine.output(engine.decoder_norm(hidden))
