"""Drawing tokens instead of taking the likeliest."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.contract import Parameters


class Sampler:
    """Draws a token for each row, with a generator of its own for each sequence, so that neighbours change nothing."""

    def __init__(self, parameters: Parameters, batch: int) -> None:
        self.parameters = parameters
        self.generators = [torch.Generator().manual_seed(parameters.seed) for _ in range(batch)]

    def __call__(self, logits: Float[Tensor, "N V"], rows: Sequence[int]) -> Int[Tensor, "N"]:
        """One draw per row from the tempered distribution, cut to `top_k` and `top_p` (Holtzman et al. 2020)."""
        ordered, ids = (logits.float() / self.parameters.temperature).sort(dim=-1, descending=True)
        if self.parameters.top_k:
            ordered[:, self.parameters.top_k :] = -torch.inf
        probabilities = ordered.softmax(dim=-1)
        before = probabilities.cumsum(dim=-1) - probabilities
        probabilities = probabilities.masked_fill(before >= self.parameters.top_p, 0)
        cumulative = probabilities.cumsum(dim=-1)
        draws = torch.stack([torch.rand(1, generator=self.generators[row]) for row in rows]).to(logits.device)
        chosen = torch.searchsorted(cumulative, draws * cumulative[:, -1:], right=True)
        last = (probabilities > 0).sum(dim=-1, keepdim=True) - 1
        return ids.gather(1, torch.minimum(chosen, last))[:, 0]
