"""What logits say of the places of an output: which tokens are the likeliest at each."""

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.likeliest import Candidate, Place


def places(
    logits: Float[Tensor, "T V"], ids: Sequence[int], count: int, label: Callable[[int], str], first: int = 0
) -> Iterator[Place]:
    """The likeliest tokens at each place of an output.

    Args:
        logits: at each place, what its token is chosen from; -inf of what no output has.
        ids: of the tokens that stand there.
        count: candidates of a place.
        first: the position of the first place.
    """
    for position, (row, token) in enumerate(zip(logits, ids, strict=True), first):  # a row at a time: V may be large
        scores = row.float().log_softmax(dim=-1)
        best, tokens = scores.topk(min(count, len(scores)))
        score = scores[token]
        rank = int((scores > score).sum()) + 1
        yield Place(
            position,
            Candidate(label(token), token, float(score)),
            rank,
            [
                Candidate(label(other), other, value)
                for other, value in zip(tokens.tolist(), best.tolist(), strict=True)
                if value > -torch.inf
            ],
        )
