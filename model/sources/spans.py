"""Spans of a context: passages or sentences, and the tokens that they are."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from heedmap.model.contract import Axis

By = Literal["passages", "sentences"]
BETWEEN = "\n\n"  # passages of a list in one text: as a blank line parts them in a text of their own

# A full stop, with the quotation marks and brackets that close behind it; where no blank parts words, none need follow.
ENDS = re.compile(r"[.!?…؟।]+[\"'”’»)\]]*(?=\s|$)|[。！？｡]+[」』”’）》】]*|\n[^\S\n]*\n\s*")
BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*")
# After which a full stop ends no sentence, in the languages of the shipped models; single letters are initials anyway.
ABBREVIATIONS = {
    *(
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "st",
        "jr",
        "sr",
        "inc",
        "ltd",
        "dept",
        "approx",
        "vs",
        "etc",
        "fig",
        "eq",
        "al",
    ),
    *("nr", "bzw", "ca", "evtl", "ggf", "inkl", "str", "usw", "vgl"),
}
WORD = re.compile(r"[\w.]+$")
VISIBLE = re.compile(r"\S")
LONGEST_WORD = 40  # characters before a full stop that are looked at
INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")  # J, z.B, e.g


@dataclass(frozen=True)
class Span:
    """A part of a context.

    passage: which of them it is in, or is. start, stop: its characters in that passage. first, last: its characters,
    half open, in the whole context, where passages are joined by `BETWEEN`.
    """

    passage: int
    start: int
    stop: int
    first: int
    last: int


def sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of a text, half open, without the blanks around them.

    One ends with . ! ? … and their kin before a blank, with 。！？ wherever they stand, or at an empty line; closing
    quotation marks and brackets belong to it. None ends before a small letter, nor by a full stop after an initial or a
    common abbreviation. It knows no more of any language than that.
    """
    parts, begin = [], 0
    for mark in ENDS.finditer(text):
        if not _goes_on(text, begin, mark):
            parts.append((begin, mark.end()))
            begin = mark.end()
    return _trimmed(text, [*parts, (begin, len(text))])


def paragraphs(text: str) -> list[tuple[int, int]]:
    """What empty lines part, half open, without the blanks around it."""
    parts, begin = [], 0
    for blank in BLANK_LINES.finditer(text):
        parts.append((begin, blank.start()))
        begin = blank.end()
    return _trimmed(text, [*parts, (begin, len(text))])


def spans_of(context: str | Sequence[str], by: By) -> tuple[str, list[Span]]:
    """The whole context as one text, and its spans in order; a text has its paragraphs for passages."""
    whole = context if isinstance(context, str) else BETWEEN.join(context)
    spans: list[Span] = []
    offset = 0
    for passage, text in enumerate([context] if isinstance(context, str) else context):
        if by == "sentences":
            parts = sentences(text)
        else:
            parts = paragraphs(text) if isinstance(context, str) else _trimmed(text, [(0, len(text))])
        spans += [Span(passage, start, stop, offset + start, offset + stop) for start, stop in parts]
        offset += len(text) + len(BETWEEN)
    return whole, spans


def token_ranges(axis: Axis, places: Sequence[int], spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The tokens of each span, half open: one that straddles two spans is the first's; (0, 0) where there are none.

    Args:
        places: the tokens of the axis that the text is made of, in order.
        spans: characters of that text, in order and apart from each other.
    """
    ranges = [(0, 0)] * len(spans)
    stops = [stop for _, stop in spans]
    for place in places:
        start, stop = axis.spans[place]
        number = bisect_right(stops, start)  # the first that ends behind the token's beginning
        if start < stop and number < len(spans) and spans[number][0] < stop:
            first, last = ranges[number]
            ranges[number] = (first, place + 1) if last else (place, place + 1)
    return ranges


def _trimmed(text: str, parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts without blanks around them, and without those that are nothing else."""
    kept = []
    for start, stop in parts:
        piece = text[start:stop]
        if piece.strip():
            kept.append((start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
    return kept


def _goes_on(text: str, begin: int, mark: re.Match[str]) -> bool:
    """Whether a sentence goes on behind what may end one."""
    following = VISIBLE.search(text, mark.end()) if mark.group()[0] in ".!?…" else None
    if following is not None and following.group().islower():
        return True
    word = WORD.search(text[max(begin, mark.start() - LONGEST_WORD) : mark.start()])
    if mark.group() != "." or word is None:
        return False
    before = word.group().lower()
    return before in ABBREVIATIONS or (following is not None and INITIALS.fullmatch(before) is not None)
