"""Choosing within transformers' `generate`: drawn tokens, and those that an output begins with."""

from collections.abc import Sequence

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


class Begin:
    """A logits processor that leaves, at each of an output's first places, the token that is given there.

    Args:
        prefix: these tokens. began: how many ids of a row are not of the output.
    """

    def __init__(self, prefix: Sequence[int], began: int) -> None:
        self.prefix, self.began = prefix, began

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:
        """Everything but the token given is impossible; what comes after the last is as it was."""
        place = ids.shape[1] - self.began
        if place >= len(self.prefix):
            return scores
        token = self.prefix[place]
        given = torch.full_like(scores, -torch.inf)
        given[:, token] = scores[:, token].nan_to_num(0.0, neginf=0.0)  # what the checkpoint forbids may be given
        return given
