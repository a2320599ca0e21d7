"""What else an output could have gone on with: the likeliest tokens at each of its places, by one pass over it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Candidate:
    """A token that could stand at a place; its log-probability is in nats."""

    token: str
    id: int
    log_probability: float

    def to_json(self) -> dict[str, Any]:
        """The candidate as the contract's JSON."""
        return {
            "token": self.token,
            "id": self.id,
            "probability": float(torch.tensor(self.log_probability, dtype=torch.float64).exp()),
            "log_probability": self.log_probability,
        }


@dataclass(frozen=True)
class Place:
    """A place of an output: what stands there, the how-manieth choice that was, and the likeliest, best first."""

    position: int
    written: Candidate
    rank: int
    tokens: list[Candidate]

    def to_json(self) -> dict[str, Any]:
        """The place as the contract's JSON."""
        return {
            "position": self.position,
            "written": {**self.written.to_json(), "rank": self.rank},
            "tokens": [candidate.to_json() for candidate in self.tokens],
        }


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
