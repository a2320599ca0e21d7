"""The Transformer once more, for generation alone: the same function, arranged for speed.

`transformer.py` is the definition, and a test holds this file to its logits. Here weights are packed and fused, padding
never enters a linear layer, keys and values are written into room that was set aside, and what a step needs of the mask
is made once.
"""

import math
from collections.abc import Sequence
from itertools import groupby

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from heedmap.model.attention.masks import Padding
from heedmap.model.attention.multihead import AttentionRecorder, MultiHeadAttention
from heedmap.model.attention.operators import spread
from heedmap.model.attention.scores import ScaledDot
from heedmap.model.native.packed_linear import PackedLinear
from heedmap.model.native.transformer import DecoderLayer, EncoderLayer, FeedForward, Transformer
from heedmap.model.shapes import Lengths, TokenIds

ROOM = 33  # steps that a cache starts with; a power of two would put every row into the same set of the L1 cache


class _Norm:
    def __init__(self, norm: nn.LayerNorm) -> None:
        self.shape, self.weight, self.bias, self.eps = norm.normalized_shape, norm.weight, norm.bias, norm.eps

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.shape, self.weight, self.bias, self.eps)


class _Mlp:
    def __init__(self, norm: nn.LayerNorm, layers: FeedForward) -> None:
        self.norm, self.up, self.down = _Norm(norm), PackedLinear(layers.up), PackedLinear(layers.down)

    def __call__(self, x: Tensor) -> Tensor:
        return self.down.added(self.up.rectified(self.norm(x)), x)


class _SelfAttention:
    """Norm, fused projection and output of one self-attention; the kernel stands between them."""

    def __init__(self, norm: nn.LayerNorm, layer: MultiHeadAttention) -> None:
        self.norm, self.project = _Norm(norm), PackedLinear(layer.query, layer.key, layer.value)
        self.output = PackedLinear(layer.output)


class _DecoderLayer:
    def __init__(self, layer: DecoderLayer) -> None:
        self.attention = _SelfAttention(layer.attention_norm, layer.attention)
        self.cross_norm, self.cross_query = _Norm(layer.cross_norm), PackedLinear(layer.cross.query)
        self.cross_source = PackedLinear(layer.cross.key, layer.cross.value)
        self.cross_output = PackedLinear(layer.cross.output)
        self.mlp = _Mlp(layer.feed_forward_norm, layer.feed_forward)


class InferenceState:
    """All that a decoding step needs from before it: caches (B T 2 G D) and sources (2 B G K D), a layer each.

    All rows write into the same column of the caches, `length`. A sentence that joined later has begun in a later
    column, `joined` (B), and sees nothing before it.
    """

    def __init__(self, caches: list[Tensor], sources: list[Tensor], lengths: Tensor) -> None:
        self.caches, self.sources, self.lengths = caches, sources, lengths
        self.origin = torch.arange(len(lengths), device=lengths.device)  # the sentence that a row belongs to
        self.length = 0
        self.joined: Tensor | None = None  # None where all began together
        self.past: Tensor | None = None  # additive, B 1 1 T: which columns each row sees
        self._mask()

    def _mask(self) -> None:
        keys = self.sources[0].shape[3]
        self.mask: Tensor | None = None  # additive, B 1 1 K; None where no source is padded
        if not bool((self.lengths == keys).all()):
            real = torch.arange(keys, device=self.lengths.device) < self.lengths[:, None]
            self.mask = torch.where(real, 0.0, -math.inf).to(self.sources[0].dtype)[:, None, None]

    def room(self) -> int:
        """The steps that the caches can hold."""
        return self.caches[0].shape[1]

    def reorder(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order, and no more of the sources than their longest."""
        lead = 0
        if self.joined is not None:  # columns that nobody has left who saw them go too
            joined = self.joined[rows]
            lead = int(joined.min())
            self.joined = joined - lead if bool((joined != lead).any()) else None
        self.caches = [self._moved(cache, rows, lead) for cache in self.caches]
        self.length -= lead
        self._look_back()
        origin = self.origin[rows]
        if torch.equal(origin, self.origin):  # beams that changed places within their sentence
            return
        self.origin, self.lengths = origin, self.lengths[rows]
        longest = int(self.lengths.max())
        self.sources = [source[:, :, :, :longest].index_select(1, rows) for source in self.sources]
        self._mask()

    def _moved(self, cache: Tensor, rows: Tensor, lead: int) -> Tensor:
        moved = cache.new_empty(len(rows), *cache.shape[1:])
        moved[:, : self.length - lead] = cache[rows, lead : self.length]
        return moved

    def grow(self) -> None:
        """Double the caches' room."""
        self.caches = [torch.cat([cache, torch.empty_like(cache)], dim=1) for cache in self.caches]
        self._look_back()

    def join(self, other: "InferenceState", free: Sequence[int] = ()) -> list[int]:
        """Take in the sentences of a state that has seen nothing yet, in the place of rows that are free or behind all.

        Returns:
            The row of each.
        """
        here, new = len(self.lengths), len(other.lengths)
        places = [*free[:new], *range(here, here + new - len(free[:new]))]
        more, keys = max(0, places[-1] + 1 - here), max(self.sources[0].shape[3], other.sources[0].shape[3])
        rows = torch.tensor(places, device=self.lengths.device)
        before = self.lengths.new_zeros(here) if self.joined is None else self.joined
        # Zeros where there was nothing: what is hidden has weight 0, which does not hide what is no number.
        if more or keys > self.sources[0].shape[3]:
            self.sources = [F.pad(s, (0, 0, 0, keys - s.shape[3], 0, 0, 0, more)) for s in self.sources]
        self.caches = [torch.cat([c, c.new_zeros(more, *c.shape[1:])]) if more else c for c in self.caches]
        for source, theirs in zip(self.sources, other.sources, strict=True):
            source[:, rows, :, : theirs.shape[3]] = theirs
        for cache in self.caches:
            cache[rows, : self.length] = 0
        self.lengths = F.pad(self.lengths, (0, more)).index_copy(0, rows, other.lengths)
        joined = F.pad(before, (0, more)).index_fill(0, rows, self.length)
        self.joined = joined if bool(joined.any()) else None
        self.origin = torch.arange(here + more, device=rows.device)
        self._mask()
        self._look_back()
        return places

    def _look_back(self) -> None:
        """What rows see of the caches: all, unless they joined at different steps."""
        self.past = None
        if self.joined is not None:
            seen = torch.arange(self.room(), device=self.joined.device) >= self.joined[:, None]
            self.past = torch.where(seen, 0.0, -math.inf).to(self.caches[0].dtype)[:, None, None]


class InferenceTransformer:
    """`Transformer.encode` and `Transformer.decode`, one token a step, at the speed of an inference engine."""

    def __init__(self, network: Transformer) -> None:
        config = network.config
        self.heads, self.groups, self.size = config.heads, config.kv_heads, config.width // config.heads
        self.embedding = network.embedding.weight.detach() * math.sqrt(config.width)
        self.positions = network.positions.to(self.embedding.dtype)
        self.encoder = [
            (_SelfAttention(x.attention_norm, x.attention), _Mlp(x.feed_forward_norm, x.feed_forward))
            for x in network.encoder
            if isinstance(x, EncoderLayer)
        ]
        self.decoder = [_DecoderLayer(x) for x in network.decoder if isinstance(x, DecoderLayer)]
        self.encoder_norm, self.decoder_norm = _Norm(network.encoder_norm), _Norm(network.decoder_norm)
        self.output = PackedLinear.of_weight(network.output_weight)

    @classmethod
    def of(cls, network: nn.Module) -> "InferenceTransformer | None":
        """The engine of a Transformer; None of a network that decodes as it is defined."""
        return cls(network) if isinstance(network, Transformer) else None

    @property
    def steps(self) -> int:
        """The most that a sequence can have."""
        return len(self.positions)

    def start(self, ids: TokenIds, lengths: Lengths) -> InferenceState:
        """The state before the first token, of source ids (B K) padded on the right to the longest of `lengths`."""
        batch, keys = ids.shape
        # Sentences of one length side by side: the tokens of each such group are a rectangle, so that padding enters
        # no layer and attention needs no mask.
        ordered, order = lengths.sort(descending=True, stable=True)
        row, place = (torch.arange(keys, device=ids.device) < ordered[:, None]).nonzero(as_tuple=True)
        real = order[row] * keys + place  # where each of the N tokens stands in the padded batch
        groups, stop = [], 0
        for length, same in groupby(ordered.tolist()):
            start, stop = stop, stop + length * len(list(same))
            groups.append((start, stop, length))
        hidden = F.embedding(ids.flatten()[real], self.embedding) + self.positions[place]  # N M
        for attention, mlp in self.encoder:
            projected = attention.project(attention.norm(hidden))
            mixed = [
                self._mix(projected[start:stop].view(-1, length, projected.shape[1])) for start, stop, length in groups
            ]
            hidden = mlp(attention.output.added(mixed[0] if len(mixed) == 1 else torch.cat(mixed), hidden))
        memory = self.encoder_norm(hidden)
        sources = []
        for layer in self.decoder:
            both = layer.cross_source(memory)
            both = both.new_zeros(batch * keys, both.shape[1]).index_copy_(0, real, both)
            both = both.view(batch, keys, 2, self.groups, self.size)
            sources.append(both.permute(2, 0, 3, 1, 4).contiguous())  # 2 B G K D
        caches = [memory.new_empty(batch, ROOM, 2, self.groups, self.size) for _ in self.decoder]
        return InferenceState(caches, sources, lengths)

    def decode(self, ids: Tensor, state: InferenceState, recorder: AttentionRecorder | None = None) -> Tensor:
        """Logits (B 1 V) of the token after `ids` (B 1), which follows what `state` has seen; it moves on.

        With `recorder`, the same numbers by the same kernels, and q, k, v and log-sum-exp handed over.
        """
        batch, step = len(ids), state.length
        if step == state.room():
            state.grow()
        hidden = F.embedding(ids[:, 0], self.embedding) + self._places(state)  # B M
        past = None if state.past is None else state.past[..., : step + 1]
        for layer, cache, source in zip(self.decoder, state.caches, state.sources, strict=True):
            projected = layer.attention.project(layer.attention.norm(hidden))
            projected = projected.view(batch, self.heads + 2 * self.groups, self.size)
            cache[:, step] = projected[:, self.heads :].view(batch, 2, self.groups, self.size)
            so_far = cache[:, : step + 1].permute(2, 0, 3, 1, 4)  # 2 B G T D
            q = projected[:, : self.heads, None]
            mixed = self._attend(q, so_far[0], so_far[1], past)
            if recorder is not None:
                self._hand_over(recorder, "decoder", q, so_far[0], so_far[1], mixed)
            hidden = layer.attention.output.added(mixed.reshape(batch, -1), hidden)
            q = layer.cross_query(layer.cross_norm(hidden)).view(batch, self.heads, 1, self.size)
            mixed = self._attend(q, source[0], source[1], state.mask)
            if recorder is not None:
                self._hand_over(recorder, "cross", q, source[0], source[1], mixed, state)
            hidden = layer.mlp(layer.cross_output.added(mixed.reshape(batch, -1), hidden))
        state.length += 1
        return self.output(self.decoder_norm(hidden))[:, None]

    def _places(self, state: InferenceState) -> Tensor:
        """Of each row's step, (B M), or (M) where all are the same."""
        if state.joined is None:
            return self.positions[state.length]
        return self.positions[(state.length - state.joined).clamp(max=len(self.positions) - 1)]  # some are done

    def _mix(self, projected: Float[Tensor, "B K N"]) -> Float[Tensor, "R M"]:
        """Self-attention of sentences of one length: fused projections to mixed values, token by token."""
        batch, keys, _ = projected.shape
        split = projected.view(batch, keys, -1, self.size).transpose(1, 2)  # B H+2G K D
        last = self.heads + self.groups
        q, k, v = split[:, : self.heads], split[:, self.heads : last], split[:, last:]
        return self._attend(q, k, v, None).transpose(1, 2).reshape(batch * keys, -1)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=self.heads != self.groups)

    def _hand_over(
        self,
        recorder: AttentionRecorder,
        site: str,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        output: Tensor,
        state: InferenceState | None = None,
    ) -> None:
        """What one query of each sequence attended to; `state` where its padding hides some of the keys."""
        score = ScaledDot.for_size(self.size)
        scores = score(q, spread(k, self.heads))
        mask = None
        if state is not None and state.mask is not None:
            scores, mask = scores + state.mask, Padding(state.lengths)
        lse = scores.logsumexp(dim=-1)
        recorder.record(site, q, k, v, lse, output, score=score, mask=mask, kernel="sdpa")
