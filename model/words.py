"""From tokens to the words that people read, and how much attention words give each other.

The rules are those of static/js/text/words.js, and tests/data/words.json holds both to them:

1. A text is cut into words before any token is looked at: each character of Han, Hiragana or Katakana is one; so is
   each run of letters, digits and combining marks of other scripts, with apostrophes between letters inside it
   ("Geht's"); so is each other character that is no white space.
2. A token belongs to the word in which its span begins; one that is white space alone to the word after. A token that
   reaches into further words makes them one word with that ("[MASK]"). Tokens that share a character stay together.
3. A special token is a word of its own; so is what stands for no text.
4. Where no spans are known, labels are put together instead: with "##" (WordPiece) where a label begins with it, else,
   where any label begins with "▁" (SentencePiece), wherever one does not; without either mark each token stands alone.
   What is put together is cut as in 1.
5. A word gives another the mean over its own tokens of the sum over the other's tokens.

The page has the text; here it is put together from labels, with a space where spans leave a gap. Plain numpy.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedmap.model.prediction import Axis

SPACE = "▁"  # SentencePiece's mark, which labels show for every space
CONTINUES = "##"  # WordPiece's mark of a continuation
CONTINUED = "@@"  # BPE's of a word that goes on, as in CTRL and BERTweet
BYTE = re.compile(r"<0x([0-9A-F]{2})>")
WHITE = str.maketrans({SPACE: " ", "↵": " ", "⇥": " ", "␍": " "})  # what labels show for white space
APOSTROPHES = ("'", "’")  # as in don't
# Scripts that write no spaces, by how Unicode names their characters.
UNSPACED = (
    *("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "IDEOGRAPHIC"),
    *("HIRAGANA", "HENTAIGANA", "KATAKANA LETTER", "HALFWIDTH KATAKANA LETTER"),
)


@dataclass(frozen=True)
class Word:
    """A run of tokens of an axis: what it reads as, and their places."""

    text: str
    tokens: list[int]
    special: bool = False


@dataclass
class _Unit:
    """Tokens that share a character, and the characters they stand for."""

    tokens: list[int]
    text: str


def words(axis: Axis) -> list[Word]:
    """The words of an axis; each token is in exactly one, and they stand in the tokens' order."""
    has_spans = any(
        stop > start for (start, stop), special in zip(axis.spans, axis.special, strict=True) if not special
    )
    gap = _gap_by_spans if has_spans else _gap_by_labels
    finished: list[Word] = []
    stretch: list[
        tuple[bool, _Unit]
    ] = []  # those without a special token between, each with whether a gap is before it
    for index, label in enumerate(axis.labels):
        if axis.special[index] or (has_spans and tuple(axis.spans[index]) == (0, 0)):
            finished += _cut(stretch)
            stretch = []
            finished.append(Word(label, [index], axis.special[index]))
        elif has_spans and stretch and _same_character(axis, stretch[-1][1].tokens[-1], index):
            unit = stretch[-1][1]
            unit.tokens.append(index)
            unit.text = "".join(axis.labels[token] for token in unit.tokens)
        else:
            stretch.append((not stretch or gap(axis, index), _Unit([index], label)))
    return finished + _cut(stretch)


def merge_words(
    weights: NDArray[np.floating[Any]], queries: Sequence[Word], keys: Sequence[Word]
) -> NDArray[np.floating[Any]]:
    """Token weights (..., Q, K) as word weights (..., W, S): summed over a word's keys, averaged over its queries.

    A word row so sums to what its tokens' rows sum to on average: to 1, where they are whole.
    """
    summed = np.stack([weights[..., word.tokens].sum(axis=-1) for word in keys], axis=-1)
    return np.stack([summed[..., word.tokens, :].mean(axis=-2) for word in queries], axis=-2)


def split(text: str) -> list[tuple[int, int]]:
    """The words of a text, half open: rule 1."""
    spans = []
    at = 0
    while at < len(text):
        start, at = at, at + 1
        if text[start].isspace():
            continue
        if _in_runs(text[start]):
            while at < len(text) and _in_runs(text[at]):
                at += 1
            while at + 1 < len(text) and text[at] in APOSTROPHES and _category(text[at + 1]) in "LM":
                at += 1
                while at < len(text) and _category(text[at]) in "LM":
                    at += 1
        spans.append((start, at))
    return spans


def goes_on(before: str, after: str) -> bool:
    """Whether the word at the end of one text goes on in a text that follows it at once.

    An apostrophe counts as a part of both words beside it: what comes after it may join them.
    """
    return bool(before and after) and _joins(before[-1]) and _joins(after[0])


def characters(label: str) -> str:
    """What a label stands for: without the marks of a continuation, spaces as such, bytes put together."""
    text = (label.removeprefix(CONTINUES) or label).removesuffix(CONTINUED) or label
    parts = BYTE.split(text.translate(WHITE))  # text and the numbers of bytes by turns
    value = b"".join(bytes([int(part, 16)]) if at % 2 else part.encode() for at, part in enumerate(parts))
    return value.decode(errors="replace")


def _cut(stretch: Sequence[tuple[bool, _Unit]]) -> list[Word]:
    """The words of a stretch of units: rule 2."""
    text = ""
    places: list[tuple[int, int, _Unit]] = []
    for gap, unit in stretch:
        plain = characters(unit.text)
        text += " " if gap and text else ""
        places.append((len(text) + len(plain) - len(plain.lstrip()), len(text) + len(plain), unit))
        text += plain
    bounds = split(text)
    if not bounds:
        return [Word(unit.text.replace(SPACE, "") or SPACE, list(unit.tokens)) for _, unit in stretch]
    tokens: list[list[int]] = [[] for _ in bounds]
    at = 0
    for start, stop, unit in places:
        while at < len(bounds) - 1 and bounds[at][1] <= start:
            at += 1
        while at + 1 < len(bounds) and bounds[at + 1][0] < stop:
            bounds[at] = bounds[at][0], bounds.pop(at + 1)[1]
            del tokens[at + 1]
        tokens[at] += unit.tokens
    filled = [(span, inside) for span, inside in zip(bounds, tokens, strict=True) if inside]
    return [Word(text[start:stop], inside) for (start, stop), inside in filled]


def _gap_by_spans(axis: Axis, index: int) -> bool:
    """Whether something lies between a token and the one before it in their text, or they are of two texts."""
    if axis.segments is not None and axis.segments[index - 1] != axis.segments[index]:
        return True
    before, after = axis.spans[index - 1], axis.spans[index]
    return not before[0] <= after[0] <= before[1] <= after[1]


def _gap_by_labels(axis: Axis, index: int) -> bool:
    if any(label.startswith(CONTINUES) for label in axis.labels):
        return not axis.labels[index].startswith(CONTINUES)
    spaced = any(label.startswith(SPACE) for label in axis.labels)
    return not spaced or axis.labels[index].startswith(SPACE)


def _same_character(axis: Axis, left: int, right: int) -> bool:
    return not _gap_by_spans(axis, right) and axis.spans[right][0] < axis.spans[left][1]


def _in_runs(character: str) -> bool:
    """Whether it is a letter, a digit or a combining mark of a script that writes spaces."""
    return _category(character) in "LNM" and not unicodedata.name(character, "").startswith(UNSPACED)


def _joins(character: str) -> bool:
    return character in APOSTROPHES or _in_runs(character)


def _category(character: str) -> str:
    return unicodedata.category(character)[0]
