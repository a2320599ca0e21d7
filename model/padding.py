"""Sequences of different lengths as one batch."""

from collections.abc import Sequence

import torch
from torch import Tensor


def padded(rows: Sequence[Sequence[int]], value: int, *, left: bool = False) -> tuple[Tensor, Tensor]:
    """Rows of ids as one batch (B Q), filled up with `value`, and its mask: 1 where a row's tokens are."""
    width = max(len(row) for row in rows)
    ids, mask = [], []
    for row in rows:
        fill, real = [value] * (width - len(row)), [1] * len(row)
        hidden = [0] * len(fill)
        ids.append([*fill, *row] if left else [*row, *fill])
        mask.append([*hidden, *real] if left else [*real, *hidden])
    return torch.tensor(ids), torch.tensor(mask)
