"""Answers while they are written: server-sent events as dataclasses, parsed without I/O, and two ways to carry them."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from heedmap.app.client.calls import Awaiting, Blocking, ClientCall, failure, translated
from heedmap.app.client.errors import Unreachable, api_error
from heedmap.app.client.results import Answer
from heedmap.app.render.encoding import as_json
from heedmap.model.prediction import Axis, Inputs


@dataclass(frozen=True)
class Started:
    """The input is understood: what is known of its axes."""

    model: str
    task: str
    axes: dict[str, Axis]


@dataclass(frozen=True, eq=False)
class Row:
    """A row of a map that was asked for: query number `query` over the keys so far, (K,), or (H, K) of all heads."""

    site: str
    layer: int
    head: int | str
    query: int
    weights: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TokenWritten:
    """A token, and what it adds to the text; all of them join to the whole text."""

    index: int
    id: int
    label: str
    text: str
    log_probability: float | None
    attention: list[Row]


@dataclass(frozen=True)
class Ended:
    """The whole answer, and the id of the trace that the service keeps of it: for `map`, `heads`, `download`."""

    answer: Answer
    trace: str

    @property
    def text(self) -> str:
        """The text."""
        return self.answer.text

    @property
    def finish_reason(self) -> str | None:
        """Why it ended: "stop", or "length" where it was cut."""
        return self.answer.finish_reason


StreamEvent: TypeAlias = Started | TokenWritten | Ended


class Parser:
    """Lines of a stream to its events (WHATWG HTML, 9.2.6, as far as this service writes it)."""

    def __init__(self) -> None:
        self.name, self.data = "", ""
        self.ended = False

    def feed(self, line: str) -> StreamEvent | None:
        """The event that this line completes, if it does.

        Raises:
            APIError: it is the service's problem.
        """
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                self.name = value
            elif field == "data":
                self.data += value
            return None
        name, data, self.name, self.data = self.name, self.data, "", ""
        return self._event(name, json.loads(data)) if data else None

    def _event(self, name: str, data: Mapping[str, Any]) -> StreamEvent | None:
        match name:
            case "start":
                axes = {axis: Axis.from_json(value) for axis, value in data["axes"].items()}
                return Started(data["model"], data["task"], axes)
            case "token":
                rows = [_row(entry) for entry in data.get("attention", [])]
                index, token, label, text = data["index"], data["id"], data["label"], data["text"]
                return TokenWritten(index, token, label, text, data["log_probability"], rows)
            case "end":
                self.ended = True
                return Ended(Answer.from_json(data), data["trace"])
            case "error":
                raise api_error(data["status"], data)
        return None  # an event of a newer service

    def close(self) -> None:
        """No line follows.

        Raises:
            Unreachable: the stream broke off before its end.
        """
        if not self.ended:
            raise Unreachable("the stream broke off before its end")


def _row(entry: Mapping[str, Any]) -> Row:
    weights = np.asarray(entry["row"], dtype=np.float32)
    return Row(entry["site"], entry["layer"], entry["head"], entry["query"], weights)


def stream_call(
    inputs: Inputs, model: str | None, attention: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]
) -> ClientCall:
    """The call that begins a stream."""
    fields = {"model": model, "inputs": as_json(inputs), "parameters": dict(parameters) or None}
    body = {name: value for name, value in fields.items() if value is not None}
    body |= {"stream": True, **({"attention": list(attention)} if attention else {})}
    return ClientCall("POST", "/v1/predict", body=body, accept="text/event-stream")


class BlockingStreams(Blocking):
    """Streams, one event after the other."""

    def stream(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        attention: Sequence[Mapping[str, Any]] = (),
        **parameters: Any,
    ) -> Iterator[StreamEvent]:
        """The events of an answer while it is written: `Started`, a `TokenWritten` for each token, and `Ended`.

        What `predict` takes, but for a target and beams. Leaving the loop hangs up, which stops the model.

        Raises:
            ClientError: as `predict` does, also under way.
        """
        call, parser = stream_call(inputs, model, attention, parameters), Parser()
        with translated(str(self._http.base_url)), self._http.stream(**call.arguments()) as response:
            if response.is_error:
                response.read()
                raise failure(response)
            for line in response.iter_lines():
                if (event := parser.feed(line)) is not None:
                    yield event
            parser.close()


class AwaitingStreams(Awaiting):
    """Streams, awaited event by event."""

    async def stream(
        self,
        inputs: Inputs,
        *,
        model: str | None = None,
        attention: Sequence[Mapping[str, Any]] = (),
        **parameters: Any,
    ) -> AsyncIterator[StreamEvent]:
        """The events of an answer while it is written: `Started`, a `TokenWritten` for each token, and `Ended`.

        What `predict` takes, but for a target and beams. Closing the iterator hangs up, which stops the model.

        Raises:
            ClientError: as `predict` does, also under way.
        """
        call, parser = stream_call(inputs, model, attention, parameters), Parser()
        with translated(str(self._http.base_url)):
            async with self._http.stream(**call.arguments()) as response:
                if response.is_error:
                    await response.aread()
                    raise failure(response)
                async for line in response.aiter_lines():
                    if (event := parser.feed(line)) is not None:
                        yield event
                parser.close()
