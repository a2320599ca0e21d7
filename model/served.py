"""What the service knows of a model: requests in, predictions and traces out, whatever the family."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from model.errors import InputError

if TYPE_CHECKING:
    from model.trace import Trace


class Parameters(BaseModel):
    """How to generate; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    beam_size: int = Field(1, ge=1, le=16, description="Hypotheses kept at every step; 1 is greedy.")
    max_new_tokens: int = Field(128, ge=1, le=512, description="The longest output, in tokens.")
    length_penalty: float = Field(1.0, ge=0, le=5, description="Beams are ranked by log-probability / length^this.")
    do_sample: bool = Field(False, description="Draw from the distribution instead of taking its best.")
    temperature: float = Field(1.0, gt=0, le=10, description="Divides the logits before sampling.")
    top_k: int = Field(0, ge=0, description="Sample from the k likeliest tokens; 0 is off.")
    top_p: float = Field(1.0, gt=0, le=1, description="Sample from the likeliest tokens that make up this mass.")
    seed: int = Field(0, ge=0, lt=2**63, description="The same seed and input give the same sample.")


@dataclass(frozen=True)
class Request:
    """One input; with a `target`, that output is scored instead of generating one."""

    inputs: str
    target: str | None = None
    parameters: Parameters = field(default_factory=Parameters)


@dataclass(frozen=True)
class Axis:
    """What queries or keys stand for: text tokens, with the half-open span of characters that each covers."""

    kind: str
    labels: list[str]
    ids: list[int]
    spans: list[tuple[int, int]]
    special: list[bool]

    def __len__(self) -> int:
        return len(self.labels)

    def to_json(self) -> dict[str, Any]:
        """The axis as the contract's JSON."""
        return {
            "kind": self.kind,
            "labels": self.labels,
            "ids": self.ids,
            "spans": [list(pair) for pair in self.spans],
            "special": self.special,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Axis":
        """The axis that `to_json` wrote."""
        spans = [(int(start), int(stop)) for start, stop in data["spans"]]
        return cls(data["kind"], list(data["labels"]), list(data["ids"]), spans, list(data["special"]))


@dataclass(frozen=True)
class Prediction:
    """A model's answer: its text, its tokens, and their summed log-probability in nats."""

    text: str
    tokens: list[str]
    score: float
    axes: dict[str, Axis]

    def to_json(self) -> dict[str, Any]:
        """The prediction as the contract's JSON, without its axes, which stand beside it."""
        return {"text": self.text, "tokens": self.tokens, "score": self.score}


def never() -> bool:
    """Nobody cancels."""
    return False


@runtime_checkable
class Served(Protocol):
    """A model under a name."""

    task: str
    revision: str

    def describe(self) -> dict[str, Any]:
        """Task, shape, dtype, device, sites and licence, as JSON."""

    def predict(
        self, requests: Sequence[Request], cancelled: Callable[[], bool] = never
    ) -> "list[Prediction | InputError]":
        """Answer one batch; each request has its own result or its own error, in the same order.

        Raises:
            Cancelled: `cancelled` became true between two steps.
        """

    def trace(self, requests: Sequence[Request], cancelled: Callable[[], bool] = never) -> "list[Trace | InputError]":
        """Predict, then record one teacher-forced pass over input and output.

        Raises:
            Cancelled: `cancelled` became true between two steps.
        """


def load_served(path: Path, device: str = "cpu") -> Served:
    """A model of whatever family the folder holds, ready to serve.

    Raises:
        CheckpointError: the folder is not a sound checkpoint.
    """
    from model.translation import Translator  # families import this module, so it meets them late

    return Translator.load(path, device)
