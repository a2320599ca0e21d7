"""Glyphs of the fonts that are installed where the service runs, as outlines, for letters that a PDF has no font for.

Outlines serve every kind of font alike (TrueType, OpenType with CFF, collections), and only those of the letters that
are used are read: a Chinese font of 16 MB costs what its index costs, once.
"""

import os
import sys
from collections.abc import Iterator
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from threading import Lock

from fontTools.pens.basePen import BasePen
from fontTools.ttLib import TTFont

FOLDERS = {
    "linux": ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": ("C:/Windows/Fonts",),
}
ENDINGS = (".ttf", ".otf", ".ttc", ".otc")
# Parts of the names of fonts that are like the labels beside them, or that have most letters; the first goes first.
PREFERRED = (
    "dejavusansmono", "notosansmono", "notosans-", "notosanscjk", "sourcehansans", "droidsansfallback", "wqy-",
    "pingfang", "hiragino", "arial unicode", "msyh", "simsun", "malgun", "unifont",
)  # fmt: skip
STYLED = ("bold", "italic", "oblique", "light", "black", "thin", "medium", "serif", "condensed")
MOST_FONTS = 48  # that are looked into for a letter: a desktop may have a thousand
MOST_KNOWN = 4096  # letters whose outlines are kept, of about a kilobyte each
CURVES = 4  # digits of a place in an outline, which is in units of the letter's size


class Outlines(BasePen):  # type: ignore[misc]  # fontTools says nothing of its types
    """Collects an outline as PDF's operators; `BasePen` makes cubic curves of quadratic ones."""

    def __init__(self, glyphs: object, units: int) -> None:
        super().__init__(glyphs)
        self.units = units
        self.parts: list[str] = []

    def _put(self, operator: str, *points: tuple[float, float]) -> None:
        places = " ".join(f"{round(value / self.units, CURVES):g}" for point in points for value in point)
        self.parts.append(f"{places} {operator}".strip())

    # What `BasePen` calls.
    def _moveTo(self, point: tuple[float, float]) -> None:  # noqa: N802
        self._put("m", point)

    def _lineTo(self, point: tuple[float, float]) -> None:  # noqa: N802
        self._put("l", point)

    def _curveToOne(self, *points: tuple[float, float]) -> None:  # noqa: N802
        self._put("c", *points)

    def _closePath(self) -> None:  # noqa: N802
        self._put("h")


class Font:
    """A font file, read as far as it is asked for."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as stream:
            content = mmap(stream.fileno(), 0, access=ACCESS_READ)  # which costs memory for what is read alone
        self.path = path
        self.file = TTFont(content, fontNumber=0, lazy=True)
        self.letters: dict[int, str] = self.file.getBestCmap() or {}
        self.units: int = self.file["head"].unitsPerEm

    def glyph(self, letter: str) -> tuple[float, str] | None:
        """Its width and outline, in units of its size, up from the baseline; None where the font has no such letter."""
        name = self.letters.get(ord(letter))
        if name is None:
            return None
        glyphs = self.file.getGlyphSet()
        pen = Outlines(glyphs, self.units)
        glyphs[name].draw(pen)
        return glyphs[name].width / self.units, " ".join(pen.parts)


class Fonts:
    """Some font files, looked into in their order; shared by threads."""

    def __init__(self, paths: list[Path]) -> None:
        self.waiting = iter(paths[:MOST_FONTS])
        self.opened: list[Font] = []
        self.known: dict[str, tuple[float, str] | None] = {}
        self.lock = Lock()

    def glyph(self, letter: str) -> tuple[float, str] | None:
        """The width and outline of a letter by the first font that has it; None where none has."""
        with self.lock:
            if letter not in self.known:
                if len(self.known) >= MOST_KNOWN:
                    self.known.clear()
                drawn = (font.glyph(letter) for font in self._all())
                self.known[letter] = next((glyph for glyph in drawn if glyph is not None), None)
            return self.known[letter]

    def _all(self) -> Iterator[Font]:
        yield from list(self.opened)
        for path in self.waiting:
            try:
                font = Font(path)
            except Exception:  # noqa: S112  a damaged file raises whatever its tables lead to; the next may do
                continue
            self.opened.append(font)
            yield font


@cache
def installed() -> Fonts:
    """The fonts of this machine."""
    folders = FOLDERS.get(sys.platform, FOLDERS["linux"])
    return Fonts(found([Path(folder).expanduser() for folder in folders]))


def found(folders: list[Path]) -> list[Path]:
    """The font files in some folders: those like the labels and those with most letters first, plain before styled."""
    paths = [
        Path(place) / name
        for folder in folders
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(ENDINGS)
    ]
    return sorted(paths, key=_order)


def _order(path: Path) -> tuple[int, bool, str]:
    name = path.name.lower()
    place = next((place for place, part in enumerate(PREFERRED) if part in name), len(PREFERRED))
    return place, any(style in name for style in STYLED), str(path)
