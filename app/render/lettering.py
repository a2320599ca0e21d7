"""The letters of a PDF: Western ones by the fonts that every reader has, others by fonts that are made for the file.

Such a font (ISO 32000-1, 9.6.5: Type 3) holds the outlines of the letters that the file uses, and says which letters
they are (9.10.3: ToUnicode), so that they are searched and copied as any text. A letter that no font here has is a box
with its code of Unicode, in the same room: nothing is left out.
"""

import zlib

from heedmap.app.render.fonts import Fonts

BASE_FONTS = ("Helvetica", "Helvetica-Bold", "Courier")  # F1, F2, F3
COURIER = 0.6  # of a size, every character's width
# Of a thousandth of the size, from the space on: Helvetica's metrics (Adobe's AFM); other letters are near the digits'.
ADOBE = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 "
    "584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 "
    "667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 "
    "278 556 500 722 500 500 500 334 260 334 584"
)
HELVETICA = [int(width) for width in ADOBE.split()]
DIGIT = 556
MOST_CODES = 255  # letters of a font whose codes are bytes, from 1 on
CODE_SIZE = 0.42  # of a letter's size: the digits in a box, of which two lines stand in one


def western(text: str) -> bytes | None:
    """A text in WinAnsiEncoding; None where it has letters that this has not."""
    try:
        return text.encode("cp1252")
    except UnicodeEncodeError:
        return None


def length_of(codes: bytes, face: str) -> float:
    """How wide Western letters are, in units of their size."""
    if face == "F3":
        return len(codes) * COURIER
    return sum(HELVETICA[code - 32] if 32 <= code < 127 else DIGIT for code in codes) / 1000


def named(text: str) -> str:
    """A text as PDF has texts of any script."""
    return f"<feff{text.encode('utf-16-be', 'replace').hex()}>"


def stream(head: str, content: bytes) -> bytes:
    """An object of packed bytes."""
    packed = zlib.compress(content, 6)
    return f"<< {head}/Filter /FlateDecode /Length {len(packed)} >>\nstream\n".encode() + packed + b"\nendstream"


class Lettering:
    """The letters that a file uses beside Western ones; F4 and what follows are their fonts."""

    def __init__(self, fonts: Fonts) -> None:
        self.fonts = fonts
        self.drawn: dict[str, tuple[float, str]] = {}
        self.places: dict[str, int] = {}
        self.undrawn = False  # whether a letter is a box

    def place(self, letter: str) -> tuple[str, int, float]:
        """The font, the code and the width, in units of its size, of a letter."""
        if letter not in self.drawn:
            glyph = self.fonts.glyph(letter)
            self.undrawn |= glyph is None
            self.places[letter] = len(self.drawn)
            self.drawn[letter] = _box(letter) if glyph is None else (glyph[0], f"{glyph[1]} f" if glyph[1] else "")
        font, code = divmod(self.places[letter], MOST_CODES)
        return f"F{len(BASE_FONTS) + 1 + font}", code + 1, self.drawn[letter][0]

    def put(self, objects: list[bytes], faces: str) -> str:
        """Adds the fonts to a file's objects; what a page calls them. faces: the base fonts, for the codes in boxes."""
        letters, names = list(self.drawn), ""
        for start in range(0, len(letters), MOST_CODES):
            part = letters[start : start + MOST_CODES]
            first = len(objects) + 1
            for letter in part:
                width, outline = self.drawn[letter]
                objects.append(stream("", f"{width:g} 0 0 -0.5 {max(width, 1):g} 1.2 d1 {outline}".encode()))
            objects.append(stream("", _unicode(part)))
            glyphs = " ".join(f"/g{place} {first + place} 0 R" for place in range(len(part)))
            codes = " ".join(f"/g{place}" for place in range(len(part)))
            widths = " ".join(f"{self.drawn[letter][0]:g}" for letter in part)
            objects.append(
                "<< /Type /Font /Subtype /Type3 /FontBBox [0 -0.5 1.5 1.2] /FontMatrix [1 0 0 1 0 0] "
                f"/FirstChar 1 /LastChar {len(part)} /Widths [{widths}] /CharProcs << {glyphs} >> "
                f"/Encoding << /Type /Encoding /Differences [1 {codes}] >> /ToUnicode {first + len(part)} 0 R "
                f"/Resources << /Font << {faces}>> >> >>".encode()
            )
            names += f"/F{len(BASE_FONTS) + 1 + start // MOST_CODES} {len(objects)} 0 R "
        return names


def _box(letter: str) -> tuple[float, str]:
    """A box with a letter's code, in two lines."""
    code = f"{ord(letter):04X}"
    half = (len(code) + 1) // 2
    width = half * COURIER * CODE_SIZE + 0.08
    lines = "".join(
        f" BT /F3 {CODE_SIZE} Tf 1 0 0 1 0.04 {y} Tm <{line.encode().hex()}> Tj ET"
        for line, y in ((code[:half], 0.42), (code[half:], 0))
    )
    return width, f"0.02 w 0.02 -0.08 {width - 0.04:g} 0.9 re S{lines}"


def _unicode(letters: list[str]) -> bytes:
    """Which letters the codes from 1 on are."""
    lines = [
        f"<{place:02x}> <{letter.encode('utf-16-be', 'replace').hex()}>" for place, letter in enumerate(letters, 1)
    ]
    blocks = (lines[start : start + 100] for start in range(0, len(lines), 100))  # a block holds no more
    maps = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapName /Heedmap def\n/CMapType 2 def\n"
        f"1 begincodespacerange\n<00> <ff>\nendcodespacerange\n{maps}\nendcmap\n"
        "CMapName currentdict /CMap defineresource pop\nend\nend\n"
    ).encode()
