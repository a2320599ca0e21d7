"""A map on a sheet of paper: where its cells, labels, title, legend and caption stand, whatever writes them then."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from heedmap.app.render.colours import palette
from heedmap.app.render.labels import readable, short

MOST_DRAWN = 4096  # cells of a head that are drawn one by one; more make files that editors open slowly
FINE = 1200  # pixels of a picture's longer side at least: viewers that smooth it then smooth no more than edges
SIDE = 480  # pixels: a map's longer side is about as long
CELLS = (3, 48)  # pixels of a cell, at least and at most: fewer are no picture, more are empty
CHARACTER = 7.25  # pixels of a label's character
EVERY = 14  # pixels that a label needs across its reading direction
MARGIN, LINE, GAP = 24, 18, 32
WORD = 6.6  # pixels of a character in running text
STEPS, RAMP = 64, 144  # of the legend, and its pixels
FRAME = "#dcdcd8"


@dataclass(frozen=True)
class Text:
    """A line of text at its baseline; turned, it runs upwards."""

    text: str
    x: float
    y: float
    kind: Literal["title", "quiet", "label"]
    anchor: Literal["start", "middle", "end"] = "start"
    turn: bool = False


@dataclass(frozen=True)
class Box:
    """A rectangle: filled, hatched, framed, or some of these."""

    x: float
    y: float
    width: float
    height: float
    fill: str = ""
    frame: str = ""
    hatched: bool = False


@dataclass(frozen=True)
class Cells:
    """Codes (R, C) in a box, each in its colour; code 0 is left out."""

    box: Box
    codes: NDArray[np.uint8]
    signed: bool

    @property
    def many(self) -> bool:
        """Whether they are one picture."""
        return bool(self.codes.size > MOST_DRAWN)

    @property
    def enlarged(self) -> int:
        """Pixels a side of each cell in that picture."""
        return max(1, -(-FINE // int(max(self.codes.shape))))


Mark = Text | Box | Cells


@dataclass(frozen=True)
class Sheet:
    """Marks in the order in which they are drawn; lengths are pixels, 96 an inch, from the upper left corner."""

    width: int
    height: int
    title: str
    caption: tuple[str, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class _Frame:
    """Where a map stands among its labels, in pixels."""

    rows: list[str]
    columns: list[str]
    axes: tuple[str, str]

    @property
    def cell(self) -> float:
        return min(max(SIDE / max(len(self.rows), len(self.columns)), CELLS[0]), CELLS[1])

    @property
    def turned(self) -> bool:
        return _widest(self.columns) > self.cell

    @property
    def left(self) -> float:
        return _widest(self.rows) + LINE + 8

    @property
    def above(self) -> float:
        return _widest(self.columns) + 8 if self.turned else LINE

    @property
    def top(self) -> float:
        return self.above + 2 * LINE

    @property
    def size(self) -> tuple[float, float]:
        return self.cell * len(self.columns), self.cell * len(self.rows)


def sheet(
    codes: NDArray[np.uint8],
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    title: str,
    axes: tuple[str, str],
    ends: tuple[str, str],
    caption: Sequence[str] = (),
    signed: bool = False,
) -> Sheet:
    """A map's linear codes (R, C), or those of several heads (H, R, C), beside each other; masked cells are hatched.

    queries, keys: the labels of rows and columns; axes: what they are called; ends: the least and the largest value of
    the colours; caption: lines below; signed: colours diverge around code 128.
    """
    panels = codes if codes.ndim == 3 else codes[None]
    frame = _Frame([short(label) for label in readable(queries)], [short(label) for label in readable(keys)], axes)
    across = -(-len(panels) // max(1, round(len(panels) ** 0.5)))
    wide, high = frame.left + frame.size[0] + GAP, frame.top + frame.size[1] + GAP
    foot = MARGIN + LINE + -(-len(panels) // across) * high
    said = max(len(line) for line in (title, *caption)) * WORD
    explained = sum(len(end) for end in ends) * CHARACTER + RAMP + 100  # the legend
    marks: list[Mark] = [Text(title, MARGIN, MARGIN + 12, "title")]
    for index, panel in enumerate(panels):
        name = f"head {index}" if codes.ndim == 3 else ""
        corner = MARGIN + index % across * wide, MARGIN + LINE + index // across * high
        marks += _panel(panel, frame, corner, name, signed)
    marks += _legend(foot, ends, signed, bool((codes == 0).any()))
    marks += [Text(line, MARGIN, foot + LINE * (2 + place), "quiet") for place, line in enumerate(caption)]
    width = 2 * MARGIN + max(min(across, len(panels)) * wide - GAP, said, explained)
    height = foot + 2 * LINE + LINE * len(caption) + MARGIN
    return Sheet(round(width), round(height), title, tuple(caption), tuple(marks))


def _panel(
    codes: NDArray[np.uint8], frame: _Frame, corner: tuple[float, float], name: str, signed: bool
) -> Iterable[Mark]:
    """One head, its labels and the names of its axes."""
    left, top, cell = corner[0] + frame.left, corner[1] + frame.top, frame.cell
    yield Text(" · ".join(filter(None, (name, f"keys: {frame.axes[1]}"))), left, top - frame.above - 6, "quiet")
    yield Text(f"queries: {frame.axes[0]}", corner[0] + 10, top, "quiet", "end", turn=True)
    for row in _labelled(len(frame.rows), cell):
        yield Text(frame.rows[row], left - 6, top + (row + 0.5) * cell + 4, "label", "end")
    for column in _labelled(len(frame.columns), cell):
        x = left + (column + 0.5) * cell + (4 if frame.turned else 0)
        yield Text(frame.columns[column], x, top - 6, "label", "start" if frame.turned else "middle", frame.turned)
    box = left, top, *frame.size
    if (codes == 0).any():
        yield Box(*box, hatched=True)
    yield Cells(Box(*box), codes, signed)
    yield Box(*box, frame=FRAME)


def _legend(y: float, ends: tuple[str, str], signed: bool, holes: bool) -> Iterable[Mark]:
    """The colours from the least to the largest value, and what is masked."""
    left = MARGIN + len(ends[0]) * CHARACTER + 6
    yield Text(ends[0], MARGIN, y + 9, "quiet")
    for step in range(STEPS):
        x, colour = left + step * RAMP / STEPS, colour_of(1 + round(254 * step / (STEPS - 1)), signed)
        yield Box(x, y, RAMP / STEPS + 0.5, 10, fill=colour)
    yield Text(ends[1], left + RAMP + 6, y + 9, "quiet")
    if holes:
        x = left + RAMP + len(ends[1]) * CHARACTER + 26
        yield Box(x, y - 1, 18, 12, frame=FRAME, hatched=True)
        yield Text("masked", x + 24, y + 9, "quiet")


def colour_of(code: int, signed: bool) -> str:
    """The colour of a code from 1 to 255, as #rrggbb."""
    return "#" + palette(signed)[3 * code : 3 * code + 3].hex()


def _labelled(count: int, pixels: float) -> range:
    """Every place where labels have room, else every n-th."""
    return range(0, count, max(1, -(-EVERY // max(1, int(pixels)))))


def _widest(labels: Sequence[str]) -> float:
    """Pixels of the longest label; glyphs of East Asian scripts take two columns."""
    columns = [sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in label) for label in labels]
    return max(columns, default=1) * CHARACTER
