"""What else an output could have gone on with: the likeliest tokens at each of its places, by one pass over it."""

import math
from dataclasses import dataclass
from typing import Any


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
            "probability": math.exp(self.log_probability),
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
