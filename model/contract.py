"""What the service knows of a model: requests in, predictions and traces out, whatever the family."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, get_args, get_origin, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from heedmap.model.errors import HeedmapError, InputError
from heedmap.model.watch import Stop, never

Traced = TypeVar("Traced")


MOST_TOKENS = 32_768  # of an output: a tenth of a second each takes an hour, and no deadline is that far
FinishReason = Literal["stop", "length"]
"""Why an output ended: with its end token or a stop string, or cut because the length ran out."""


class Parameters(BaseModel):
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
    candidate_labels: tuple[str, ...] = Field(
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


DECODING = ("beam_size", "max_new_tokens", "length_penalty", "do_sample", "temperature", "top_k", "top_p", "seed")
"""What all take that generate."""


def taken(*names: str, **defaults: Any) -> dict[str, dict[str, Any]]:
    """What a model says of the parameters that it takes: their default, and choices where their type lists them.

    defaults: of those that the model or the task sets otherwise.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in (*names, *defaults):
        known = Parameters.model_fields[name]
        default = defaults.get(name, known.default)
        listed = [part for part in get_args(known.annotation) if get_origin(part) is Literal]
        choices = [choice for part in listed for choice in get_args(part)]
        found[name] = {"default": list(default) if isinstance(default, tuple) else default}
        if choices:
            found[name]["choices"] = choices
    return found


Inputs = str | Mapping[str, Any]
"""What a model reads: a text; {"image": bytes} or {"audio": bytes}, files as they are; {"image", "text"};
{"text", "text_pair"}; {"question", "context"}; {"source_sentence", "sentences"};
{"messages": [{"role", "content"}]}."""


@dataclass(frozen=True)
class Request:
    """One input; with a `target`, that output is scored instead of generating one."""

    inputs: Inputs
    target: str | None = None
    parameters: Parameters = field(default_factory=Parameters)


@dataclass(frozen=True)
class Axis:
    """What queries or keys stand for, one entry each.

    kind: text, image, audio, or mixed (text with image patches inside). labels: what to show; a byte-level token is
    shown as the text it stands for. ids: token ids, -1 where there is none. spans: the half-open range of characters
    of the text that a token covers, (0, 0) where none. special: not a part of the input (class token, separators).
    segments: which of several texts a token's span refers to. boxes: left, top, right and bottom of a patch in pixels
    of the picture as it was given, None for what is no patch. size: that picture's width and height. seconds: start
    and end of a frame. duration: of the recording, in seconds.
    """

    kind: str
    labels: list[str]
    ids: list[int]
    spans: list[tuple[int, int]]
    special: list[bool]
    segments: list[int] | None = None
    boxes: list[tuple[float, float, float, float] | None] | None = None
    size: tuple[int, int] | None = None
    seconds: list[tuple[float, float]] | None = None
    duration: float | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def to_json(self) -> dict[str, Any]:
        """The axis as the contract's JSON; what does not apply is left out."""
        body: dict[str, Any] = {
            "kind": self.kind,
            "labels": self.labels,
            "ids": self.ids,
            "spans": [list(pair) for pair in self.spans],
            "special": self.special,
            "segments": self.segments,
            "boxes": None if self.boxes is None else [None if box is None else list(box) for box in self.boxes],
            "size": None if self.size is None else list(self.size),
            "seconds": None if self.seconds is None else [list(pair) for pair in self.seconds],
            "duration": self.duration,
        }
        return {name: value for name, value in body.items() if value is not None}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Axis":
        """The axis that `to_json` wrote."""
        spans = [(int(start), int(stop)) for start, stop in data["spans"]]
        boxes = data.get("boxes")
        if boxes is not None:
            boxes = [None if box is None else tuple(float(side) for side in box) for box in boxes]
        seconds = data.get("seconds")
        if seconds is not None:
            seconds = [(float(start), float(stop)) for start, stop in seconds]
        size = data.get("size")
        return cls(
            data["kind"],
            list(data["labels"]),
            list(data["ids"]),
            spans,
            list(data["special"]),
            data.get("segments"),
            boxes,
            None if size is None else (int(size[0]), int(size[1])),
            seconds,
            data.get("duration"),
        )


@dataclass(frozen=True)
class Prediction:
    """A model's answer: its text, its tokens, and their summed log-probability in nats.

    `output` is the answer in the shape of the task where that is more than a text: labels with scores, an embedding,
    spans of entities. Then `text` is the headline (the best label), `tokens` is empty and `score` is the headline's.
    `finish_reason` says why a text that was generated ended, and is None of everything else.
    """

    text: str
    tokens: list[str]
    score: float | None
    axes: dict[str, Axis]
    output: Any = None
    finish_reason: FinishReason | None = None

    def to_json(self) -> Any:
        """The prediction as the contract's JSON, without its axes, which stand beside it.

        A text has `text`, `tokens`, `score`, `finish_reason` where there is one, and what `output` adds; any other
        output stands for itself.
        """
        if self.output is None or (isinstance(self.output, dict) and "score" not in self.output):
            ended = {} if self.finish_reason is None else {"finish_reason": self.finish_reason}
            return {"text": self.text, "tokens": self.tokens, "score": self.score, **ended, **(self.output or {})}
        return self.output

    @classmethod
    def from_json(cls, told: Any, axes: dict[str, Axis]) -> "Prediction":
        """The prediction that `to_json` wrote."""
        if isinstance(told, dict) and "text" in told and "tokens" in told:
            more = {k: v for k, v in told.items() if k not in ("text", "tokens", "score", "finish_reason")}
            return cls(told["text"], told["tokens"], told.get("score"), axes, more or None, told.get("finish_reason"))
        return cls(*_headline(told), axes, told)


@dataclass(frozen=True)
class Unanswered(Prediction):
    """The prediction of a trace of an input that shows where a model looks, and gives its task nothing to answer.

    refusal: what `predict` says to the same input. The output is an empty list.
    """

    refusal: InputError | None = None


def unanswered(axes: dict[str, Axis], refusal: InputError) -> Unanswered:
    """The empty prediction over these axes."""
    return Unanswered("", [], None, axes, [], refusal=refusal)


def _headline(output: Any) -> tuple[str, list[str], float | None]:
    """The best label, answer or word of an output that is no text, and its score."""
    best = output[0] if isinstance(output, list) and output else output
    if not isinstance(best, dict):
        return "", [], None
    names = ("label", "answer", "token_str", "word", "text")
    return next((str(best[name]) for name in names if name in best), ""), [], best.get("score")


@runtime_checkable
class Served(Protocol[Traced]):
    """A model under a name; `Traced` is what it records a pass as."""

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
