"""Simultaneous translation from Python: the words so far to what is committed of their translation, by a service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heedmap.app.client.calls import ClientCall, Flow, Operation


@dataclass(frozen=True)
class TokenDecision:
    """What became of a token: committed or held back, and why.

    span: its characters in the draft. word: of the output, from 0. position: of the source word that it looks at most,
    None: the end mark after them; weight: how much.
    """

    token: str
    id: int
    span: tuple[int, int]
    word: int
    position: int | None
    weight: float | None
    committed: bool
    why: str


@dataclass(frozen=True)
class Interpreted:
    """What is committed by now: its ids, which the next call gives back, and its text.

    draft: the text with what is held back. source: its words. head: layer, head and reading; None: the mean of all.
    """

    committed: list[int]
    text: str
    draft: str
    finished: bool
    source: list[str]
    decisions: list[TokenDecision]
    head: Mapping[str, Any] | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Interpreted":
        """The answer of POST /v1/simultaneous."""
        decisions = [TokenDecision(**{**row, "span": tuple(row["span"])}) for row in data["decisions"]]
        source = [word["text"] for word in data["source"]]
        return cls(data["committed"], data["text"], data["draft"], data["finished"], source, decisions, data["head"])


class SimultaneousOperations:
    """What both clients can do with a source that still comes in."""

    @Operation
    def simultaneous(
        self,
        /,
        inputs: str,
        committed: str | Sequence[int] = (),
        *,
        final: bool = False,
        policy: Mapping[str, Any] | None = None,
        model: str | None = None,
    ) -> Flow[Interpreted]:
        """Go on with the translation of the words so far, until a token must wait; `committed` is the last answer's.

        `final` says that the source is complete. `policy` is {"kind": "alignatt", "frames": 2}, or wait-k's
        {"kind": "wait-k", "k": 3}.
        """
        said = committed if isinstance(committed, str) else list(committed)
        body: dict[str, Any] = {"inputs": inputs, "committed": said, "final": final}
        more = {"policy": None if policy is None else dict(policy), "model": model}
        body |= {name: value for name, value in more.items() if value is not None}
        response = yield ClientCall("POST", "/v1/simultaneous", body=body)
        return Interpreted.from_json(response.json())
