"""The likeliest tokens of an output from Python: what else could stand at each of its places."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heedmap.app.client.calls import ClientCall, Flow, Operation

if TYPE_CHECKING:
    from heedmap.app.client.results import TraceSummary


@dataclass(frozen=True)
class LikelyToken:
    """A token that could stand at a place; its log-probability is in nats."""

    token: str
    id: int
    probability: float
    log_probability: float

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "LikelyToken":
        """One of `tokens`."""
        return cls(data["token"], data["id"], data["probability"], data["log_probability"])


@dataclass(frozen=True)
class OutputPlace:
    """A place of an output: what stands there, how many are no less likely, and the likeliest, best first."""

    position: int
    written: LikelyToken
    rank: int
    tokens: list[LikelyToken]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "OutputPlace":
        """The answer of POST /v1/traces/{id}/likeliest, or one of its places."""
        tokens = [LikelyToken.from_json(token) for token in data["tokens"]]
        return cls(data["position"], LikelyToken.from_json(data["written"]), data["written"]["rank"], tokens)


class LikeliestOperations:
    """What both clients can do with the places of an output."""

    @Operation
    def likeliest(
        self, /, trace: "TraceSummary | str", position: int | None = None, *, count: int = 5
    ) -> Flow[list[OutputPlace]]:
        """What else the model could have written at a place of a trace's output, or at each of them.

        To go on with another token, trace the same input with `prefix`: the ids before the place and the other's.
        """
        id = trace if isinstance(trace, str) else trace.id
        body = {"count": count} if position is None else {"count": count, "position": position}
        response = yield ClientCall("POST", f"/v1/traces/{id}/likeliest", body=body)
        data = response.json()
        return [OutputPlace.from_json(place) for place in data.get("places", [data])]
