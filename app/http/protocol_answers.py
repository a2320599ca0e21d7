"""Answers of other protocols as pydantic models, for the OpenAPI description: OpenAI's and Open Inference's."""

from typing import Any, Literal

from pydantic import Field

from heedmap.app.http.answers import Answer


class Usage(Answer):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completed(Answer):
    """What OpenAI's two routes have in common."""

    id: str
    created: int
    model: str
    system_fingerprint: str | None
    usage: Usage
    trace_id: str = Field(description="GET /v1/traces/{id} shows where the model looked.")
    warnings: list[str] = Field(default=[], description="What of the request was left alone.")


class ChatMessage(Answer):
    """What the model says."""

    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(Answer):
    """The answer to a chat."""

    index: int
    message: ChatMessage
    finish_reason: Literal["stop", "length"]
    logprobs: dict[str, Any] | None


class ChatCompletion(Completed):
    """An answered chat."""

    object: Literal["chat.completion"]
    choices: list[ChatChoice]


class TextChoice(Answer):
    """What follows a text."""

    index: int
    text: str
    finish_reason: Literal["stop", "length"]
    logprobs: dict[str, Any] | None


class TextCompletion(Completed):
    """A continued text."""

    object: Literal["text_completion"]
    choices: list[TextChoice]


class ServerLive(Answer):
    """The workers live."""

    live: Literal[True]


class ServerReady(Answer):
    """A prediction would be answered now."""

    ready: Literal[True]


class ServerMetadata(Answer):
    """The service, as the Open Inference Protocol has it."""

    name: str
    version: str
    extensions: list[str]


class ModelIndexEntry(Answer):
    """A model of the Open Inference Protocol's index."""

    name: str
    version: str
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: str


class ModelReady(Answer):
    """The model would answer."""

    name: str
    ready: Literal[True]


class TensorMetadata(Answer):
    """A tensor that a model reads or answers; a size of -1 is any."""

    name: str
    datatype: Literal["BYTES", "FP32", "INT64"]
    shape: list[int]


class ModelMetadata(Answer):
    """A model's tensors."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class TensorAnswer(Answer):
    """A tensor, its numbers row by row; or as bytes behind the JSON, whose number `parameters` has."""

    name: str
    datatype: Literal["BYTES", "FP32", "INT64"]
    shape: list[int]
    data: list[str] | list[float | None] | None = None
    parameters: dict[str, int] | None = None


class InferAnswer(Answer):
    """The tensors that were asked for."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[TensorAnswer]
