"""Fitting what follows a taught head to what the network did before it was taught.

A head that was taught to align no longer brings what it brought, and what reads it was made for that. Each part of the
decoder behind it adds a projection to the stream of hidden states; one by one these projections are solved for, by
least squares over sentences of the training part, so that the stream is again as near to the former network's as a
linear map of what is now there can make it. No gradient, no translation loss: all else stays as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from heedmap.model.native.tokenizer import PAD
from heedmap.model.native.transformer import Transformer
from heedmap.model.training.data import PairBatch

RIDGE = 1.0  # beside Gram matrices of some 100,000 tokens: it decides only where these say nothing


@dataclass(frozen=True)
class Part:
    """A part of a decoder layer that adds to the stream: the norm that reads it, and the projection that it ends in."""

    norm: nn.LayerNorm
    projection: nn.Linear


def parts_behind(network: Transformer, layer: int) -> list[Part]:
    """The decoder's parts from the cross-attention of a layer on, in the order in which they add."""
    parts = []
    for each in list(network.decoder_layers())[layer:]:
        parts += [
            Part(each.attention_norm, each.attention.output),
            Part(each.cross_norm, each.cross.output),
            Part(each.feed_forward_norm, each.feed_forward.down),
        ]
    return parts[1:]


@torch.no_grad()
def settle(network: Transformer, former: Transformer, layer: int, batches: Sequence[PairBatch]) -> None:
    """Solve for the projections behind the cross-attention of a layer, in place.

    Args:
        network: whose head was taught; former: the same before that; layer: the head's.
        batches: sentences with their translations, which both read under teacher forcing.
    """
    for part, was in zip(parts_behind(network, layer), parts_behind(former, layer), strict=True):
        weight, bias = part.projection.weight, part.projection.bias
        size = weight.shape[1] + 1
        gram = torch.zeros(size, size, dtype=torch.float64)
        moments = torch.zeros(size, weight.shape[0], dtype=torch.float64)
        for batch in batches:
            stream, inputs, added = _pass(network, part, batch)
            before, _, brought = _pass(former, was, batch)
            missing = before + brought - stream - added  # N M
            rows = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=torch.float64)], dim=1)  # N (F + 1)
            gram += rows.T @ rows
            moments += rows.T @ missing
        change = torch.linalg.solve(gram + RIDGE * torch.eye(size, dtype=torch.float64), moments)
        weight += change[:-1].T.to(weight)
        bias.add_(change[-1].to(bias))


def _pass(
    network: Transformer, part: Part, batch: PairBatch
) -> tuple[Float[Tensor, "N M"], Float[Tensor, "N F"], Float[Tensor, "N M"]]:
    """Of each token of a batch the stream before a part, what its projection is given, and what it adds."""
    seen: dict[str, Tensor] = {}

    def before(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen["stream"] = inputs[0]

    def after(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen["inputs"], seen["added"] = inputs[0], output

    hooks = [part.norm.register_forward_pre_hook(before), part.projection.register_forward_hook(after)]
    try:
        network.hidden(batch.source, batch.source_lengths, batch.target)
    finally:
        for hook in hooks:
            hook.remove()
    real = (batch.labels != PAD).flatten()
    stream, inputs, added = (seen[name].flatten(0, 1)[real].double() for name in ("stream", "inputs", "added"))
    return stream, inputs, added
