"""Writing or copying: the pointer-generator's mixture (See et al. 2017, arXiv 1704.04368, equation 9).

    P(w) = p_gen P_vocabulary(w) + (1 - p_gen) sum_{j: x_j = w} a_j

a is the row of one cross head's own map, so that the map that is shown is what was copied by; p_gen is a sigmoid of the
decoder's last state, which holds context, state and input of their equation 8 already. Source and target share a
vocabulary of pieces: no token of the source is outside of it.

The head's weights act on the output twice, through what it adds and by being copied from. Gradients at attention
outputs, and what measures make of them, have the first path alone of this one head; and edits of its own attention
change what it adds, not what is copied.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, NonNegativeInt
from torch import Tensor

LEAST = 1e-30  # of a probability whose logarithm is taken: float32 ends at 1e-38


class CopyHead(BaseModel):
    """The cross head whose weights copy tokens of the source, in the row that writes a token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer: NonNegativeInt
    head: NonNegativeInt


@dataclass(frozen=True)
class Mixture:
    """What the next token at each place is mixed of.

    logits: of writing it (B Q V); gate: the logit of p_gen (B Q 1); log_weights: of the head that copies (B Q K), -inf
    where a key is hidden; ids: of the source (B K).
    """

    logits: Float[Tensor, "B Q V"]
    gate: Float[Tensor, "B Q 1"]
    log_weights: Float[Tensor, "B Q K"]
    ids: Int[Tensor, "B K"]

    @property
    def written(self) -> Float[Tensor, "B Q"]:
        """p_gen: the share of each token's distribution that writes rather than copies."""
        return self.gate.float().sigmoid()[..., 0]

    def copied(self) -> Float[Tensor, "B Q V"]:
        """The distribution over the vocabulary that the head's weights are."""
        weights = self.log_weights.exp()
        places = self.ids[:, None].expand_as(weights)
        zeros = weights.new_zeros(*self.logits.shape[:2], self.logits.shape[2])
        return zeros.scatter_add(2, places, weights)

    def log_probabilities(self) -> Float[Tensor, "B Q V"]:
        """Logarithms of the mixture, in float32, which stand in the place of logits."""
        share = self.gate.float().sigmoid()
        return (share * self.logits.float().softmax(dim=-1) + (1 - share) * self.copied()).clamp(min=LEAST).log()

    def loss(self, labels: Int[Tensor, "B Q"], ignore: int, smoothing: float) -> Float[Tensor, ""]:
        """Mean negative log-probability of the labels, in nats; `ignore` marks places without one.

        smoothing: the weight of the cross-entropy of a uniform distribution under the written part alone: what is
            copied has no other tokens to spread to.
        """
        real = labels != ignore
        log_vocabulary = self.logits.float().log_softmax(dim=-1)
        writes = F.logsigmoid(self.gate.float())[..., 0] + log_vocabulary.gather(2, labels[..., None])[..., 0]
        same = self.ids[:, None] == labels[..., None]  # B Q K
        copied = (self.log_weights.exp() * same).sum(dim=-1)
        copies = F.logsigmoid(-self.gate.float())[..., 0] + copied.clamp(min=LEAST).log()
        right = torch.logaddexp(writes, copies)
        lost = -(1 - smoothing) * right - smoothing * log_vocabulary.mean(dim=-1)
        return (lost * real).sum() / real.sum().clamp(min=1)
