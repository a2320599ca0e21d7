"""A GRU encoder-decoder with additive attention (Bahdanau et al. 2015): the recurrent ancestor of the Transformer.

The decoder's state before a step asks, the encoder's states answer, and the weighted sum enters the step. Its
alignments are maps of the site `cross`: one layer, one head, additive score.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from heedmap.model.attention.editor import Editor
from heedmap.model.attention.kernels import attend
from heedmap.model.attention.masks import Mask, Padding
from heedmap.model.attention.multihead import AttentionRecorder
from heedmap.model.attention.scores import Additive, Score
from heedmap.model.shapes import Hidden, Lengths, Logits, Memory, TokenIds


class RecurrentConfig(BaseModel):
    """The shape of a GRU encoder-decoder; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: Literal["recurrent"] = "recurrent"
    task: Literal["translation"] = "translation"
    source_language: str
    target_language: str
    vocabulary: PositiveInt
    width: PositiveInt = 256
    dropout: float = 0.2
    max_positions: PositiveInt = 512


class RecurrentState:
    """All that a decoding step needs from before it."""

    def __init__(
        self,
        memory: Tensor,
        keys: Tensor,
        source: Mask,
        lengths: Tensor,
        hidden: Tensor,
        editor: Editor | None = None,
    ) -> None:
        self.memory, self.keys, self.source, self.lengths, self.hidden = memory, keys, source, lengths, hidden
        self.length, self.edits = 0, None if editor is None else editor.layer("cross", 0)

    def reorder(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        self.memory, self.keys, self.hidden = self.memory[rows], self.keys[rows], self.hidden[rows]
        self.lengths = self.lengths[rows]
        self.source = Padding(self.lengths)


class Recurrent(nn.Module):
    """Bidirectional GRU encoder, GRU decoder, additive attention between; embeddings shared and tied."""

    sites = ("cross",)

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embedding = nn.Embedding(config.vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.encoder = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(width, width)
        self.attention_query = nn.Linear(width, width, bias=False)
        self.attention_key = nn.Linear(width, width)
        self.attention_vector = nn.Parameter(torch.randn(width) * width**-0.5)
        self.cell = nn.GRUCell(2 * width, width)
        self.readout = nn.Linear(3 * width, width)

    @property
    def output_weight(self) -> Float[Tensor, "V M"]:
        """The output projection, tied to the embedding (Press and Wolf 2017)."""
        return self.embedding.weight

    def _embed(self, ids: TokenIds, embeddings: Hidden | None = None) -> Hidden:
        embedded = self.embedding(ids) if embeddings is None else embeddings
        return F.dropout(embedded * self.config.width**0.5, self.config.dropout, self.training)

    def encode(
        self,
        ids: TokenIds,
        lengths: Lengths,
        recorder: AttentionRecorder | None = None,
        editor: Editor | None = None,
        embeddings: Hidden | None = None,
    ) -> Memory:
        """Source ids (B Q), padded on the right, to hidden states of both directions side by side (B Q M).

        embeddings: of the ids, in the place of the table's.
        """
        embedded = self._embed(ids, embeddings)
        packed = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = self.encoder(packed)
        memory, _ = pad_packed_sequence(states, batch_first=True, total_length=ids.shape[1])
        return F.dropout(memory, self.config.dropout, self.training)

    def start(self, memory: Memory, lengths: Lengths, editor: Editor | None = None) -> RecurrentState:
        """The state before the first target token: the mean source state through one layer."""
        real = (torch.arange(memory.shape[1], device=memory.device) < lengths[:, None])[..., None]
        mean = (memory * real).sum(dim=1) / lengths[:, None]
        hidden = torch.tanh(self.bridge(mean))
        return RecurrentState(memory, self.attention_key(memory), Padding(lengths), lengths, hidden, editor)

    def decode_hidden(self, ids: TokenIds, state: RecurrentState, recorder: AttentionRecorder | None = None) -> Hidden:
        """States (B Q M) at each of `ids` (B Q), which follow what `state` has seen; it moves on."""
        score: Score = Additive(self.attention_vector)
        keys, values = state.keys[:, None], state.memory[:, None]  # B G=1 K M
        queries, contexts, outputs, hiddens, lses = [], [], [], [], []
        kernel, edited = "blockwise", None
        embedded = self._embed(ids)
        for step in range(ids.shape[1]):
            query = self.attention_query(state.hidden)[:, None, None]  # B H=1 Q=1 M
            if state.edits is None:
                context, lse, kernel = attend(query, keys, values, state.source, score=score)
                outputs.append(context)
            else:
                place = state.length + step
                done = state.edits.attend(
                    query, keys, values, state.source, None, Additive(self.attention_vector), place
                )
                query, context, lse, kernel, score, edited = (
                    done.q, done.mixed, done.lse, done.kernel, done.score, done.edited
                )  # fmt: skip
                outputs.append(done.output)
            if recorder is not None:
                recorder.follow(context)
            state.hidden = self.cell(torch.cat([embedded[:, step], context[:, 0, 0]], dim=1), state.hidden)
            queries.append(query)
            contexts.append(context)
            hiddens.append(state.hidden)
            lses.append(lse)
        state.length += ids.shape[1]
        mixed = torch.cat(contexts, dim=2)
        if recorder is not None:
            q, lse = torch.cat(queries, dim=2), torch.cat(lses, dim=2)
            output = torch.cat(outputs, dim=2)
            facts: dict[str, Any] = {"score": score, "mask": state.source, "kernel": kernel, "edited": edited}
            recorder.record("cross", q, keys, values, lse, output, **facts, tapes=contexts)
        everything = torch.cat([torch.stack(hiddens, dim=1), mixed[:, 0], embedded], dim=2)
        return F.dropout(torch.tanh(self.readout(everything)), self.config.dropout, self.training)

    def decode(self, ids: TokenIds, state: RecurrentState, recorder: AttentionRecorder | None = None) -> Logits:
        """Logits (B Q V) of the token after each of `ids` (B Q), which follow what `state` has seen; it moves on."""
        return F.linear(self.decode_hidden(ids, state, recorder), self.output_weight)

    def hidden(self, source: TokenIds, lengths: Lengths, target: Int[Tensor, "B T"]) -> Float[Tensor, "B T M"]:
        """States at every target token under teacher forcing: `output_weight` makes logits of them."""
        return self.decode_hidden(target, self.start(self.encode(source, lengths), lengths))

    def forward(
        self,
        source: TokenIds,
        lengths: Lengths,
        target: Int[Tensor, "B T"],
        recorder: AttentionRecorder | None = None,
        editor: Editor | None = None,
        embeddings: Hidden | None = None,
    ) -> Float[Tensor, "B T V"]:
        """Logits of the next token after every target token, under teacher forcing; `embeddings` as `encode` has it."""
        memory = self.encode(source, lengths, embeddings=embeddings)
        return self.decode(target, self.start(memory, lengths, editor), recorder)
