"""A pre-norm Transformer encoder-decoder (Vaswani et al. 2017; pre-norm after Xiong et al. 2020).

Shared source, target and output embeddings scaled by sqrt(M), sinusoidal positions, a final norm on each stack: the
shape of M2M100, so that weights exchange with it.
"""

import math
from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from heedmap.model.attention.editor import Editor
from heedmap.model.attention.edits import LayerEdits
from heedmap.model.attention.masks import Causal, Mask, Padding
from heedmap.model.attention.multihead import AttentionRecorder, MultiHeadAttention
from heedmap.model.attention.positions import sinusoidal
from heedmap.model.native.copying import CopyHead, Mixture
from heedmap.model.native.dropout import dropout
from heedmap.model.native.transformer_state import LayerCache, TappedHead, TransformerState
from heedmap.model.shapes import Hidden, Lengths, Logits, Memory, TokenIds


class AlignmentHead(BaseModel):
    """The cross head that was taught to align, and which of a token's two rows it aligns in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer: NonNegativeInt
    head: NonNegativeInt
    reading: Literal["output", "input"] = "input"


class StacksConfig(BaseModel):
    """The shape of an encoder and a decoder, whatever the encoder reads; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocabulary: PositiveInt
    width: PositiveInt = 256
    feed_forward: PositiveInt = 1024
    heads: PositiveInt = 8
    kv_heads: PositiveInt = 8
    encoder_layers: PositiveInt = 6
    decoder_layers: PositiveInt = 3
    dropout: float = 0.1
    max_positions: PositiveInt = 512
    first_position: int = 2  # fairseq counts positions from after the padding id, and M2M100 with it


class TransformerConfig(StacksConfig):
    """The shape of a Transformer that reads text; of a longer one `source_words` words, as it did in training."""

    architecture: Literal["transformer"] = "transformer"
    task: Literal["translation", "summarization"] = "translation"
    source_language: str
    target_language: str
    alignment: AlignmentHead | None = Field(None, exclude_if=lambda head: head is None)
    copying: CopyHead | None = Field(None, exclude_if=lambda head: head is None)
    source_words: PositiveInt | None = Field(None, exclude_if=lambda words: words is None)

    @model_validator(mode="after")
    def _copied_from(self) -> "TransformerConfig":
        """A head that copies is one of the network's."""
        if self.copying is not None and (self.copying.layer >= self.decoder_layers or self.copying.head >= self.heads):
            raise ValueError(f"there is no cross head {self.copying.head} of layer {self.copying.layer} to copy by")
        return self


class FeedForward(nn.Module):
    """Two linear layers with a rectifier between, position by position."""

    def __init__(self, config: StacksConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.width, config.feed_forward)
        self.down = nn.Linear(config.feed_forward, config.width)

    def forward(self, hidden: Hidden) -> Hidden:
        down: Tensor = self.down(F.relu(self.up(hidden)))
        return down


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each normed before and added after."""

    def __init__(self, config: StacksConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = MultiHeadAttention(config.width, config.heads, config.kv_heads)
        self.feed_forward_norm = nn.LayerNorm(config.width)
        self.feed_forward = FeedForward(config)
        self.dropout = config.dropout

    def forward(
        self, hidden: Hidden, mask: Mask | None, recorder: AttentionRecorder | None, edits: LayerEdits | None = None
    ) -> Hidden:
        normed = self.attention_norm(hidden)
        mixed = self.attention(normed, *self.attention.keys_values(normed), mask, recorder, "encoder", edits=edits)
        hidden = hidden + dropout(mixed, self.dropout, self.training)
        mixed = self.feed_forward(self.feed_forward_norm(hidden))
        return hidden + dropout(mixed, self.dropout, self.training)


class DecoderLayer(nn.Module):
    """Causal self-attention, cross-attention and feed-forward, each normed before and added after."""

    def __init__(self, config: StacksConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = MultiHeadAttention(config.width, config.heads, config.kv_heads)
        self.cross_norm = nn.LayerNorm(config.width)
        self.cross = MultiHeadAttention(config.width, config.heads, config.kv_heads)
        self.feed_forward_norm = nn.LayerNorm(config.width)
        self.feed_forward = FeedForward(config)
        self.dropout = config.dropout

    def forward(
        self,
        hidden: Hidden,
        cache: "LayerCache",
        causal: Mask | None,
        source: Mask | None,
        recorder: AttentionRecorder | None,
        edits: tuple[LayerEdits | None, LayerEdits | None] = (None, None),
        start: int = 0,
        tapped: TappedHead | None = None,
    ) -> Hidden:
        """One layer; `edits` are of its two attentions, and `start` is the first token's place."""
        normed = self.attention_norm(hidden)
        k, v = cache.extend(*self.attention.keys_values(normed))
        mixed = self.attention(normed, k, v, causal, recorder, "decoder", edits=edits[0], start=start)
        hidden = hidden + dropout(mixed, self.dropout, self.training)
        normed, k, v = self.cross_norm(hidden), cache.source_k, cache.source_v
        if tapped is not None:
            tapped.log_weights = self.cross.log_weights(normed, k, tapped.head, source)
        mixed = self.cross(normed, k, v, source, recorder, "cross", edits=edits[1], start=start)
        hidden = hidden + dropout(mixed, self.dropout, self.training)
        mixed = self.feed_forward(self.feed_forward_norm(hidden))
        return hidden + dropout(mixed, self.dropout, self.training)


class EncoderDecoder(nn.Module):
    """The two stacks: `encode` a source, then `decode` target tokens, whole or step by step."""

    sites = ("encoder", "decoder", "cross")

    def __init__(self, config: StacksConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.encoder_norm = nn.LayerNorm(config.width)
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.decoder_norm = nn.LayerNorm(config.width)
        positions = torch.arange(config.max_positions) + config.first_position
        self.register_buffer("positions", sinusoidal(positions, config.width), persistent=False)
        self.positions: Tensor
        self.apply(self._initialise)
        nn.init.normal_(self.embedding.weight, std=config.width**-0.5)

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    def embed(self, ids: TokenIds, start: int = 0, embeddings: Hidden | None = None) -> Hidden:
        """What the first layer of a stack reads of `ids` (B Q), which begin at this position (B Q M).

        embeddings: of the ids, in the place of the table's.
        """
        scaled = (self.embedding(ids) if embeddings is None else embeddings) * math.sqrt(self.config.width)
        hidden = scaled + self.positions[start : start + ids.shape[1]]
        return dropout(hidden, self.config.dropout, self.training)

    @property
    def output_weight(self) -> Float[Tensor, "V M"]:
        """The output projection, tied to the embedding (Press and Wolf 2017)."""
        return self.embedding.weight

    def encode(
        self,
        source: Tensor,
        lengths: Lengths,
        recorder: AttentionRecorder | None = None,
        editor: Editor | None = None,
        embeddings: Hidden | None = None,
    ) -> Memory:
        """A source, padded on the right, to hidden states (B K M); `embeddings` in the place of what it begins as."""
        raise NotImplementedError

    def places(self, lengths: Lengths) -> Lengths:
        """The encoder's hidden states of sources of these lengths."""
        return lengths

    def encode_hidden(
        self, hidden: Hidden, lengths: Lengths, recorder: AttentionRecorder | None, editor: Editor | None
    ) -> Memory:
        """The encoder's layers over what the first of them reads; `lengths` are of that."""
        mask = _padding(hidden[..., 0], lengths)
        for index, layer in enumerate(self.encoder):
            hidden = layer(hidden, mask, recorder, None if editor is None else editor.layer("encoder", index))
        memory: Tensor = self.encoder_norm(hidden)
        return memory

    def decoder_layers(self) -> Iterator[DecoderLayer]:
        """The layers of the decoder, from the first."""
        return (layer for layer in self.decoder if isinstance(layer, DecoderLayer))

    def start(
        self, memory: Memory, lengths: Lengths, editor: Editor | None = None, ids: TokenIds | None = None
    ) -> TransformerState:
        """The state before the first target token; what it has edits of, every pass over it has.

        ids: of the source (B K), which a head that copies needs.
        """
        caches = [LayerCache(*layer.cross.keys_values(memory)) for layer in self.decoder_layers()]
        return TransformerState(caches, _padding(memory[..., 0], lengths), editor, ids)

    def decode_hidden(
        self,
        ids: TokenIds,
        state: TransformerState,
        recorder: AttentionRecorder | None = None,
        tapped: TappedHead | None = None,
    ) -> Hidden:
        """Normed hidden states (B Q M) at each of `ids` (B Q), which follow what `state` has seen; it moves on."""
        hidden = self.embed(ids, state.length)
        causal = None if ids.shape[1] == 1 else Causal(state.length)
        for index, (layer, cache) in enumerate(zip(self.decoder_layers(), state.caches, strict=True)):
            asked = tapped if tapped is not None and tapped.layer == index else None
            edits = state.edits(index)
            hidden = layer(hidden, cache, causal, state.source, recorder, edits, state.length, asked)
        state.length += ids.shape[1]
        normed: Tensor = self.decoder_norm(hidden)
        return normed

    def decode(self, ids: TokenIds, state: TransformerState, recorder: AttentionRecorder | None = None) -> Logits:
        """Logits (B Q V) of the token after each of `ids` (B Q), which follow what `state` has seen; it moves on."""
        return F.linear(self.decode_hidden(ids, state, recorder), self.output_weight)

    def hidden(
        self, source: Tensor, lengths: Lengths, target: Int[Tensor, "B T"], tapped: TappedHead | None = None
    ) -> Float[Tensor, "B T M"]:
        """Normed hidden states at every target token under teacher forcing: `output_weight` makes logits of them."""
        memory = self.encode(source, lengths)
        return self.decode_hidden(target, self.start(memory, self.places(lengths)), tapped=tapped)

    def forward(
        self,
        source: Tensor,
        lengths: Lengths,
        target: Int[Tensor, "B T"],
        recorder: AttentionRecorder | None = None,
        editor: Editor | None = None,
        embeddings: Hidden | None = None,
    ) -> Float[Tensor, "B T V"]:
        """Logits of the next token after every target token, under teacher forcing; `embeddings` as `encode` has it."""
        memory = self.encode(source, lengths, recorder, editor, embeddings)
        ids = None if source.is_floating_point() else source  # features have none
        return self.decode(target, self.start(memory, self.places(lengths), editor, ids), recorder)


class Transformer(EncoderDecoder):
    """The encoder-decoder of texts: source ids (B Q) in."""

    config: TransformerConfig

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        if config.copying is not None:
            self.gate = nn.Linear(config.width, 1)
            self._initialise(self.gate)

    def encode(
        self,
        source: TokenIds,
        lengths: Lengths,
        recorder: AttentionRecorder | None = None,
        editor: Editor | None = None,
        embeddings: Hidden | None = None,
    ) -> Memory:
        """Source ids (B Q) to hidden states (B Q M); `embeddings` are of the ids, in the place of the table's."""
        return self.encode_hidden(self.embed(source, embeddings=embeddings), lengths, recorder, editor)

    def decode(self, ids: TokenIds, state: TransformerState, recorder: AttentionRecorder | None = None) -> Logits:
        """Logits, as above; of a network that copies they are the logarithms of the mixture's probabilities."""
        if self.config.copying is None:
            return super().decode(ids, state, recorder)
        return self.decode_parts(ids, state, recorder).log_probabilities()

    def decode_parts(
        self, ids: TokenIds, state: TransformerState, recorder: AttentionRecorder | None = None
    ) -> Mixture:
        """What the next tokens of a network that copies are mixed of, as `decode` has them."""
        head = self.config.copying
        assert head is not None, "the network copies"
        assert state.ids is not None, "who starts a network that copies gives the source's ids"
        tapped = TappedHead(head.layer, head.head)
        hidden = self.decode_hidden(ids, state, recorder, tapped)
        assert tapped.log_weights is not None, "the layer is one of the network's"
        return Mixture(F.linear(hidden, self.output_weight), self.gate(hidden), tapped.log_weights, state.ids)

    def parts(
        self, source: TokenIds, lengths: Lengths, target: Int[Tensor, "B T"], editor: Editor | None = None
    ) -> Mixture:
        """What every next token is mixed of under teacher forcing, of a network that copies."""
        memory = self.encode(source, lengths, None, editor)
        return self.decode_parts(target, self.start(memory, lengths, editor, source))


def _padding(ids: Tensor, lengths: Tensor) -> Mask | None:
    """No mask at all where nothing is padded: the kernels are faster without."""
    return None if bool((lengths == ids.shape[1]).all()) else Padding(lengths)
