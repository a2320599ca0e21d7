"""A language model's decoding over static buffers: the layers of `language_model.py`, a step that a graph can hold."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.attention.positions import rotary_angles, rotate
from heedmap.model.native.graphs import Replay
from heedmap.model.native.language_model import LanguageModel, LanguageModelState, Layer
from heedmap.model.native.packed_linear import PackedLinear
from heedmap.model.native.static_decoding import Reserve, StaticDecoding, attend_over


class _Layer:
    """A layer's weights: what has one input is one product."""

    def __init__(self, layer: Layer) -> None:
        attention = layer.attention
        self.attention_norm, self.feed_forward_norm = layer.attention_norm, layer.feed_forward_norm
        self.project = PackedLinear(attention.query, attention.key, attention.value)
        self.output, self.down = PackedLinear(attention.output), PackedLinear(layer.down)
        self.gate_up = PackedLinear(layer.gate, layer.up)

    def feed_forward(self, hidden: Float[Tensor, "B M"]) -> Float[Tensor, "B M"]:
        gate, up = self.gate_up(self.feed_forward_norm(hidden)).chunk(2, dim=1)
        return self.down.added(F.silu(gate) * up, hidden)


class StaticArrangement:
    """A language model's weights as a static step wants them, shared by all buffers: as many bytes as its layers."""

    def __init__(self, network: LanguageModel) -> None:
        config = network.config
        self.config, self.norm = config, network.norm
        self.embedding = network.output_weight.detach()
        self.layers = [_Layer(layer) for layer in network.layers if isinstance(layer, Layer)]
        self.heads, self.groups, self.size = config.heads, config.kv_heads, config.width // config.heads

    def columns(self, columns: int) -> list[int]:
        """What each layer keeps of so many tokens: a window never more than its own, in a ring."""
        return [min(columns, window or columns) for window in self.config.windows]

    def reserve(self, replay: Callable[[], Replay]) -> "Reserve[StaticLanguageModel]":
        """Buffers, lent to one decoding at a time; each has a `replay` of its own."""
        return Reserve(
            lambda rows, columns: StaticLanguageModel(self, rows, columns, replay()), self.bytes, self.embedding.device
        )

    def bytes(self, rows: int, columns: int) -> int:
        """What buffers take."""
        row = 2 * sum(self.columns(columns)) * self.groups * self.size + len(self.embedding)
        return rows * row * self.embedding.itemsize


class StaticLanguageModel(StaticDecoding):
    """Caches (2 B G T D) of each layer, set aside for `rows` hypotheses of one text.

    The key of position p stands in column p, or in column p modulo the window where the layer has one: what has been
    written over is what the window hides. `shakespeare` in float32 with 32,768 tokens: 26 MB a row, of which the one
    layer that sees everything has 25; its step is about 130 kernels.
    """

    def __init__(self, arrangement: StaticArrangement, rows: int, columns: int, replay: Replay) -> None:
        embedding = arrangement.embedding
        super().__init__(rows, columns, columns - 1, embedding, replay)
        self.arrangement = arrangement
        self.caches = [
            embedding.new_zeros(2, rows, arrangement.groups, kept, arrangement.size)
            for kept in arrangement.columns(columns)
        ]

    def begin(self, state: LanguageModelState) -> "StaticLanguageModel":
        """A batch of what a state has seen; the state stays as it is."""
        length = state.length
        for mine, theirs in zip(self.caches, state.caches, strict=True):
            mine.zero_()  # what is hidden has weight 0, which does not hide what is no number
            kept = min(length, mine.shape[3])
            if kept:
                places = torch.arange(length - kept, length, device=mine.device) % mine.shape[3]
                rows = len(theirs.room[0])
                for side, room in zip(mine, theirs.room, strict=True):
                    side[:rows, :, places] = room[:, :, length - kept : length]
        self.rows = len(state.caches[0].room[0]) if state.caches[0].room else 1
        self.positions.fill_(length)
        self.ended.zero_()
        self.seen = [length] * self.rows
        return self

    def keep(self, rows: Int[Tensor, "B"], sources: Sequence[int]) -> None:
        """Let these rows be the first ones."""
        for cache in self.caches:
            used = min(max(self.seen), cache.shape[3])
            cache[:, : len(sources), :, :used] = cache[:, :, :, :used].index_select(1, rows)

    def compute(self, shape: tuple[int, ...], at: Int[Tensor, "B"]) -> Float[Tensor, "B V"]:
        """Logits after the tokens of the first rows; keys and values are written at each row's own position."""
        rows, columns = shape
        own = self.arrangement
        turned, split = own.heads + own.groups, own.heads + 2 * own.groups
        past, angles = self._past(shape, at, own.embedding.dtype), rotary_angles(at, own.size, own.config.rotary_base)
        hidden = F.embedding(self.tokens[:rows], own.embedding)  # B M
        for layer, cache in zip(own.layers, self.caches, strict=True):
            seen = min(columns, cache.shape[3])
            projected = layer.project(layer.attention_norm(hidden)).view(rows, split, own.size).transpose(0, 1)
            queries_keys = rotate(projected[:turned], angles).transpose(0, 1)  # B H+G D
            place = at % cache.shape[3]
            cache[0, self.indices[:rows], :, place] = queries_keys[:, own.heads :]
            cache[1, self.indices[:rows], :, place] = projected[turned:].transpose(0, 1)
            k, v = cache[:, :rows, :, :seen]
            q = queries_keys[:, : own.heads].contiguous()
            hidden = layer.feed_forward(layer.output.added(attend_over(q, k, v, past[..., :seen]), hidden))
        return F.linear(own.norm(hidden), own.embedding)
