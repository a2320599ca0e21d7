"""Many edits of one teacher-forced pass of a native network, as rows of one batch.

Row 0 is the pass as it is. Another row is the same up to the first layer that its edits touch, and takes part from
there on alone: of a sweep of all heads that is less than half of the work.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.batch_edits import BatchEditor, batch_of, place_of
from heedmap.model.attention.editor import Editor
from heedmap.model.attention.edits import LayerEdits
from heedmap.model.attention.masks import Causal
from heedmap.model.attention.positions import rotary_angles
from heedmap.model.contract import AnyEdit, Request
from heedmap.model.edits import Replace
from heedmap.model.errors import InputError
from heedmap.model.native.language_model import Cache, LanguageModel
from heedmap.model.native.passes import padded_ids, replaced
from heedmap.model.native.tokenizer import Encoding, Tokenizer
from heedmap.model.native.transformer import EncoderDecoder, Transformer
from heedmap.model.native.transformer_state import LayerCache
from heedmap.model.observer import stage
from heedmap.model.watch import Stop, raise_if_cancelled

# Of one batch, on a CPU: rows of a sentence beyond that are no faster, and their logits are what takes the memory.
TOKENS = {"cpu": 2048, "cuda": 32_768}
INPUT = -1  # the step at which rows begin whose input is another
NEVER = 1 << 30

Lengths = dict[str, tuple[int, int]]
Logits = Callable[[list[list[int]], BatchEditor, Sequence[int]], Iterator[Tensor]]
"""From each row's input, the edits and the steps at which rows begin: each row's logits at the output's tokens."""


class Rows:
    """The rows of a batch that take part so far: row 0, and those whose edits have begun.

    Args:
        begins: of each row the step at which it begins.
    """

    def __init__(self, editor: BatchEditor, begins: Sequence[int]) -> None:
        self.editor, self.begins = editor, [INPUT, *begins[1:]]
        self.order = [row for row, step in enumerate(self.begins) if step == INPUT]

    def begin(self, step: int, hidden: Tensor) -> Tensor:
        """What a layer reads, with the rows that begin there."""
        self.order += [row for row, begin in enumerate(self.begins) if begin == step]
        return self.grown(hidden)

    def grown(self, part: Tensor) -> Tensor:
        """A tensor of fewer rows with row 0 in the place of those that have begun since."""
        missing = len(self.order) - part.shape[0]
        return torch.cat([part, part[:1].expand(missing, *part.shape[1:])]) if missing else part

    def edits(self, site: str, layer: int) -> LayerEdits | None:
        """What is done to a layer."""
        return self.editor.of_rows(site, layer, self.order)

    def each(self, part: Tensor) -> Iterator[Tensor]:
        """What became of each row, in the order of all; of those that never began that is what became of row 0."""
        at = {row: place for place, row in enumerate(self.order)}
        return (part[at.get(row, 0)] for row in range(len(self.begins)))


def transformer_logits(
    network: Transformer, prefix: list[int], sources: list[list[int]], editor: BatchEditor, begins: Sequence[int]
) -> Iterator[Float[Tensor, "T V"]]:
    """Logits at every token that follows one of the prefix, of each row."""
    begun = Rows(editor, begins).order
    hidden = network.embed(torch.tensor([sources[row] for row in begun], device=network.output_weight.device))
    return encoder_decoder_logits(network, prefix, hidden, editor, begins)


def encoder_decoder_logits(
    network: EncoderDecoder, prefix: list[int], hidden: Tensor, editor: BatchEditor, begins: Sequence[int]
) -> Iterator[Float[Tensor, "T V"]]:
    """The same, of what the encoder reads: row 0's, and those of rows whose input is another (R K M)."""
    rows, device = Rows(editor, begins), network.output_weight.device
    for index, layer in enumerate(network.encoder):
        hidden = rows.begin(index, hidden)
        hidden = layer(hidden, None, None, rows.edits("encoder", index))
    memory = network.encoder_norm(hidden)
    hidden = rows.grown(network.embed(torch.tensor([prefix], device=device)))
    causal = None if len(prefix) == 1 else Causal(0)
    for index, block in enumerate(network.decoder_layers()):
        hidden = rows.begin(len(network.encoder) + index, hidden)
        cache = LayerCache(*map(rows.grown, block.cross.keys_values(memory)))
        edits = rows.edits("decoder", index), rows.edits("cross", index)
        hidden = block(hidden, cache, causal, None, None, edits)
    normed = network.decoder_norm(hidden)
    return (F.linear(states, network.output_weight) for states in rows.each(normed))


def recurrent_logits(
    network: Any, prefix: list[int], sources: list[list[int]], editor: BatchEditor, begins: Sequence[int]
) -> Iterator[Float[Tensor, "T V"]]:
    """The same of a recurrent network or of one that copies, whose rows take part from the beginning."""
    ids, lengths = padded_ids(sources, network.output_weight.device)
    targets = torch.tensor([prefix], device=ids.device).expand(len(sources), -1)
    return iter(network(ids, lengths, targets, None, editor))


def language_model_logits(
    network: LanguageModel, written: int, texts: list[list[int]], editor: BatchEditor, begins: Sequence[int]
) -> Iterator[Float[Tensor, "T V"]]:
    """Logits of the last tokens, so many as were written, of each row."""
    rows, device, config = Rows(editor, begins), network.output_weight.device, network.config
    ids = torch.tensor([texts[row] for row in rows.order], device=device)
    positions = torch.arange(ids.shape[1], device=device)
    angles = rotary_angles(positions, config.width // config.heads, config.rotary_base)
    hidden = network.embedding(ids)
    for index, layer in enumerate(network.each_layer()):
        hidden = layer(rows.begin(index, hidden), Cache(), angles, None, rows.edits("decoder", index))
    normed = network.norm(hidden[:, -written - 1 : -1])
    return (F.linear(states, network.output_weight) for states in rows.each(normed))


def values_under(
    request: Request,
    sets: Sequence[Sequence[AnyEdit]],
    read: Encoding,
    tokens: int,
    lengths: Lengths,
    *,
    step_of: Callable[[str, int], int],
    make: Callable[[tuple[AnyEdit, ...]], Editor],
    logits: Logits,
    value: Callable[[Tensor], Tensor],
    tokenizer: Tokenizer,
    device: torch.device,
    cancelled: Stop,
) -> Iterator[list[float]]:
    """The objective's value of the pass of a request, then under each set of edits, a batch at a time.

    Args:
        read: what of the pass was the request's, its own edits done.
        tokens: of a row, all that it reads.
        lengths: queries and keys of each site.
        step_of: the number of a layer of a site, in the order of the pass.
        make: the editor of edits. value: the objective's, of a row's logits.

    Raises:
        InputError: a set is none of this pass, or leaves a row nothing to see; `field` says which. Cancelled.
    """
    together = max(1, TOKENS["cpu" if device.type == "cpu" else "cuda"] // tokens - 1)
    for first in range(0, max(1, len(sets)), together):
        raise_if_cancelled(cancelled)
        some = sets[first : first + together]
        with torch.inference_mode(), stage("forward"):
            editor, touched = batch_of(request.edits, some, make, lengths, first)
            inputs, begins = [read.ids], [INPUT]
            for number, edits in enumerate(some, first):
                inputs.append(_replaced(read, edits, tokenizer, number))
                other = any(isinstance(edit, Replace) for edit in edits)
                steps = [step_of(*key) for key in touched[len(begins)]]
                begins.append(INPUT if other else min(steps, default=NEVER))
            values = [float(value(row)) for row in logits(inputs, editor, begins)]
        yield values if first == 0 else values[1:]


def _replaced(read: Encoding, edits: Sequence[AnyEdit], tokenizer: Tokenizer, number: int) -> list[int]:
    try:
        return replaced(read, edits, tokenizer).ids
    except InputError as error:
        error.field = place_of(error.field, 0, number)
        raise
