"""Who writes an output, apart from who records it: a trace is one pass over ids, whatever engine wrote them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from heedmap.model.contract import Parameters
from heedmap.model.prediction import FinishReason
from heedmap.model.watch import Stop


@dataclass(frozen=True)
class Continuation:
    """What a generator wrote after a prompt.

    ids: of its tokens, where it tells them; they are checked against the text.
    """

    text: str
    finish_reason: FinishReason
    ids: list[int] | None = None


@runtime_checkable
class Generator(Protocol):
    """Writes after a prompt; the model here scores and records what it wrote."""

    def describe(self) -> dict[str, str]:
        """What it is, as JSON, without secrets."""

    def write(self, prompt: Sequence[int], parameters: Parameters, limit: int, cancelled: Stop) -> Continuation:
        """At most `limit` tokens after a prompt's ids.

        Raises:
            ParameterError: it does not decode so. GeneratorFailure: it cannot be reached, or answers something else.
            Cancelled: `cancelled` became true meanwhile.
        """
