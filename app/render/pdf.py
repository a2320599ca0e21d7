"""A sheet as PDF 1.4, one page as large as the sheet: vectors, and labels that can be searched and copied.

Letters of Western Europe are text in the fonts that every reader has. Others are text in fonts that are made of the
outlines of those that are installed where the service runs (`lettering`). Right to left, letters stand in their order
and unjoined: nothing shapes them here.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from math import sqrt

import numpy as np

from heedmap.app.render.colours import palette
from heedmap.app.render.fonts import Fonts, installed
from heedmap.app.render.isolate import EMBEDDING, RIGHT_TO_LEFT
from heedmap.app.render.lettering import BASE_FONTS, Lettering, length_of, named, stream, western
from heedmap.app.render.sheet import LINE, MARGIN, WORD, Box, Cells, Mark, Sheet, Text, colour_of

POINTS = 0.75  # of a pixel
SIZES = {"title": 14, "quiet": 12, "label": 12}  # pixels
INKS = {"title": "#1b1c1e", "quiet": "#5c6066", "label": "#1b1c1e"}
FACES = {"title": "F2", "quiet": "F1", "label": "F3"}
HATCH, HATCHED = 7, "#8f908c"  # pixels between lines
UNDRAWN = "A box with a code: a letter that no font on the server has. A font installed there draws it."


def pdf(sheet: Sheet, fonts: Fonts | None = None) -> bytes:
    """A sheet as a PDF file, the same bytes for the same sheet and fonts; `fonts`: those that are installed."""
    page = _Page(Lettering(fonts or installed()))
    for mark in sheet.marks:
        page.draw(mark)
    width, height = sheet.width, sheet.height
    if page.letters.undrawn:
        page.draw(Text(UNDRAWN, MARGIN, height - MARGIN + LINE / 2, "quiet"))
        width, height = max(width, round(2 * MARGIN + len(UNDRAWN) * WORD)), height + LINE
    down = height * POINTS
    content = "\n".join([f"{POINTS} 0 0 {-POINTS} 0 {down:g} cm", *page.operators]).encode("latin-1")
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"", stream("", content)]
    pictures = _put(objects, "I", page.pictures)
    base = "/Type /Font /Subtype /Type1 /Encoding /WinAnsiEncoding /BaseFont"
    faces = _put(objects, "F", [f"<< {base} /{name} >>".encode() for name in BASE_FONTS])
    faces += page.letters.put(objects, faces)
    objects[1] = f"<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 {width * POINTS:g} {down:g}] >>".encode()
    resources = f"<< /Font << {faces}>> /XObject << {pictures}>> >>"
    objects[2] = f"<< /Type /Page /Parent 2 0 R /Resources {resources} /Contents 4 0 R >>".encode()
    said = f"/Title {named(sheet.title)} /Subject {named(' '.join(sheet.caption))} /Creator (Heedmap)"
    return _assembled([*objects, f"<< {said} >>".encode()])


class _Page:
    """What is collected while a page is drawn: its operators, its pictures, and its letters."""

    def __init__(self, letters: Lettering) -> None:
        self.letters = letters
        self.operators: list[str] = []
        self.pictures: list[bytes] = []

    def draw(self, mark: Mark) -> None:
        if isinstance(mark, Text):
            self.operators.append(self._text(mark))
        elif isinstance(mark, Box):
            self.operators += _box(mark)
        else:
            self.operators += self._cells(mark)

    def _text(self, mark: Text) -> str:
        """Runs of letters beside each other, from the text's anchor."""
        size, face = SIZES[mark.kind], FACES[mark.kind]
        shown: list[str] = []
        length = 0.0
        for run in _runs(mark.text):
            codes = western(run)
            if codes is not None:
                shown.append(f"/{face} {size} Tf <{codes.hex()}> Tj")
                length += length_of(codes, face) * size
                continue
            for letter in reversed(run) if RIGHT_TO_LEFT.search(run) else run:
                font, code, width = self.letters.place(letter)
                shown.append(f"/{font} {size} Tf <{code:02x}> Tj")
                length += width * size
        back = {"start": 0.0, "middle": 0.5, "end": 1.0}[mark.anchor] * length
        turn = (
            f"0 -1 -1 0 {mark.x:.2f} {mark.y + back:.2f}" if mark.turn else f"1 0 0 -1 {mark.x - back:.2f} {mark.y:.2f}"
        )
        return f"{_shade(INKS[mark.kind])} rg BT {turn} Tm {' '.join(shown)} ET"

    def _cells(self, cells: Cells) -> Iterator[str]:
        box, codes = cells.box, cells.codes
        rows, columns = codes.shape
        if cells.many:
            pixels = codes.repeat(cells.enlarged, 0).repeat(cells.enlarged, 1)
            colours = f"[/Indexed /DeviceRGB 255 <{palette(cells.signed).hex()}>]"
            shape = f"/Width {pixels.shape[1]} /Height {pixels.shape[0]} /BitsPerComponent 8"
            # Code 0, masked, is left out.
            head = f"/Type /XObject /Subtype /Image {shape} /ColorSpace {colours} /Mask [0 0] "
            self.pictures.append(stream(head, pixels.tobytes()))
            place = f"{box.width:.2f} 0 0 {-box.height:.2f} {box.x:.2f} {box.y + box.height:.2f}"
            yield f"q {place} cm /I{len(self.pictures)} Do Q"
            return
        yield f"q {box.width / columns:.4f} 0 0 {box.height / rows:.4f} {box.x:.2f} {box.y:.2f} cm"
        for code in np.unique(codes[codes > 0]):
            squares = " ".join(f"{column} {row} 1 1 re" for row, column in np.argwhere(codes == code))
            yield f"{_shade(colour_of(int(code), cells.signed))} rg {squares} f"
        yield "Q"


def _put(objects: list[bytes], letter: str, more: list[bytes]) -> str:
    """Adds objects; what a page calls them, from 1 on."""
    first = len(objects) + 1
    objects += more
    return "".join(f"/{letter}{place + 1} {first + place} 0 R " for place in range(len(more)))


def _box(box: Box) -> Iterator[str]:
    place = f"{box.x:.2f} {box.y:.2f} {box.width:.2f} {box.height:.2f} re"
    if box.fill:
        yield f"{_shade(box.fill)} rg {place} f"
    if box.hatched:
        yield f"q {place} W n {_shade(HATCHED)} RG 2 w"
        low, right = box.y + box.height, box.x + box.width
        for x in np.arange(box.x - box.height, right, HATCH * sqrt(2)):
            yield f"{x:.2f} {low:.2f} m {x + box.height:.2f} {box.y:.2f} l S"
        yield "Q"
    if box.frame:
        yield f"{_shade(box.frame)} RG 1 w {place} S"


def _runs(text: str) -> Iterable[str]:
    """A text in runs of one kind: Western letters, letters from right to left, and others."""
    shown = EMBEDDING.sub("", re.sub("[\x00-\x1f]", "\ufffd", text))

    def kind(letter: str) -> int:
        return 0 if western(letter) is not None else 1 if RIGHT_TO_LEFT.match(letter) else 2

    return ["".join(letters) for _, letters in groupby(shown, kind)]


def _shade(colour: str) -> str:
    return " ".join(f"{int(colour[at : at + 2], 16) / 255:.3g}" for at in (1, 3, 5))


def _assembled(objects: list[bytes]) -> bytes:
    """Objects with the table of where each stands; the last is what the file says of itself."""
    file = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    starts = []
    for number, content in enumerate(objects, 1):
        starts.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % start for start in starts)
    file += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\n" % (len(objects) + 1, len(objects))
    return bytes(file + b"startxref\n%d\n%%%%EOF\n" % table)
