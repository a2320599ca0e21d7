"""What the service knows of a model: requests in, predictions and traces out, whatever the family."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, TypeVar, get_args, get_origin, runtime_checkable

from pydantic import ConfigDict, FailFast, Field

from heedmap.model.edits import AnyEdit, check_edits
from heedmap.model.errors import HeedmapError
from heedmap.model.likeliest import Place
from heedmap.model.objective import Objective
from heedmap.model.prediction import Axis, FinishReason, Inputs, Prediction, Unanswered, unanswered
from heedmap.model.prefix import Prefix
from heedmap.model.simultaneous import LiveAnswer, LiveRequest
from heedmap.model.typed import Typed
from heedmap.model.watch import Stop, never

__all__ = [
    "DECODING",
    "AnyEdit",
    "Axis",
    "FinishReason",
    "Foretelling",
    "Inputs",
    "Joinable",
    "Measurable",
    "Objective",
    "Parameters",
    "Prediction",
    "Request",
    "Served",
    "Session",
    "Simultaneous",
    "Typed",
    "Unanswered",
    "check_edits",
    "taken",
    "unanswered",
]

Traced = TypeVar("Traced")


STOPS = 16  # texts that end an output: each is looked for after every token
STOP_CHARACTERS = 100  # of one: it marks a turn or a line, and is no sentence
MOST_TOKENS = 32_768  # of an output: a tenth of a second each takes an hour, and no deadline is that far


class Parameters(Typed):
    """How to generate; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    beam_size: int = Field(1, ge=1, le=16, description="Hypotheses kept at every step; 1 is greedy.")
    max_new_tokens: int | None = Field(
        None, ge=1, le=MOST_TOKENS, description="The longest output, in tokens; the model's own limit by default."
    )
    length_penalty: float = Field(1.0, ge=0, le=5, description="Beams are ranked by log-probability / length^this.")
    do_sample: bool = Field(False, description="Draw from the distribution instead of taking its best.")
    temperature: float = Field(1.0, gt=0, le=10, description="Divides the logits before sampling.")
    top_k: int = Field(0, ge=0, description="Sample from the k likeliest tokens; 0 is off.")
    top_p: float = Field(1.0, gt=0, le=1, description="Sample from the likeliest tokens that make up this mass.")
    seed: int = Field(0, ge=0, lt=2**63, description="The same seed and input give the same sample.")
    stop: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=STOP_CHARACTERS)], ...], FailFast()] = Field(
        (), max_length=STOPS, description="Texts that end the output with the token that completes one, which stays."
    )
    prefix: Prefix = Field(
        None,
        description="What the output begins with, as a text or as ids of tokens; the model goes on from there, and "
        "max_new_tokens counts what it adds.",
        examples=["I have"],
    )
    candidate_labels: Annotated[tuple[str, ...], FailFast()] = Field(
        (), max_length=256, description="zero-shot-image-classification: the labels to choose from."
    )
    hypothesis_template: str | None = Field(
        None, description="zero-shot-image-classification: a sentence with {} where the label goes."
    )
    aggregation_strategy: Literal["none", "simple", "first", "average", "max"] | None = Field(
        None, description="token-classification: how the pieces of a word make one entity; simple by default."
    )
    function_to_apply: Literal["sigmoid", "softmax", "none"] | None = Field(
        None, description="text-classification: what turns logits into scores; the model's own by default."
    )
    max_answer_len: int = Field(15, ge=1, le=512, description="question-answering: the longest answer, in words.")
    normalize: bool | None = Field(None, description="feature-extraction: unit length; the model's own by default.")
    src_lang: str | None = Field(None, description="translation by a multilingual model: the language of the input.")
    tgt_lang: str | None = Field(None, description="translation by a multilingual model: the language wanted.")
    language: str | None = Field(None, description="speech recognition by a multilingual model: the language spoken.")
    return_timestamps: Literal["word", "char"] | bool = Field(
        False, description="automatic-speech-recognition: also the chunks with their seconds."
    )


SAMPLING = ("do_sample", "temperature", "top_k", "top_p", "seed")
DECODING = ("beam_size", "max_new_tokens", "length_penalty", *SAMPLING, "stop")
"""What all take that generate."""


def taken(*names: str, **defaults: Any) -> dict[str, dict[str, Any]]:
    """What a model says of the parameters that it takes: their default, and choices where their type lists them.

    defaults: of those that the model or the task sets otherwise.
    """
    parameters: dict[str, dict[str, Any]] = {}
    for name in (*names, *defaults):
        declared = Parameters.model_fields[name]
        default = defaults.get(name, declared.default)
        listed = [part for part in get_args(declared.annotation) if get_origin(part) is Literal]
        choices = [choice for part in listed for choice in get_args(part)]
        parameters[name] = {"default": list(default) if isinstance(default, tuple) else default}
        if choices:
            parameters[name]["choices"] = choices
    return parameters


@dataclass(frozen=True)
class Request:
    """One input; with a `target`, that output is scored instead of generating one.

    objective: what a trace's gradients are of; a prediction has none. edits: changes to the attention of its passes, or
    to its input. donors: the traces that edits patch from, by their ids, each an open `Trace`.
    """

    inputs: Inputs
    target: str | None = None
    parameters: Parameters = field(default_factory=Parameters)
    objective: Objective | None = None
    edits: tuple[AnyEdit, ...] = ()
    donors: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def alone(self) -> bool:
        """Whether its pass is one of its own kind, which no other request shares."""
        return self.objective is not None or bool(self.edits)


@runtime_checkable
class Served(Protocol[Traced]):
    """A model under a name; `Traced` is what it records a pass as.

    Where a `Stop` is taken, so is a `Watch`, with one request alone: it sees the output being written.
    """

    task: str
    revision: str
    trace_limit: int  # bytes of one trace, 0 for no limit; whoever serves the model may set it

    def describe(self) -> dict[str, Any]:
        """Task, shape, dtype, device, sites and licence, as JSON."""

    def predict(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Prediction | HeedmapError]:
        """Answer one batch; each request has its own result or its own error, in the same order.

        An error is an InputError where the caller can mend it, and a ModelFailure where the model broke.

        Raises:
            Cancelled: `cancelled` became true between two steps.
        """

    def trace(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Traced | HeedmapError]:
        """Predict, then record one teacher-forced pass over input and output.

        Raises:
            Cancelled: `cancelled` became true between two steps.
        """


@runtime_checkable
class Measurable(Protocol):
    """A model that says what edits do to an objective."""

    def values_under(
        self,
        request: Request,
        prediction: Prediction,
        sets: Sequence[Sequence[AnyEdit]],
        cancelled: Stop = never,
    ) -> Iterator[list[float]]:
        """The objective's value of the pass over a request's answer, then under each set of edits beside its own.

        The output is the answer's under every edit, teacher-forced. Many sets share a batch where that is possible.

        Args:
            request: with an objective, and with the donors of all edits.
            prediction: its answer, as a trace has it.

        Yields:
            What a batch came to: all of it is 1 + len(sets) numbers, in order. Between two batches the model is free.

        Raises:
            InputError: a set is none of this pass, or leaves a row nothing to see; `field` is edits.N or a part of it.
            Cancelled: `cancelled` became true between two batches.
        """


@runtime_checkable
class Foretelling(Protocol):
    """A model that says what else could stand at the places of its output."""

    def likeliest(
        self, request: Request, prediction: Prediction, count: int, cancelled: Stop = never
    ) -> Iterator[Place]:
        """The likeliest tokens at each place of an output, by one teacher-forced pass with the request's edits.

        Args:
            request: with the donors of its edits.
            prediction: its answer, as a trace has it.

        Raises:
            InputError: the answer has no tokens. Cancelled: `cancelled` became true.
        """


@runtime_checkable
class Simultaneous(Protocol):
    """A model that translates while its input still comes in."""

    def simultaneous(self, requests: Sequence[LiveRequest], cancelled: Stop = never) -> list[LiveAnswer | HeedmapError]:
        """Go on from what is committed of each, until a token must wait; its own answer or error, in the same order.

        What was committed stands at the beginning of what is, token by token, and only whole words are added to it.

        Raises:
            Cancelled: `cancelled` became true between two steps.
        """


@runtime_checkable
class Session(Protocol):
    """A running batch of one model, on one thread: requests join between two steps, and leave when they are done.

    What a request becomes in it is what `predict` makes of it.
    """

    @property
    def room(self) -> int:
        """How many more may join now."""

    @property
    def busy(self) -> bool:
        """Whether a step has something to do."""

    def takes(self, request: Request) -> bool:
        """Whether a request can join; what cannot goes to `predict`."""

    def add(self, request: Request) -> int:
        """Let a request join: its ticket."""

    def drop(self, ticket: int) -> None:
        """Nobody waits for this one any more."""

    def step(self) -> list[tuple[int, Prediction | HeedmapError]]:
        """Go on by one token; the outcomes of those that are done, by their tickets."""


@runtime_checkable
class Joinable(Protocol):
    """A model whose batches can be joined while they run."""

    def session(self) -> Session | None:
        """A new batch without anybody in it; None where this checkpoint has none."""
