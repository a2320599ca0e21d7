"""What callers send as inputs: texts, files as base64, and objects of them; checked here, judged by the model.

Every error names its place. A file's size is known from its base64 before a byte of it is decoded.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from heedmap.app.errors import TooLarge
from heedmap.app.settings import BATCH_INPUTS, FILE_BYTES, MESSAGES, SENTENCES, TEXT_CHARACTERS
from heedmap.model.errors import EmptyInput, InputTooLong, ParameterError

OneInput = str | dict[str, Any]
ADDRESSES = ("http:", "https:", "ftp:", "file:", "s3:")  # none is base64, which has no colon
SHAPES = (
    'a text, {"image"}, {"image", "text"}, {"audio"}, {"text", "text_pair"}, {"question", "context"}, '
    '{"source_sentence", "sentences"} or {"messages": [{"role", "content"}]}'
)


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        dict: "an object",
        list: "a list",
    }
    return kinds.get(type(value), type(value).__name__)


def check_text(value: Any, place: str = "") -> str:
    """Text that is of a sane length; emptiness is the model's to judge, item by item."""
    if not isinstance(value, str):
        raise ParameterError(f"expected text, got {kind(value)}", field=place or None)
    if len(value) > TEXT_CHARACTERS:
        raise InputTooLong(
            f"the text has {len(value):,} characters, at most {TEXT_CHARACTERS:,} are read", field=place or None
        )
    return value


def check_inputs(value: Any) -> OneInput | list[OneInput]:
    """One input, or a list of inputs that make one batch."""
    if not isinstance(value, list):
        return check_input(value, "")
    if not value:
        raise EmptyInput("the list of inputs is empty; give at least one")
    if len(value) > BATCH_INPUTS:
        raise ParameterError(f"{len(value)} inputs in one request, at most {BATCH_INPUTS} are taken; send several")
    return [check_input(item, str(index)) for index, item in enumerate(value)]


def check_input(value: Any, place: str) -> OneInput:
    """A text, or an object of one of the shapes that models read, its files decoded.

    Raises:
        ParameterError, InputTooLong: what is wrong, and where under `inputs`.
        TooLarge: a file is.
    """
    if not isinstance(value, dict):
        if not isinstance(value, str):
            raise ParameterError(f"expected {SHAPES}, got {kind(value)}", field=place or None)
        return check_text(value, place)
    names = frozenset(value)
    if names not in PARTS_OF:
        listed = ", ".join(sorted(str(name)[:40] for name in names)) or "nothing"
        raise ParameterError(f"an object with {listed} is no input; there is {SHAPES}", field=place or None)
    prefix = f"{place}." if place else ""
    return {name: PARTS[name](part, prefix + name) for name, part in value.items()}


def check_file(value: Any, place: str) -> bytes:
    """A file's bytes, from base64 or a data: address that holds it, or as a form sent them.

    Raises:
        ParameterError: it is something else. TooLarge: it is over the limit of its kind.
    """
    name = place.rpartition(".")[2]
    limit = FILE_BYTES[name]
    if isinstance(value, bytes):
        check_size(name, len(value), limit, place)
        return value
    if not isinstance(value, str):
        raise ParameterError(f"expected a file as base64, got {kind(value)}", field=place)
    text = value
    if value[:5].lower() == "data:":
        head, comma, text = value.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise ParameterError("a data: address must hold base64: data:image/png;base64,...", field=place)
    elif value[:8].lower().startswith(ADDRESSES):
        raise ParameterError(
            "this is an address, and the server never fetches one: send the file itself, as base64", field=place
        )
    check_size(name, len(text) * 3 // 4 - text[-2:].count("="), limit, place)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ParameterError(f"this is not base64: {str(error).lower()}", field=place) from None


def check_size(name: str, size: int, limit: int, place: str) -> None:
    """Refuse a file over its limit.

    Raises:
        TooLarge: it is.
    """
    if size > limit:
        raise TooLarge(f"the {name} has {size:,} bytes, at most {limit:,} are read", field=f"inputs.{place}")


def check_sentences(value: Any, place: str) -> list[str]:
    """Texts to compare with."""
    if not isinstance(value, list) or not value:
        raise ParameterError("expected a list of at least one sentence", field=place)
    if len(value) > SENTENCES:
        raise ParameterError(f"{len(value)} sentences, at most {SENTENCES} are taken", field=place)
    sentences = [check_text(sentence, f"{place}.{index}") for index, sentence in enumerate(value)]
    _check_sum(sentences, place)
    return sentences


def _check_sum(texts: Iterable[str], place: str) -> None:
    """Texts that a model reads for one answer, which together are no longer than one text may be."""
    characters = sum(map(len, texts))
    if characters > TEXT_CHARACTERS:
        raise InputTooLong(
            f"the texts have {characters:,} characters together, at most {TEXT_CHARACTERS:,} are read", field=place
        )


def check_messages(value: Any, place: str) -> list[dict[str, Any]]:
    """A chat so far."""
    if not isinstance(value, list) or not value:
        raise ParameterError('expected a list of at least one {"role", "content"}', field=place)
    if len(value) > MESSAGES:
        raise ParameterError(f"{len(value)} messages, at most {MESSAGES} are taken", field=place)
    messages: list[dict[str, Any]] = []
    for index, message in enumerate(value):
        where = f"{place}.{index}" if place else str(index)
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            raise ParameterError('a message is {"role": text, "content": text}', field=where)
        content = check_content(message["content"], f"{where}.content")
        messages.append({"role": check_text(message["role"], f"{where}.role"), "content": content})
    said = (message["content"] for message in messages)
    _check_sum((part if isinstance(part, str) else part["text"] for content in said for part in _parts(content)), place)
    return messages


def _parts(content: str | list[dict[str, str]]) -> Sequence[str | dict[str, str]]:
    return [content] if isinstance(content, str) else content


def check_content(value: Any, place: str) -> str | list[dict[str, str]]:
    """What a message says: a text, or a list of parts that are texts."""
    if not isinstance(value, list):
        return check_text(value, place)
    if not value or len(value) > MESSAGES:
        raise ParameterError(f"{len(value)} parts, 1 to {MESSAGES} are taken", field=place)
    for index, part in enumerate(value):
        if not isinstance(part, dict) or set(part) != {"type", "text"} or part["type"] != "text":
            raise ParameterError('a part of a message is {"type": "text", "text": ...}', field=f"{place}.{index}")
        check_text(part["text"], f"{place}.{index}.text")
    return value


PARTS: dict[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(("image", "audio"), check_file),
    **dict.fromkeys(("text", "text_pair", "question", "context", "source_sentence"), check_text),
    "sentences": check_sentences,
    "messages": check_messages,
}
PARTS_OF = {
    frozenset(names)
    for names in (
        ("image",),
        ("audio",),
        ("image", "text"),
        ("text", "text_pair"),
        ("question", "context"),
        ("source_sentence", "sentences"),
        ("messages",),
    )
}


def _schema() -> dict[str, Any]:
    text = {"type": "string", "maxLength": TEXT_CHARACTERS}
    role = {"type": "object", "required": ["role", "content"], "additionalProperties": False}
    part = {
        "type": "object",
        "required": ["type", "text"],
        "properties": {"type": {"const": "text"}, "text": text},
        "additionalProperties": False,
    }
    content = {"type": "array", "items": part, "minItems": 1, "maxItems": MESSAGES}
    parts: dict[str, Any] = {
        **dict.fromkeys(("text", "text_pair", "question", "context", "source_sentence"), text),
        "image": {"type": "string", "contentEncoding": "base64", "description": "The file, or a data: address of it."},
        "audio": {"type": "string", "contentEncoding": "base64", "description": "The file, or a data: address of it."},
        "sentences": {"type": "array", "items": text, "minItems": 1, "maxItems": SENTENCES},
        "messages": {
            "type": "array",
            "items": {**role, "properties": {"role": text, "content": {"anyOf": [text, content]}}},
            "minItems": 1,
            "maxItems": MESSAGES,
        },
    }
    objects = [
        {
            "type": "object",
            "properties": {name: parts[name] for name in sorted(names)},
            "required": sorted(names),
            "additionalProperties": False,
        }
        for names in sorted(PARTS_OF, key=sorted)
    ]
    one = {"anyOf": [text, *objects]}
    return {"anyOf": [*one["anyOf"], {"type": "array", "items": one, "minItems": 1, "maxItems": BATCH_INPUTS}]}


SCHEMA = _schema()
