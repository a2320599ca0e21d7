"""A causal language model of the Llama family: rotary positions, RMS norms, gated feed-forward, grouped heads.

Touvron et al. 2023, with a sliding window per layer where one is set (Jiang et al. 2023, Mistral). Its tensors have
Llama's shapes, so that weights exchange with it.
"""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from heedmap.model.attention.editor import Editor
from heedmap.model.attention.edits import LayerEdits
from heedmap.model.attention.masks import Causal, Mask, SlidingWindow
from heedmap.model.attention.multihead import AttentionRecorder, MultiHeadAttention
from heedmap.model.attention.positions import rotary_angles
from heedmap.model.native.dropout import dropout
from heedmap.model.shapes import Angles, Hidden, Logits, TokenIds
from heedmap.model.watch import Stop, never, raise_if_cancelled

ROOM = 1024  # steps that a cache has room for when it grows


class LanguageModelConfig(BaseModel):
    """The shape of a language model; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Literal["language-model"] = "language-model"
    task: Literal["text-generation"] = "text-generation"
    language: str
    vocabulary: PositiveInt
    width: PositiveInt = 192
    feed_forward: PositiveInt = 512
    heads: PositiveInt = 6
    kv_heads: PositiveInt = 3
    windows: tuple[PositiveInt | None, ...] = Field((128, 128, 512, 128, 512, None), min_length=1)
    rotary_base: PositiveFloat = 10_000.0
    dropout: float = 0.1
    max_positions: PositiveInt = 131_072

    @property
    def layers(self) -> int:
        """L, one for each window."""
        return len(self.windows)


class Layer(nn.Module):
    """Causal self-attention and a gated feed-forward (Shazeer 2020), each normed before and added after."""

    def __init__(self, config: LanguageModelConfig, window: int | None) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.width, eps=1e-6)
        self.attention = MultiHeadAttention(config.width, config.heads, config.kv_heads, bias=False)
        self.feed_forward_norm = nn.RMSNorm(config.width, eps=1e-6)
        self.gate = nn.Linear(config.width, config.feed_forward, bias=False)
        self.up = nn.Linear(config.width, config.feed_forward, bias=False)
        self.down = nn.Linear(config.feed_forward, config.width, bias=False)
        self.dropout, self.window = config.dropout, window

    def mask(self, start: int, queries: int) -> Mask | None:
        """What queries from this position on may see; None for a single one that sees all."""
        if self.window is not None:
            return Causal(start) & SlidingWindow(self.window, start)
        return None if queries == 1 and start else Causal(start)

    def forward(
        self,
        hidden: Hidden,
        cache: "Cache",
        angles: Angles,
        recorder: AttentionRecorder | None,
        edits: LayerEdits | None = None,
    ) -> Hidden:
        normed = self.attention_norm(hidden)
        start, queries = cache.length, hidden.shape[1]
        k, v = cache.extend(*self.attention.keys_values(normed, angles))
        mask = self.mask(start, queries)
        mixed = self.attention(normed, k, v, mask, recorder, "decoder", angles, edits, start)
        hidden = hidden + dropout(mixed, self.dropout, self.training)
        normed = self.feed_forward_norm(hidden)
        mixed = self.down(F.silu(self.gate(normed)) * self.up(normed))
        return hidden + dropout(mixed, self.dropout, self.training)


class Cache:
    """Keys and values of one layer, of the steps so far, with room for some more: a step copies nothing but itself."""

    def __init__(self) -> None:
        self.room: list[Tensor] = []  # of keys and of values: B G R D, the first K of R in use
        self.length = 0  # K, the steps so far

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append a step's keys and values, and return all of them."""
        stop = self.length + k.shape[2]
        if not self.room and torch.is_grad_enabled():  # training reads a text at once, and needs its gradients
            self.length = stop
            return k, v
        if not self.room or self.room[0].shape[2] < stop:
            spare = ROOM if self.length else 0
            wider = [new.new_empty(*new.shape[:2], stop + spare, new.shape[3]) for new in (k, v)]
            for wide, old in zip(wider, self.room, strict=False):
                wide[:, :, : self.length] = old[:, :, : self.length]
            self.room = wider
        for wide, new in zip(self.room, (k, v), strict=True):
            wide[:, :, self.length : stop] = new
        self.length = stop
        return self.room[0][:, :, :stop], self.room[1][:, :, :stop]

    def reorder(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        self.room = [part[rows] for part in self.room]


class LanguageModelState:
    """All that a step needs from before it.

    embeddings: of the first tokens (1 N M), in the place of the table's.
    """

    def __init__(self, layers: int, editor: Editor | None = None, embeddings: Hidden | None = None) -> None:
        self.caches, self.length, self.editor = [Cache() for _ in range(layers)], 0, editor
        self.embeddings = embeddings

    def embedded(self, table: Hidden) -> Hidden:
        """The embeddings of the tokens to come, of those that the table has for them."""
        given = None if self.embeddings is None else self.embeddings[:, self.length : self.length + table.shape[1]]
        if given is None or not given.shape[1]:
            return table
        return torch.cat([given.to(table.dtype).expand(len(table), -1, -1), table[:, given.shape[1] :]], dim=1)

    def edits(self, layer: int) -> LayerEdits | None:
        """What is done to a layer's attention."""
        return None if self.editor is None else self.editor.layer("decoder", layer)

    def reorder(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        for cache in self.caches:
            cache.reorder(rows)

    def rewind(self, length: int) -> None:
        """Forget all but the first steps; of hypotheses that share them, one row is left."""
        self.length = length
        for cache in self.caches:
            cache.room, cache.length = [part[:1] for part in cache.room], length


class LanguageModel(nn.Module):
    """The decoder-only network: `decode` tokens, whole or step by step."""

    sites = ("decoder",)

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(Layer(config, window) for window in config.windows)
        self.norm = nn.RMSNorm(config.width, eps=1e-6)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
        for layer in self.each_layer():  # the sum of 2L branches begins with the variance of one (GPT-2)
            for branch in (layer.attention.output, layer.down):
                nn.init.normal_(branch.weight, std=0.02 / (2 * config.layers) ** 0.5)

    @property
    def output_weight(self) -> Tensor:
        """The output projection (V M), tied to the embedding."""
        return self.embedding.weight

    def each_layer(self) -> Iterator[Layer]:
        """The layers, from the first."""
        return (layer for layer in self.layers if isinstance(layer, Layer))

    def start(self, editor: Editor | None = None, embeddings: Hidden | None = None) -> LanguageModelState:
        """The state before the first token; what it has edits of, and embeddings, every pass over it has."""
        return LanguageModelState(self.config.layers, editor, embeddings)

    def decode_hidden(
        self,
        ids: TokenIds,
        state: LanguageModelState,
        recorder: AttentionRecorder | None = None,
        cancelled: Stop = never,
    ) -> Hidden:
        """Normed hidden states (B Q M) at each of `ids` (B Q), which follow what `state` has seen; it moves on.

        Raises:
            Cancelled: `cancelled` became true between two layers; the state is of no use then.
        """
        positions = torch.arange(state.length, state.length + ids.shape[1], device=ids.device)
        angles = rotary_angles(positions, self.config.width // self.config.heads, self.config.rotary_base)
        hidden = dropout(state.embedded(self.embedding(ids)), self.config.dropout, self.training)
        for index, (layer, cache) in enumerate(zip(self.each_layer(), state.caches, strict=True)):
            raise_if_cancelled(cancelled)
            hidden = layer(hidden, cache, angles, recorder, state.edits(index))
        state.length += ids.shape[1]
        normed: Tensor = self.norm(hidden)
        return normed

    def decode(self, ids: TokenIds, state: LanguageModelState, recorder: AttentionRecorder | None = None) -> Logits:
        """Logits (B Q V) of the token after each of `ids` (B Q), which follow what `state` has seen; it moves on."""
        return F.linear(self.decode_hidden(ids, state, recorder), self.output_weight)

    def hidden(self, ids: TokenIds) -> Hidden:
        """Normed hidden states at every token: `output_weight` makes logits of them."""
        return self.decode_hidden(ids, self.start())

    def forward(self, ids: TokenIds, recorder: AttentionRecorder | None = None) -> Logits:
        """Logits of the next token after every token."""
        return self.decode(ids, self.start(), recorder)
