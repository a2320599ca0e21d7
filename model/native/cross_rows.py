"""Where each sequence of a batch looks in its source at one step of decoding."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from heedmap.model.attention.masks import Mask
from heedmap.model.attention.operators import spread
from heedmap.model.attention.scores import Score
from heedmap.model.taught_head import TaughtHead


class CrossRows:
    """Takes from one step where each sequence looks in its source: by one head, or by the mean of all.

    It is the `AttentionRecorder` of a step with one query.
    """

    def __init__(self, head: TaughtHead | None) -> None:
        self.head, self.layer = head, 0
        self.parts: list[Float[Tensor, "B K"]] = []

    def record(
        self,
        site: str,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        lse: Tensor,
        output: Tensor,
        *,
        score: Score,
        mask: Mask | None,
        **rest: Any,
    ) -> None:
        """The weights of a cross layer, if they are wanted: exp(score(q, k) - lse)."""
        if site != "cross":
            return
        layer, self.layer = self.layer, self.layer + 1
        if self.head is not None and layer != self.head.layer:
            return
        k = spread(k, q.shape[1])
        if self.head is not None:
            one = slice(self.head.head, self.head.head + 1)
            q, k, lse = q[:, one], k[:, one], lse[:, one]
        weights = (score(q, k).float() - lse[..., None].float()).exp()[:, :, 0]  # B H K
        if mask is not None:
            weights = weights.masked_fill(~mask.dense(1, k.shape[2], k.device), 0.0)
        self.parts.append(weights.mean(dim=1))

    def follow(self, output: Tensor) -> None:
        """Nothing is differentiated here."""

    def weights(self) -> NDArray[np.float64]:
        """The step's row of each sequence, (B, K)."""
        rows: NDArray[np.float64] = torch.stack(self.parts).mean(dim=0).double().cpu().numpy()
        return rows
