"""Which characters of a text each of its pieces covers, found by walking through both side by side.

For tokenizers that keep no offsets, and for generated outputs, whose text is what the tokens decode to. Whitespace is
left out of the comparison, so that nothing depends on who adds or removes spaces.
"""

import re
import unicodedata
from collections.abc import Sequence

WHITESPACE = b" \t\n\r\x0b\x0c"
WORD = re.compile(r"\S+")
REACH = 32  # bytes to look ahead for a piece that is not where it should be; longer after an unknown one

Span = tuple[int, int]


def align(pieces: Sequence[bytes | None], text: str, fold: bool = False) -> list[Span]:
    """The half-open range of characters that each piece covers.

    A character that is split over several pieces is covered by each of them. A piece of whitespace alone has an empty
    range, at the start of what follows. Pieces that the text does not hold cover what lies between their neighbours.

    Args:
        pieces: in the text's order, as bytes of UTF-8; None for an unknown one.
        fold: compare what is left after compatibility normalisation (NFKC) and lower-casing, for tokenizers that
            normalise their input.
    """
    stream, owners = _stream(text, fold)
    folded = [None if piece is None else _folded(piece, fold).translate(None, WHITESPACE) for piece in pieces]
    spans: list[Span | None] = [None] * len(pieces)
    position = 0
    waiting: list[int] = []
    for index, piece in enumerate(folded):
        if piece == b"":
            continue
        place = -1
        if piece is not None:
            sure = not waiting
            reach = len(stream) if any(folded[each] is None for each in waiting) else position + REACH + len(piece)
            place = position if sure and stream.startswith(piece, position) else stream.find(piece, position, reach)
        if piece is None or place < 0:
            waiting.append(index)
            continue
        _fill(spans, waiting, text, owners[position:place])
        waiting = []
        position = place + len(piece)
        spans[index] = (owners[place][0], owners[position - 1][1])
    _fill(spans, waiting, text, owners[position:])
    following = len(text)
    for index in reversed(range(len(spans))):
        covered = spans[index]
        spans[index] = covered = (following, following) if covered is None else covered
        following = covered[0]
    return [span for span in spans if span is not None]


def _fill(spans: list[Span | None], waiting: list[int], text: str, gap: list[Span]) -> None:
    """Give the pieces that were not found what lies between their neighbours: a word or character each, or all."""
    if not gap or not waiting:
        return
    start, stop = gap[0][0], gap[-1][1]
    words = [(start + match.start(), start + match.end()) for match in WORD.finditer(text[start:stop])]
    characters = [(at, at + 1) for first, last in words for at in range(first, last)]
    each = next((parts for parts in (words, characters) if len(parts) == len(waiting)), [(start, stop)] * len(waiting))
    for index, span in zip(waiting, each, strict=True):
        spans[index] = span


def _folded(piece: bytes, fold: bool) -> bytes:
    if not fold:
        return piece
    try:
        return unicodedata.normalize("NFKC", piece.decode()).lower().encode()
    except UnicodeDecodeError:
        return piece


def _stream(text: str, fold: bool) -> tuple[bytes, list[Span]]:
    """The text without whitespace as bytes of UTF-8, and the characters that each byte belongs to."""
    stream, owners = bytearray(), []
    start = 0
    while start < len(text):
        stop = start + 1
        while fold and stop < len(text) and unicodedata.combining(text[stop]):  # marks may join their letter
            stop += 1
        value = text[start:stop]
        if fold:
            value = unicodedata.normalize("NFKC", value).lower()
        encoded = value.encode(errors="replace").translate(None, WHITESPACE)
        stream += encoded
        owners += [(start, stop)] * len(encoded)
        start = stop
    return bytes(stream), owners
