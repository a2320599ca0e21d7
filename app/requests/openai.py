"""Bodies of OpenAI's protocol, as chat applications send them: what is followed, what is refused, what is left alone.

What would change the answer's form and cannot be had is refused; what only shades it (penalties, efforts) is left
alone, and the answer says so. An application that sends such things to everybody still gets its answer.
"""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from heedmap.app.requests.inputs import check_messages, check_text, kind
from heedmap.app.requests.schemas import ECHOED
from heedmap.app.settings import MESSAGES, TEXT_CHARACTERS
from heedmap.model.contract import MOST_TOKENS, STOP_CHARACTERS, STOPS, Parameters, Request, Typed
from heedmap.model.errors import ParameterError

# Fields that are refused: the values that ask for nothing, and why any other is.
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "n": ((1,), "one answer is written a request: ask again for another"),
    "best_of": ((1,), "one answer is written, and none is chosen from: leave best_of out"),
    "echo": ((False,), "the prompt is not repeated in the answer: leave echo out"),
    "suffix": (("",), "a text is continued, and not filled in: leave suffix out"),
    "tools": (([],), "no tools are called: leave them out"),
    "functions": (([],), "no functions are called: leave them out"),
    "response_format": (({"type": "text"}, {}), "no form of the answer is enforced: leave response_format out"),
    "logit_bias": (({},), "the model's own distribution is what is looked into: leave logit_bias out"),
    "modalities": ((["text"], []), "answers are texts: leave modalities out"),
    "audio": ((), "answers are texts: leave audio out"),
    "prompt_logprobs": ((), "the prompt is not scored: POST /v1/predict with a target scores a given text"),
}
# Fields that say nothing about the answer.
SILENT = {
    *("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
    *("tool_choice", "parallel_tool_calls", "function_call", "stream_options"),
}
NOTHING: tuple[Any, ...] = (None, 0, False, "", [], {})
NAMED = 8  # fields that are left alone: the first of them are named
SYSTEM = {"developer": "system"}  # one role with two names; templates know the older


def check_stop(value: Any) -> list[str]:
    """Texts that end an answer: one, several or none."""
    if value in (None, ""):
        return []
    texts = value if isinstance(value, list) else [value]
    if len(texts) > STOPS:
        raise ParameterError(f"{len(texts)} texts end the answer, at most {STOPS} are looked for")
    for index, text in enumerate(texts):
        if not isinstance(text, str) or not 0 < len(text) <= STOP_CHARACTERS:
            raise ParameterError(f"expected a text of 1 to {STOP_CHARACTERS} characters", field=str(index))
    return texts


def check_chat(value: Any) -> list[dict[str, Any]]:
    """Messages with a role and texts; members that say nothing, as applications send back with answers, are dropped."""
    if not isinstance(value, list):
        return check_messages(value, "")
    return check_messages([_message(message, index) for index, message in enumerate(value[: MESSAGES + 1])], "")


def _message(message: Any, index: int) -> Any:
    if not isinstance(message, dict):
        return message
    said = {name: part for name, part in message.items() if name in ("role", "content")}
    more = [name for name, part in message.items() if name not in (*said, "name") and part not in NOTHING]
    if more:
        raise ParameterError(
            f"{more[0][:ECHOED]!r} of a message is not read: it has a role and a content", field=str(index)
        )
    role, content = said.get("role"), said.get("content")
    if isinstance(role, str):
        said["role"] = SYSTEM.get(role, role)
    if isinstance(content, list):
        said["content"] = [_part(part, f"{index}.content.{at}") for at, part in enumerate(content[: MESSAGES + 1])]
    return said


def _part(part: Any, place: str) -> Any:
    if isinstance(part, dict) and part.get("type") != "text":
        raise ParameterError(
            "a part of a message is a text here; POST /v1/predict takes pictures and recordings", field=place
        )
    return {name: part[name] for name in ("type", "text") if name in part} if isinstance(part, dict) else part


def check_prompt(value: Any) -> str:
    """One text, perhaps as a list of one."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return check_text(value[0])
    if isinstance(value, list):
        raise ParameterError("a request has one prompt, and that is a text: not several, and not a list of token ids")
    if not isinstance(value, str):
        raise ParameterError(f"expected text, got {kind(value)}")
    return check_text(value)


TEXT = {"type": "string", "maxLength": TEXT_CHARACTERS}
STOP = {"type": "string", "minLength": 1, "maxLength": STOP_CHARACTERS}


class StreamOptions(Typed):
    """What a stream says besides."""

    model_config = ConfigDict(extra="allow")

    include_usage: bool | None = Field(None, description="One more chunk before the end, with the tokens counted.")


class Completing(Typed):
    """What both routes take; of other fields the answer says that they are not followed."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field(None, description="Optional when one model is served.")
    max_tokens: Annotated[int, Field(ge=1)] | None = Field(
        None, description="The longest answer, in tokens; the model's own limit by default."
    )
    temperature: Annotated[float, Field(ge=0, le=10)] | None = Field(
        None, description="Over 0 the answer is drawn; without one, or with 0, the likeliest token is taken each time."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="With a temperature.")
    top_k: Annotated[int, Field(ge=-1)] | None = Field(None, description="With a temperature; -1 and 0 are off.")
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = Field(
        None, description="The same seed draws the same answer; without one, each is drawn anew."
    )
    stop: Annotated[
        list[str],
        BeforeValidator(check_stop),
        WithJsonSchema({"anyOf": [STOP, {"type": "array", "items": STOP, "maxItems": STOPS}, {"type": "null"}]}),
    ] = Field([], description="Texts that end the answer, which does not have them; its trace has their tokens.")
    stream: bool | None = Field(None, description="Server-sent events; the last chunk has the trace's id.")
    stream_options: StreamOptions | None = None

    @property
    def limit(self) -> int | None:
        """The longest answer, in tokens."""
        return self.max_tokens

    @property
    def inputs(self) -> Any:
        """What the model reads."""
        raise NotImplementedError

    @property
    def scored(self) -> bool:
        """Whether the tokens' log-probabilities are asked for."""
        raise NotImplementedError

    @property
    def usage(self) -> bool:
        """Whether a stream ends with the tokens counted."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    def request(self, facts: Mapping[str, Any]) -> Request:
        """What is asked of a model that says this of itself.

        Raises:
            ParameterError: something that cannot be had.
        """
        for name, (neutral, why) in REFUSED.items():
            value = (self.model_extra or {}).get(name)
            if value is not None and value not in neutral:
                raise ParameterError(why, field=name)
        parameters: dict[str, Any] = {"stop": tuple(self.stop)}
        if self.limit is not None:  # whoever asks for more than there is room for means all of it
            parameters["max_new_tokens"] = min(self.limit, facts.get("max_positions") or MOST_TOKENS, MOST_TOKENS)
        if self.temperature:
            seed = secrets.randbits(31) if self.seed is None else self.seed % 2**63
            parameters |= {"do_sample": True, "temperature": self.temperature, "seed": seed}
            parameters |= {"top_p": self.top_p or 1.0, "top_k": max(0, self.top_k or 0)}
        return Request(self.inputs, parameters=Parameters.model_validate(parameters))

    def unfollowed(self) -> list[str]:
        """A sentence about each field that says something and is left alone."""
        unknown = [
            name
            for name, value in (self.model_extra or {}).items()
            if name not in SILENT and name not in REFUSED and value not in NOTHING
        ]
        drawing = [] if self.temperature else [name for name in ("top_p", "top_k") if getattr(self, name) is not None]
        said = [f"{name[:ECHOED]} is not followed" for name in unknown[:NAMED]]
        return said + [f"{name} is followed with a temperature over 0 alone" for name in drawing]


class ChatRequest(Completing):
    """A chat so far, whose answer the model writes."""

    messages: Annotated[
        list[dict[str, Any]],
        BeforeValidator(check_chat),
        Field(description="As the model's chat template takes them; `developer` is `system`, `name` is not read."),
        WithJsonSchema(
            {
                "type": "array",
                "minItems": 1,
                "maxItems": MESSAGES,
                "items": {
                    "type": "object",
                    "required": ["role", "content"],
                    "properties": {
                        "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
                        "content": {
                            "anyOf": [
                                TEXT,
                                {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": MESSAGES,
                                    "items": {
                                        "type": "object",
                                        "required": ["type", "text"],
                                        "properties": {"type": {"const": "text"}, "text": TEXT},
                                    },
                                },
                            ]
                        },
                        "name": {"type": "string"},
                    },
                },
            }
        ),
    ]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = Field(None, description="The newer name of max_tokens.")
    logprobs: bool | None = Field(None, description="Whether each token comes with its log-probability.")
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = Field(
        None, description="Log-probabilities are told of the tokens that were written alone."
    )

    @property
    def limit(self) -> int | None:
        """The longest answer, in tokens."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def inputs(self) -> Any:
        """What the model reads."""
        return {"messages": self.messages}

    @property
    def scored(self) -> bool:
        """Whether the tokens' log-probabilities are asked for."""
        return bool(self.logprobs)


class CompletionRequest(Completing):
    """A text that the model goes on from; a translating model translates it."""

    prompt: Annotated[
        str,
        BeforeValidator(check_prompt),
        Field(examples=["The girl is reading"]),
        WithJsonSchema({"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 1}]}),
    ]
    logprobs: Annotated[int, Field(ge=0, le=0)] | None = Field(
        None, description="0: each token comes with its log-probability; others than those written have none."
    )

    @property
    def inputs(self) -> Any:
        """What the model reads."""
        return self.prompt

    @property
    def scored(self) -> bool:
        """Whether the tokens' log-probabilities are asked for."""
        return self.logprobs is not None
