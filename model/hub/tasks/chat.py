"""Chats: messages as the prompt that the checkpoint's template makes of them, and which of its words are theirs.

Where in the prompt a message stands is not searched for but marked: the template is given the same messages with a
character of private use before and after each text. Without these characters the prompt must be the one that the model
reads; where they come out, the message is. So a word that the template or another message also has is never mistaken.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from heedmap.model.contract import Axis
from heedmap.model.errors import EmptyInput, InputError, ParameterError
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.text import Encoded, encode

FIELD = "inputs.messages"
MARKS = range(0xF0000, 0xFFFFE)  # Supplementary Private Use Area-A: no template and hardly any text has them
JOIN = "\n"  # between the parts of a message for templates that want one text, as vLLM joins them


@dataclass(frozen=True)
class Part:
    """A text of a message: where it begins in the whole message, and without the blanks that a template may drop."""

    message: int
    start: int
    text: str

    @property
    def core(self) -> str:
        """Without blanks around it."""
        return self.text.strip()

    @property
    def dropped(self) -> int:
        """Blanks before the core."""
        return len(self.text) - len(self.text.lstrip()) if self.core else 0


@dataclass(frozen=True)
class Place:
    """Where a text stands in the prompt. start, stop: in the prompt. offset: what is added to count in the message."""

    start: int
    stop: int
    message: int
    offset: int | None  # None where the template wrote it otherwise, so that characters do not match


def encode_chat(loaded: Loaded, messages: Any, limit: int | None) -> Encoded:
    """Messages as tokens; each token's span counts characters of its own message, whose number is its segment.

    A content is a text or a list of {"type": "text", "text"}, whatever the template wants; parts count as joined by
    line ends. What the template writes around them is marked as special. A chat that ends with the assistant's words is
    continued in them, as model hubs do.

    Raises:
        ParameterError: there is no template, it cannot take these messages, or it leaves out what one of them says.
        EmptyInput: there are none.
        InputTooLong: they have more tokens than the model has positions for.
    """
    tokenizer = loaded.tokenizer
    if getattr(tokenizer, "chat_template", None) is None:
        raise ParameterError(
            "this model has no chat template: it goes on from a text, and does not know messages", field="inputs"
        )
    turns = _checked(messages)
    text, places = _rendered(tokenizer, turns)
    encoded = encode(loaded, text, limit=limit, field=FIELD, add_special_tokens=False)
    return replace(encoded, axis=_by_message(encoded.axis, places))


def _checked(messages: Any) -> list[dict[str, Any]]:
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise EmptyInput("a chat needs at least one message", field=FIELD)
    turns = []
    for at, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str) or "content" not in message:
            raise ParameterError('a message is {"role": text, "content": text}', field=f"{FIELD}.{at}")
        content = message["content"]
        whole = isinstance(content, str)
        if not whole and not (isinstance(content, Sequence) and content and all(_is_part(part) for part in content)):
            raise ParameterError(
                'the content of a message is a text, or a list of {"type": "text", "text": text}',
                field=f"{FIELD}.{at}.content",
            )
        turns.append({"role": message["role"], "content": content if whole else [part["text"] for part in content]})
    return turns


def _is_part(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _rendered(tokenizer: Any, turns: list[dict[str, Any]]) -> tuple[str, list[Place]]:
    """The prompt and the places of the messages in it: with contents as they are given, or as the template wants them.

    Raises:
        ParameterError: no way of giving them has all of their words in the prompt.
    """
    joined = [{**turn, "content": _whole(turn["content"])} for turn in turns]
    listed = [{**turn, "content": _listed(turn["content"])} for turn in turns]
    ways: list[list[dict[str, Any]]] = []
    for way in (turns, joined, listed):
        if way not in ways:
            ways.append(way)
    first: InputError | None = None
    for way in ways:
        try:
            return _placed(tokenizer, way)
        except InputError as error:
            first = first or error
    assert first is not None
    raise first


def _whole(content: str | list[str]) -> str:
    return content if isinstance(content, str) else JOIN.join(content)


def _listed(content: str | list[str]) -> list[str]:
    return [content] if isinstance(content, str) else content


def _parts(turns: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
    for message, turn in enumerate(turns):
        start = 0
        for text in _listed(turn["content"]):
            yield Part(message, start, text)
            start += len(text) + len(JOIN)


def _placed(tokenizer: Any, turns: list[dict[str, Any]]) -> tuple[str, list[Place]]:
    """The prompt of contents of this shape, and the places of their texts.

    Raises:
        ParameterError: the template cannot take them, or leaves words out.
    """
    parts = list(_parts(turns))
    said = "".join(part.text for part in parts)
    marks = (chr(code) for code in MARKS if chr(code) not in said)
    around = [(next(marks), next(marks)) for _ in parts]
    marked = iter(
        part.text[: part.dropped] + before + part.core + after + part.text[part.dropped + len(part.core) :]
        for part, (before, after) in zip(parts, around, strict=True)
    )
    shapes = [isinstance(turn["content"], str) for turn in turns]
    twins = [
        {**turn, "content": next(marked) if whole else [next(marked) for _ in turn["content"]]}
        for turn, whole in zip(turns, shapes, strict=True)
    ]
    text, twin = _template(tokenizer, turns), _template(tokenizer, twins)
    _check_no_code(twin, twins)
    all_marks = {mark for pair in around for mark in pair}
    at, offsets = 0, dict[str, list[int]]()
    for sign in twin:
        if sign in all_marks:
            offsets.setdefault(sign, []).append(at)
        else:
            at += 1
    if "".join(sign for sign in twin if sign not in all_marks) != text:  # the template looks into the texts
        offsets = {}
    places: list[Place] = []
    for part, (before, after) in zip(parts, around, strict=True):
        begins, ends = offsets.get(before, []), offsets.get(after, [])
        mine = [Place(*pair, part.message, None) for pair in zip(begins, ends, strict=False)]
        if not mine:
            mine = _searched(text, part, ends[-1] if ends else None, turns, max((p.stop for p in places), default=0))
        places += [_counted(text, part, place) for place in mine]
    if turns[-1]["role"] == "assistant" and places:
        last = max((place.stop for place in places if place.message == len(turns) - 1), default=len(text))
        final = parts[-1]
        blanks = final.text[final.dropped + len(final.core) :]
        text = text[: last + (len(blanks) if text.startswith(blanks, last) else 0)]
    return text, sorted(places, key=lambda place: place.start)


def _template(tokenizer: Any, turns: Sequence[Mapping[str, Any]]) -> str:
    """Raises:
    ParameterError: the template raises, whatever it is.
    """
    messages = [
        {**turn, "content": turn["content"] if isinstance(turn["content"], str) else _as_parts(turn["content"])}
        for turn in turns
    ]
    ends = turns[-1]["role"] != "assistant"
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ends))
    except Exception as error:  # a template is a program that somebody else wrote
        said = " ".join(str(error).split()) or type(error).__name__
        raise ParameterError(f"the model's chat template cannot take these messages: {said}", field=FIELD) from error


def _as_parts(texts: Sequence[str]) -> list[dict[str, str]]:
    return [{"type": "text", "text": text} for text in texts]


def _check_no_code(twin: str, twins: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a template that writes parts as Python does, with braces and quotation marks, for want of a text.

    Raises:
        ParameterError: it does.
    """
    for number, turn in enumerate(twins):
        if not isinstance(turn["content"], str) and any(str(part) in twin for part in _as_parts(turn["content"])):
            raise ParameterError(
                "the model's chat template takes a content that is a text, not a list of parts",
                field=f"{FIELD}.{number}.content",
            )


def _searched(text: str, part: Part, end: int | None, turns: Sequence[Mapping[str, Any]], after: int) -> list[Place]:
    """The place of a text that the marks do not show, because the template looks into it or cuts it.

    Raises:
        ParameterError: it does not reach the model, or not all of what a user or the system says.
    """
    core = part.core
    if not core:
        return []
    role = turns[part.message]["role"]
    if end is not None and role == "assistant":  # its thoughts are left out by design: the tail is what stays
        kept = next((length for length in range(len(core), 0, -1) if text.endswith(core[-length:], 0, end)), 0)
        if kept:
            return [Place(end - kept, end, part.message, None)]
    start = text.find(core, after)
    start = start if start >= 0 or text.count(core) != 1 else text.find(core)
    if start < 0:
        raise ParameterError(
            f"the model's chat template leaves out what this message says (role {role[:40]!r}): it would never reach "
            "the model; give it in another role, or leave it out",
            field=f"{FIELD}.{part.message}",
        )
    return [Place(start, start + len(core), part.message, None)]


def _counted(text: str, part: Part, place: Place) -> Place:
    """A place with what makes its characters those of the message, where they are the same."""
    rendered = text[place.start : place.stop]
    if len(rendered) != len(part.core) and not part.core.endswith(rendered):
        return place
    return replace(place, offset=part.start + part.dropped + len(part.core) - len(rendered) - place.start)


def _by_message(axis: Axis, places: Sequence[Place]) -> Axis:
    """The axis of a rendered chat, its spans counted in the messages."""
    spans, special, segments = [], [], []
    number = 0
    for (start, stop), marked in zip(axis.spans, axis.special, strict=True):
        while number < len(places) - 1 and start >= places[number].stop:
            number += 1
        place = places[number] if places else Place(0, 0, 0, None)
        first, last = max(start, place.start), min(stop, place.stop)
        inside = not marked and first < last
        counted = inside and place.offset is not None
        spans.append((first + (place.offset or 0), last + (place.offset or 0)) if counted else (0, 0))
        special.append(not inside)
        segments.append(place.message)
    return replace(axis, spans=spans, special=special, segments=segments)
