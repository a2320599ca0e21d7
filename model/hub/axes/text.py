"""Axes of text: a readable label, the characters covered and the word, for the tokens of every kind of tokenizer.

A label is the token's own text with each space shown as "▁", SentencePiece's mark, whatever mark the tokenizer itself
uses: byte-level "Ġthe" and CLIP's "the</w>" are both "▁the". A line end is "↵", a tab "⇥". A token that holds a part of
a character's bytes shows them: "<0xE4><0xB8>". WordPiece's mark of a continuation stays: "##ing", and so does "@@".
Special tokens keep their names: "[CLS]".

A span counts characters of the text as it was given, before any normalisation, without the spaces around the token. A
character that is split over several tokens is in each one's span. A special token that the text has not has (0, 0).
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.contract import Axis
from heedmap.model.hub.axes.spans import align
from heedmap.model.hub.axes.token_bytes import BYTE, CONTINUED, CONTINUES, SPACE, Spelling

Span = tuple[int, int]

APOSTROPHES = ("'", "’")  # as in don't
UNSPACED = ("CJK", "HIRAGANA", "KATAKANA")  # scripts that write no spaces: each character stands for itself


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
    kept = [number for number, left_out in zip(ids, special, strict=True) if not left_out]
    text = str(tokenizer.decode(kept, skip_special_tokens=True)) if kept else ""
    spans = _aligned(tokenizer, ids, surfaces, special, [text], [0] * len(ids), fold=False)
    return text, Axis("text", _labels(spelling, names, surfaces, special), list(ids), spans, special)


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


def words(axis: Axis) -> list[list[int]]:
    """The tokens of an axis as words: those that touch, in their text, between letters, digits and apostrophes.

    Punctuation, special tokens, and characters of scripts without spaces stand alone; so does what is no text.
    """
    characters: list[list[int]] = []  # tokens that share a character belong together whatever it is
    for index in range(len(axis)):
        if characters and _same_character(axis, characters[-1][-1], index):
            characters[-1].append(index)
        else:
            characters.append([index])
    found: list[list[int]] = []
    last: list[int] = []
    for tokens in characters:
        if last and _same_word(axis, last, tokens):
            found[-1] += tokens
        else:
            found.append(list(tokens))
        last = tokens
    return found


def merge_words(
    weights: Float[Tensor, "H Q K"], query_words: Sequence[Sequence[int]], key_words: Sequence[Sequence[int]]
) -> Float[Tensor, "H W S"]:
    """Token weights as word weights: summed over a word's keys, averaged over its queries.

    A word row so sums to what its tokens' rows sum to on average: to 1, where they are whole.
    """
    summed = torch.stack([weights[:, :, list(word)].sum(dim=2) for word in key_words], dim=2)
    return torch.stack([summed[:, list(word)].mean(dim=1) for word in query_words], dim=1)


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
        own = [at for at, segment in enumerate(segments) if segment == number and not special[at]]
        pieces = [None if ids[at] == unknown else surfaces[at] for at in own]
        for at, span in zip(own, align(pieces, text, fold), strict=True):
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


def _touching(axis: Axis, left: int, right: int) -> bool:
    """Whether two neighbours are pieces of one text with nothing between them."""
    if axis.special[left] or axis.special[right]:
        return False
    if axis.segments is not None and axis.segments[left] != axis.segments[right]:
        return False
    before, after = axis.spans[left], axis.spans[right]
    return before[0] <= after[0] <= before[1] <= after[1] and (0, 0) not in (before, after)


def _same_character(axis: Axis, left: int, right: int) -> bool:
    return _touching(axis, left, right) and axis.spans[right][0] < axis.spans[left][1]


def _same_word(axis: Axis, left: list[int], right: list[int]) -> bool:
    if not _touching(axis, left[-1], right[0]):
        return False
    before, after = ("".join(axis.labels[index] for index in tokens) for tokens in (left, right))
    if not before.strip(SPACE):  # a word's beginning that is a token of its own
        return not after.startswith(SPACE)
    return _inside(_characters(before)[-1:]) and _inside(_characters(after)[:1])


def _characters(label: str) -> str:
    """What a label stands for: without the marks of a continuation, bytes put together."""
    text = (label.removeprefix(CONTINUES) or label).removesuffix(CONTINUED) or label
    parts = BYTE.split(text)  # text and the numbers of bytes by turns
    value = b"".join(bytes([int(part, 16)]) if at % 2 else part.encode() for at, part in enumerate(parts))
    return value.decode(errors="replace")


def _inside(character: str) -> bool:
    """Whether words go on through this character."""
    if not character or not (character.isalnum() or character in APOSTROPHES or unicodedata.combining(character)):
        return False
    return not unicodedata.name(character, "").startswith(UNSPACED)
