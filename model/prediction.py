"""What models read and answer: inputs, predictions, and the axes that their queries and keys stand for.

Plain dataclasses, which the clients share: nothing here needs PyTorch or pydantic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from heedmap.model.errors import InputError

FinishReason = Literal["stop", "length"]
"""Why an output ended: with its end token or a stop string, or cut because the length ran out."""

Inputs = str | Mapping[str, Any]
"""What a model reads: a text; {"image": bytes} or {"audio": bytes}, files as they are; {"image", "text"};
{"text", "text_pair"}; {"question", "context"}; {"source_sentence", "sentences"};
{"messages": [{"role", "content"}]}."""


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
    def from_json(cls, body: Any, axes: dict[str, Axis]) -> "Prediction":
        """The prediction that `to_json` wrote."""
        if isinstance(body, dict) and "text" in body and "tokens" in body:
            more = {k: v for k, v in body.items() if k not in ("text", "tokens", "score", "finish_reason")}
            return cls(body["text"], body["tokens"], body.get("score"), axes, more or None, body.get("finish_reason"))
        return cls(*_headline(body), axes, body)


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
