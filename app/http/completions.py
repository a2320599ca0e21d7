"""Answers in OpenAI's shape, whole or in chunks, each with the id of its trace."""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heedmap.app.render.wire import to_json
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.app.service.stream import Feed
from heedmap.model.contract import Axis, Prediction
from heedmap.model.stops import Unstopped, before_stop
from heedmap.model.watch import Token

DONE = b"data: [DONE]\n\n"
OWNER = "heedmap"
Scored = tuple[str, float | None]  # the text that a token adds, and its log-probability


def card(name: str, created: int) -> dict[str, Any]:
    """A model as that protocol lists it; `created` is in seconds since 1970."""
    return {"id": name, "object": "model", "created": created, "owned_by": OWNER}


def data(body: Mapping[str, Any]) -> bytes:
    """A server-sent event without a name."""
    return b"data: %s\n\n" % to_json(body)


def usage(prediction: Prediction) -> dict[str, int]:
    """Tokens read and written, the end token included; what reads and writes on one axis has both there."""
    written = len(prediction.tokens)
    axes = prediction.axes
    read = len(axes["source"]) if "source" in axes else max(0, len(axes.get("tokens", ())) - written)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


@dataclass
class Completion:
    """One answer.

    chat: whether it is a message, not a text.
    notes: what of the request was left alone.
    """

    model: str
    chat: bool
    revision: str
    stop: Sequence[str] = ()
    notes: Sequence[str] = ()
    scored: bool = False
    created: int = field(default_factory=lambda: int(time.time()))
    id: str = ""

    def __post_init__(self) -> None:
        self.id = self.id or f"{'chatcmpl' if self.chat else 'cmpl'}-{uuid.uuid4().hex}"

    def whole(self, prediction: Prediction, trace: str, scores: Sequence[Scored]) -> dict[str, Any]:
        """The answer in one piece."""
        text = before_stop(prediction.text, self.stop)
        said: dict[str, Any] = {"message": {"role": "assistant", "content": text, "refusal": None}}
        choice = said if self.chat else {"text": text}
        reason = prediction.finish_reason or "stop"
        choice |= {"index": 0, "finish_reason": reason, "logprobs": self._scores(scores, 0)}
        return {**self._head(""), "choices": [choice], "usage": usage(prediction), **self._foot(trace)}

    def first(self) -> bytes:
        """The chunk that says who speaks."""
        return data({**self._head(".chunk"), "choices": [self._choice({"role": "assistant", "content": ""}, None)]})

    def chunk(self, text: str, scores: Sequence[Scored] = (), offset: int = 0) -> bytes:
        """A piece of the text; `offset` is the number of characters that the tokens before it have."""
        choice = self._choice({"content": text}, text)
        return data({**self._head(".chunk"), "choices": [{**choice, "logprobs": self._scores(scores, offset)}]})

    def last(self, prediction: Prediction, trace: str, counted: bool) -> bytes:
        """The end of a stream: why, the trace's id, and where asked for, the tokens counted."""
        choice = {**self._choice({}, ""), "finish_reason": prediction.finish_reason or "stop"}
        end = data({**self._head(".chunk"), "choices": [choice], **self._foot(trace)})
        if counted:
            more = {"choices": [], "usage": usage(prediction), **self._foot(trace)}
            end += data({**self._head(".chunk"), **more})
        return end + DONE

    def _head(self, suffix: str) -> dict[str, Any]:
        kind = f"chat.completion{suffix}" if self.chat else "text_completion"
        fingerprint = f"fp_{self.revision[:12]}" if self.revision else None
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**head, "system_fingerprint": fingerprint}

    def _foot(self, trace: str) -> dict[str, Any]:
        return {"trace_id": trace, **({"warnings": list(self.notes)} if self.notes else {})}

    def _choice(self, delta: Mapping[str, Any], text: str | None) -> dict[str, Any]:
        said: dict[str, Any] = {"delta": delta} if self.chat else {"text": text or ""}
        return {"index": 0, **said, "finish_reason": None, "logprobs": None}

    def _scores(self, scores: Sequence[Scored], offset: int) -> dict[str, Any] | None:
        """Log-probabilities of tokens, whose text begins after so many characters."""
        if not self.scored or not scores:
            return None
        if self.chat:
            rows = [
                {"token": text, "logprob": score, "bytes": list(text.encode()), "top_logprobs": []}
                for text, score in scores
            ]
            return {"content": rows, "refusal": None}
        starts = [offset + sum(len(text) for text, _ in scores[:at]) for at in range(len(scores))]
        columns = {"tokens": [text for text, _ in scores], "token_logprobs": [score for _, score in scores]}
        return {**columns, "top_logprobs": None, "text_offset": starts}


class CompletionFeed(Feed):
    """A feed whose events are chunks."""

    def __init__(self, completion: Completion, task: str) -> None:
        super().__init__(completion.model, task, ())
        self.completion, self.text = completion, Unstopped(completion.stop)
        self.scores: list[Scored] = []
        self.kept: StoredTrace | None = None  # once the trace is
        self._characters = 0

    def start(self, axes: Mapping[str, Axis]) -> None:
        """Who speaks."""
        if self.completion.chat:
            self._push(self.completion.first())

    def token(self, token: Token) -> None:
        """A chunk a token, unless all of its text waits for what follows."""
        piece, scored = self.text.add(token.text), (token.text, token.log_probability)
        self.scores.append(scored)
        if piece or self.completion.scored:
            self._push(self.completion.chunk(piece, [scored], self._characters))
        self._characters += len(token.text)

    def rest(self) -> bytes:
        """The chunk of what waited to the end; nothing where nothing did."""
        text = self.text.rest()
        return self.completion.chunk(text) if text else b""
