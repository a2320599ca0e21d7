"""Chats: messages as the prompt that the checkpoint's template makes of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from heedmap.model.contract import Axis
from heedmap.model.errors import EmptyInput, ParameterError
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.text import Encoded, encode

FIELD = "inputs.messages"


def encode_chat(loaded: Loaded, messages: Any, limit: int | None) -> Encoded:
    """Messages as tokens; each token's span counts characters of its own message, whose number is its segment.

    What the template writes around them is marked as special. A chat that ends with the assistant's words is continued
    in them, as model hubs do.

    Raises:
        ParameterError: there is no template, or it cannot take these messages.
        EmptyInput: there are none.
        InputTooLong: they have more tokens than the model has positions for.
    """
    tokenizer = loaded.tokenizer
    if getattr(tokenizer, "chat_template", None) is None:
        raise ParameterError(
            "this model has no chat template: it goes on from a text, and does not know messages", field="inputs"
        )
    turns = _checked(messages)
    text = _rendered(tokenizer, turns)
    encoded = encode(loaded, text, limit=limit, field=FIELD, add_special_tokens=False)
    return replace(encoded, axis=_by_message(encoded.axis, text, [turn["content"] for turn in turns]))


def _checked(messages: Any) -> list[dict[str, str]]:
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise EmptyInput("a chat needs at least one message", field=FIELD)
    for at, message in enumerate(messages):
        if not isinstance(message, Mapping) or not all(isinstance(message.get(k), str) for k in ("role", "content")):
            raise ParameterError('a message is {"role": text, "content": text}', field=f"{FIELD}.{at}")
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _rendered(tokenizer: Any, turns: list[dict[str, str]]) -> str:
    from jinja2.exceptions import TemplateError

    goes_on = turns[-1]["role"] == "assistant"
    try:
        text = tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=not goes_on, continue_final_message=goes_on
        )
    except (TemplateError, ValueError) as error:
        raise ParameterError(f"the model's chat template cannot take these messages: {error}", field=FIELD) from error
    return str(text)


def _by_message(axis: Axis, text: str, contents: Sequence[str]) -> Axis:
    """The axis of a rendered chat, its spans counted in the messages."""
    places: list[tuple[int, int, int]] = []  # start and stop in the rendered text, and blanks that the template dropped
    position = 0
    for content in contents:
        kept = content if text.find(content, position) >= 0 else content.strip()
        start = text.find(kept, position)
        if start < 0:  # the template left it out or changed it
            places.append((position, position, 0))
            continue
        position = start + len(kept)
        places.append((start, position, content.find(kept)))
    spans, special, segments = [], [], []
    number = 0
    for (start, stop), marked in zip(axis.spans, axis.special, strict=True):
        while number < len(places) - 1 and start >= places[number][1]:
            number += 1
        first, last, dropped = places[number]
        inside = not marked and first <= start < stop <= last
        spans.append((start - first + dropped, stop - first + dropped) if inside else (0, 0))
        special.append(not inside)
        segments.append(number)
    return replace(axis, spans=spans, special=special, segments=segments)
