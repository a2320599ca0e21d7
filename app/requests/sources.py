"""The request of sources: a context, a question, an answer, and how to find what of the context the answer used."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from heedmap.app.requests.inputs import check_text, kind
from heedmap.app.requests.schemas import Strict
from heedmap.app.settings import TEXT_CHARACTERS
from heedmap.model.contract import Parameters
from heedmap.model.errors import EmptyInput, InputTooLong, ParameterError

MOST_SPANS = 1000  # of a context: each has a row in the answer and a column in every fit
MOST_ABLATIONS = 1000  # passes: an hour of a CPU at 8,192 tokens of a small model
LEAST_ABLATIONS = 8  # of which a line can be fitted at all
MOST_CHECKED = 20  # of each method: each is a pass
MOST_HEADS = 16_384  # weights of heads that are given: no model has more
Method = Literal["gradient", "ablation", "attention"]
METHODS: tuple[Method, ...] = ("gradient", "ablation", "attention")
CONTEXT, QUESTION = "{context}", "{question}"
BOTH = r"\{context\}[\s\S]*\{question\}|\{question\}[\s\S]*\{context\}"
TEMPLATE = f"{CONTEXT}\n\n{QUESTION}\n"
CHAT = f"{CONTEXT}\n\n{QUESTION}"  # what a user says; the model's own template goes around it


def check_context(value: Any) -> str | list[str]:
    """A text, or a list of passages, of a sane length in all."""
    if not isinstance(value, list):
        if not check_text(value).strip():
            raise EmptyInput("the context is empty; give a text, or a list of passages")
        return str(value)
    if not value:
        raise EmptyInput("the list of passages is empty; give at least one")
    if len(value) > MOST_SPANS:
        raise ParameterError(f"{len(value):,} passages, at most {MOST_SPANS:,} are told apart: join some")
    passages = [check_text(item, str(index)) for index, item in enumerate(value)]
    for index, passage in enumerate(passages):
        if not passage.strip():
            raise EmptyInput("an empty passage is no source of anything; leave it out", field=str(index))
    if (length := sum(map(len, passages))) > TEXT_CHARACTERS:
        raise InputTooLong(f"the passages have {length:,} characters, at most {TEXT_CHARACTERS:,} are read")
    return passages


def check_filled(value: Any) -> str:
    """A text that says something."""
    if not check_text(value).strip():
        raise EmptyInput("the text is empty; give at least one word")
    return str(value)


def check_answer(value: Any) -> str | None:
    """A text that says something, or nothing at all."""
    if value is None:
        return None
    if not check_text(value).strip():
        raise EmptyInput("the answer is empty; give one, or leave it out and the model writes it")
    return str(value)


def check_template(value: Any) -> str | None:
    """A text with both places once."""
    if value is not None and not (check_text(value).count(CONTEXT) == value.count(QUESTION) == 1):
        raise ParameterError(f"expected a text in which {CONTEXT} and {QUESTION} stand once each")
    return value  # type: ignore[no-any-return]


def check_methods(value: Any) -> list[Method]:
    """Names, each once."""
    if not isinstance(value, list):
        raise ParameterError(f"expected a list of {', '.join(METHODS)}, got {kind(value)}")
    for index, name in enumerate(value):
        if not isinstance(name, str) or name not in METHODS:
            raise ParameterError(f"there is no such method: there are {', '.join(METHODS)}", field=str(index))
    if not value or len(set(value)) < len(value):
        raise ParameterError(f"name at least one of {', '.join(METHODS)}, and each once")
    return value


def check_head_weights(value: Any) -> list[list[float]] | None:
    """A number for each head of each layer."""
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(row, list) and row for row in value):
        raise ParameterError("expected a list of layers, each a list of a number for every head")
    if sum(map(len, value)) > MOST_HEADS:
        raise ParameterError(f"over {MOST_HEADS:,} weights: no model has so many heads")
    for place, row in enumerate(value):
        for head, weight in enumerate(row):
            whole = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not whole or not abs(weight) <= 1e30:
                raise ParameterError("expected a finite number", field=f"{place}.{head}")
    return value


class SourcesFields(Strict):
    """What a search for sources takes, as a request or as a job."""

    context: Annotated[
        str | list[str],
        BeforeValidator(check_context),
        Field(
            description="A text, or a list of passages.",
            examples=[["The Nile flows through Egypt.", "The Rhine flows through Cologne."]],
        ),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "minItems": 1, "maxItems": MOST_SPANS, "items": {"type": "string"}},
                ]
            }
        ),
    ]
    question: Annotated[
        str, BeforeValidator(check_filled), Field(examples=["Which river flows through Cologne?"], min_length=1)
    ]
    answer: Annotated[
        str | None,
        BeforeValidator(check_answer),
        Field(description="The answer in question; the model's own unless given."),
    ] = None
    by: Literal["passages", "sentences"] | None = Field(
        None,
        description="What is scored; a list's passages, and of one text sentences, unless named. Passages of one text "
        "are what empty lines part.",
    )
    template: Annotated[
        str | None,
        BeforeValidator(check_template),
        Field(
            description="How {context} and {question} make the prompt: what the user says to a model with a chat "
            f"template, by default {CHAT!r}, and to another the whole text, {TEMPLATE!r}. Question answering has none.",
            examples=[TEMPLATE],
        ),
        WithJsonSchema({"anyOf": [{"type": "string", "pattern": BOTH}, {"type": "null"}]}),
    ] = None
    method: Annotated[
        list[Method],
        BeforeValidator(check_methods),
        Field(
            description="gradient: weights times their gradients, summed. ablation: a sparse linear function fitted to "
            "what happens without random subsets (ContextCite). attention: the answer's attention, heads weighted as "
            "fits the same best (AT2).",
        ),
        WithJsonSchema(
            {
                "type": "array",
                "items": {"enum": list(METHODS)},
                "minItems": 1,
                "maxItems": len(METHODS),
                "uniqueItems": True,
            }
        ),
    ] = list(METHODS)  # noqa: RUF012  # pydantic copies it
    rows: Literal["answer", "all"] | None = Field(
        None,
        description="gradient and attention: which queries count. answer: those that the answer is written at; all: "
        "all but the span's own. By default answer, and all of question answering.",
    )
    removal: Literal["cut", "text"] = Field(
        "cut",
        description="How spans are taken away: cut from the attention, everything else in its place; or left out of "
        "the text.",
    )
    check: int = Field(3, ge=0, le=MOST_CHECKED, description="So many of each method's best are really taken away.")
    ablations: int = Field(
        32,
        ge=0,
        le=MOST_ABLATIONS,
        description="Random subsets that are fitted to; a quarter as many more are held out, to judge all methods by.",
    )
    head_weights: Annotated[
        list[list[float]] | None,
        BeforeValidator(check_head_weights),
        Field(description="attention: of each layer a weight for each head, as an earlier answer has them."),
        WithJsonSchema(
            {"anyOf": [{"type": "array", "items": {"type": "array", "items": {"type": "number"}}}, {"type": "null"}]}
        ),
    ] = None
    seed: int = Field(0, ge=0, lt=2**63, description="Of the subsets.")
    parameters: Parameters = Field(Parameters(), description="How the answer is generated where it is not given.")


class SourcesRequest(SourcesFields):
    """A context, a question, an answer: which part of the context did the answer use?"""

    model: str | None = Field(None, description="Optional when one model is served.")
