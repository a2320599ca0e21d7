"""Drawing within transformers' `generate`."""

import torch
from torch import Tensor

from heedmap.model.contract import Parameters
from heedmap.model.sampling import Sampler


class Draw:
    """A logits processor that leaves one token of each row: drawn with a generator of the row's own.

    transformers' sampling draws a whole batch from one generator, so that an output depends on its neighbours.
    """

    def __init__(self, parameters: Parameters, batch: int) -> None:
        self.sampler, self.rows = Sampler(parameters, batch), list(range(batch))

    def __call__(self, _ids: Tensor, scores: Tensor) -> Tensor:
        """Everything but the token drawn is impossible."""
        chosen = self.sampler(scores, self.rows)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen[:, None], 0.0)
