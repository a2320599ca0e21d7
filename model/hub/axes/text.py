"""Axes of text: a readable label, the characters covered and the word, for the tokens of every kind of tokenizer.

A label is the token's own text with each space shown as "▁", SentencePiece's mark, whatever mark the tokenizer itself
uses: byte-level "Ġthe" and CLIP's "the</w>" are both "▁the". A line end is "↵", a tab "⇥". A token that holds a part of
a character's bytes shows them: "<0xE4><0xB8>". WordPiece's mark of a continuation stays: "##ing", and so does "@@".
Special tokens keep their names: "[CLS]".

A span counts characters of the text as it was given, before any normalisation, without the spaces around the token. A
character that is split over several tokens is in each one's span. A special token that the text has not has (0, 0).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from heedmap.model.contract import Axis
from heedmap.model.hub.axes.spans import align
from heedmap.model.hub.axes.token_bytes import Spelling

Span = tuple[int, int]


def text_axis(
    tokenizer: Any,
    ids: Sequence[int],
    text: str | Sequence[str],
    offsets: Sequence[Sequence[int]] | None = None,
    segments: Sequence[int] | None = None,
) -> Axis:
    """The axis of an input's tokens.

    Args:
        ids: special tokens included.
        text: what was tokenized; several texts where tokens of one sequence come from several.
        offsets: of each token in its text, as fast tokenizers tell them; without, they are found by alignment.
        segments: which text each token comes from.
    """
    spelling = Spelling(tokenizer)
    names = _names(tokenizer, ids)
    surfaces = spelling.surfaces(names)
    special = [number in spelling.special for number in ids]
    texts = [text] if isinstance(text, str) else list(text)
    of = [0] * len(ids) if segments is None else list(segments)
    if offsets is None:
        spans = _aligned(tokenizer, ids, surfaces, special, texts, of)
    else:
        spans = [
            _trimmed(texts[segment], start, stop, surface)
            for segment, (start, stop), surface in zip(of, offsets, surfaces, strict=True)
        ]
    labels = _labels(spelling, names, surfaces, special)
    return Axis("text", labels, list(ids), spans, special, None if segments is None else of)


def output_axis(tokenizer: Any, ids: Sequence[int]) -> tuple[str, Axis]:
    """The text that ids decode to, special tokens left out, and their axis: its spans count that text's characters."""
    spelling = Spelling(tokenizer)
    names = _names(tokenizer, ids)
    surfaces = spelling.surfaces(names)
    special = [number in spelling.special for number in ids]
    text = output_text(tokenizer, ids, spelling.special)
    spans = _aligned(tokenizer, ids, surfaces, special, [text], [0] * len(ids), fold=False)
    return text, Axis("text", _labels(spelling, names, surfaces, special), list(ids), spans, special)


def output_text(tokenizer: Any, ids: Sequence[int], special: set[int]) -> str:
    """The text that ids decode to, special tokens left out."""
    kept = [number for number in ids if number not in special]
    return str(tokenizer.decode(kept, skip_special_tokens=True)) if kept else ""


def prefix_axis(tokenizer: Any, start: Sequence[int], target: Axis) -> Axis:
    """What a decoder had read at each position of its target: its start tokens, then the target but for its end.

    Args:
        start: the tokens that the decoder began with; the target's first positions are all but the first of them.
    """
    spelling = Spelling(tokenizer)
    names = _names(tokenizer, start[:1])
    first = _labels(spelling, names, spelling.surfaces(names), [True])
    return replace(
        target,
        labels=[*first, *target.labels[:-1]],
        ids=[*start[:1], *target.ids[:-1]],
        spans=[(0, 0), *target.spans[:-1]],
        special=[True, *target.special[:-1]],
    )


def with_token(tokenizer: Any, axis: Axis, place: int, token: int) -> Axis:
    """The axis of a text in which one token is another, which keeps its span."""
    spelling = Spelling(tokenizer)
    names, special = _names(tokenizer, [token]), token in spelling.special
    [label] = _labels(spelling, names, spelling.surfaces(names), [special])
    labels, ids, specials = list(axis.labels), list(axis.ids), list(axis.special)
    labels[place], ids[place], specials[place] = label, token, special
    return replace(axis, labels=labels, ids=ids, special=specials)


def _names(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """The tokens as their tokenizer writes them; an id beyond its vocabulary is shown as such."""
    names = tokenizer.convert_ids_to_tokens(list(ids))
    return [f"<{number}>" if name is None else str(name) for number, name in zip(ids, names, strict=True)]


def _labels(spelling: Spelling, names: list[str], surfaces: list[bytes], special: list[bool]) -> list[str]:
    rows = zip(names, surfaces, special, strict=True)
    return [name if kept else spelling.label(name, surface) for name, surface, kept in rows]


def _aligned(
    tokenizer: Any,
    ids: Sequence[int],
    surfaces: Sequence[bytes],
    special: Sequence[bool],
    texts: Sequence[str],
    segments: Sequence[int],
    fold: bool = True,
) -> list[Span]:
    """Spans by alignment, each text's tokens for themselves."""
    unknown = getattr(tokenizer, "unk_token_id", None)
    spans: list[Span] = [(0, 0)] * len(ids)
    for number, text in enumerate(texts):
        places = [at for at, segment in enumerate(segments) if segment == number and not special[at]]
        pieces = [None if ids[at] == unknown else surfaces[at] for at in places]
        for at, span in zip(places, align(pieces, text, fold), strict=True):
            spans[at] = span
    return spans


def _trimmed(text: str, start: int, stop: int, surface: bytes) -> Span:
    """A span without the spaces around it; a token of line ends or several spaces has them."""
    first, last = start, stop
    while first < last and text[first].isspace():
        first += 1
    while first < last and text[last - 1].isspace():
        last -= 1
    if surface == b" ":  # a word's beginning that is a token of its own covers no character
        return first, first
    return (start, stop) if first == last and not surface.strip() else (first, last)
