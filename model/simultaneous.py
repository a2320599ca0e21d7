"""Simultaneous translation: what is asked of a model while its input still comes in, and how it decides what to write.

A policy looks at each token that the model would write next, and commits it or holds it back:

    AlignAtt   while the source word that the token looks at most is none of the last f (Papi et al. 2023,
               "AlignAtt: Using attention-based audio-translation alignments as a guide for simultaneous speech
               translation"; f counts words here, audio frames there)
    wait-k     while the word stands at least k - 1 words behind the source (Ma et al. 2019, "STACL")

The first token that is held back ends what is committed, and only whole words are. What looks at the end mark of the
source, which stands after the words so far, waits as what looks at the last of them does.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from heedmap.model.errors import ParameterError
from heedmap.model.taught_head import TaughtHead
from heedmap.model.typed import Typed

MOST_WORDS = 100  # that a policy waits for: no sentence is longer

Reason = Literal["seen", "late", "due", "early", "word", "end", "complete"]
"""Why a token is committed (seen, due, complete) or held back.

    seen      it looks at a word before the last f     late   it looks at one of the last f, or at the end mark
    due       wait-k has read enough for its word      early  it has not
    complete  the source is complete                   end    it would end the output, and the source goes on
    word      its word is not whole yet, or a token of the word is held back
"""
REASONS: tuple[Reason, ...] = get_args(Reason)


class AlignAtt(Typed):
    """Commit what looks at source words before the last few."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["alignatt"] = "alignatt"
    frames: int = Field(
        2, ge=1, le=MOST_WORDS, description="The last source words, so many, that nothing is committed by."
    )

    def judge(self, word: int, position: int | None, read: int) -> Reason:
        """What to do with a token of a word of the output that looks at a source word, when so many are read."""
        return "seen" if position is not None and position < read - self.frames else "late"


class WaitK(Typed):
    """Commit the first word when k source words are read, and one more with each that follows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["wait-k"]
    k: int = Field(3, ge=1, le=MOST_WORDS, description="So many source words are read before the first is written.")

    def judge(self, word: int, position: int | None, read: int) -> Reason:
        """What to do with a token of a word of the output that looks at a source word, when so many are read."""
        return "due" if word <= read - self.k else "early"


AnyPolicy = AlignAtt | WaitK
KINDS: dict[str, type[AnyPolicy]] = {"alignatt": AlignAtt, "wait-k": WaitK}


def check_policy(value: Any) -> AnyPolicy:
    """A policy as JSON has it, or as it is.

    Raises:
        ParameterError: it is none; `field` says which part.
    """
    if isinstance(value, AlignAtt | WaitK):
        return value
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ParameterError(f"expected a policy, an object with a kind: {', '.join(KINDS)}", field="kind")
    try:
        return KINDS[kind].model_validate(value)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False)[0]
        message = "unknown field" if error["type"] == "extra_forbidden" else error.get("ctx", {}).get("error")
        raise ParameterError(str(message or error["msg"]), field=".".join(map(str, error["loc"]))) from None


Policy = Annotated[
    AnyPolicy,
    BeforeValidator(check_policy),
    WithJsonSchema({"oneOf": [kind.model_json_schema() for kind in KINDS.values()]}),
]
GOES_ON: tuple[Reason, ...] = ("seen", "due")


@dataclass(frozen=True)
class LiveRequest:
    """A source as far as it has come in, and what is committed of its translation.

    committed: a text, or the ids of its tokens. final: whether the source is complete.
    """

    inputs: str
    committed: str | tuple[int, ...] = ()
    final: bool = False
    policy: AnyPolicy = field(default_factory=AlignAtt)


@dataclass(frozen=True)
class SourceWord:
    """A word of the source, and the characters of the input that it covers."""

    text: str
    span: tuple[int, int]


@dataclass(frozen=True)
class Decision:
    """What became of a token: it is committed or held back, and why.

    span: its characters in the draft; none, of an end token. word: of the output, from 0. position: of the source word
    that it looks at most, None: the end mark; weight: how much, None where nothing has read the token yet.
    """

    token: str
    id: int
    span: tuple[int, int]
    word: int
    position: int | None
    weight: float | None
    committed: bool
    why: Reason

    def to_json(self) -> dict[str, Any]:
        """The decision as the contract's JSON."""
        return {**self.__dict__, "span": list(self.span)}


@dataclass(frozen=True)
class LiveAnswer:
    """What is committed now, and the decision on each token after what was committed before.

    draft: the text of what is committed and of what is held back. head: which one was read; None: the mean of all.
    finished: the source is complete, and so is the output.
    """

    committed: list[int]
    text: str
    draft: str
    source: list[SourceWord]
    decisions: list[Decision]
    head: TaughtHead | None
    finished: bool

    def to_json(self) -> dict[str, Any]:
        """The answer as the contract's JSON."""
        return {
            "committed": self.committed,
            "text": self.text,
            "draft": self.draft,
            "finished": self.finished,
            "source": [{"text": word.text, "span": list(word.span)} for word in self.source],
            "decisions": [decision.to_json() for decision in self.decisions],
            "head": None if self.head is None else dict(self.head.__dict__),
        }
