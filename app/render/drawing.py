"""Maps as SVG: labels are text, few cells are paths, many are one picture; title, legend and caption beside them."""

import unicodedata
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from heedmap.app.render import wire
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
MONO = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', monospace"
SANS = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', 'Noto Sans CJK SC', sans-serif"
STYLE = (
    f"text{{font:12px {SANS};fill:#1b1c1e}}.label{{font-family:{MONO};white-space:pre}}"
    f".quiet{{fill:#5c6066}}.title{{font:600 14px {SANS}}}"
)
# Of a drawing that is opened by itself.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
HATCH = (
    '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line x1="0" y1="0" x2="0" y2="7" stroke="#8f908c" stroke-width="2"/></pattern></defs>'
)


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


def svg(
    codes: NDArray[np.uint8],
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    title: str,
    axes: tuple[str, str],
    ends: tuple[str, str],
    caption: Sequence[str] = (),
    signed: bool = False,
) -> bytes:
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
    width = 2 * MARGIN + max(min(across, len(panels)) * wide - GAP, said)
    height = foot + 2 * LINE + LINE * len(caption) + MARGIN
    holes = bool((codes == 0).any())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" ',
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img"><title>{_escaped(title)}</title><style>{STYLE}</style>\n',
        HATCH if holes else "",
        '<rect width="100%" height="100%" fill="#fff"/>',
        _text(title, MARGIN, MARGIN + 12, "title"),
    ]
    for index, panel in enumerate(panels):
        name = f"head {index}" if codes.ndim == 3 else ""
        x, y = MARGIN + index % across * wide, MARGIN + LINE + index // across * high
        parts += [f'<g transform="translate({x:.1f} {y:.1f})">', *_panel(panel, frame, name, signed), "</g>\n"]
    parts += _legend(foot, ends, signed, holes)
    parts += [_text(line, MARGIN, foot + LINE * (2 + place), "quiet") for place, line in enumerate(caption)]
    return "".join([*parts, "</svg>\n"]).encode()


def _panel(codes: NDArray[np.uint8], frame: _Frame, name: str, signed: bool) -> Iterable[str]:
    """One head, its labels and the names of its axes."""
    left, top, cell, (wide, high) = frame.left, frame.top, frame.cell, frame.size
    yield _text(" · ".join(filter(None, (name, f"keys: {frame.axes[1]}"))), left, top - frame.above - 6, "quiet")
    yield _text(f"queries: {frame.axes[0]}", 10, top, "quiet", "end", turn=True)
    for row in _labelled(len(frame.rows), cell):
        yield _text(frame.rows[row], left - 6, top + (row + 0.5) * cell + 4, "label", "end")
    for column in _labelled(len(frame.columns), cell):
        x = left + (column + 0.5) * cell + (4 if frame.turned else 0)
        anchor = "start" if frame.turned else "middle"
        yield _text(frame.columns[column], x, top - 6, "label", anchor, turn=frame.turned)
    place = f'x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{high:.1f}"'
    if (codes == 0).any():
        yield f'<rect {place} fill="url(#hatch)"/>'
    if codes.size > MOST_DRAWN:
        pixels = wire.to_png(codes, max(1, -(-FINE // max(codes.shape))), signed=signed)
        address = f"data:image/png;base64,{b64encode(pixels).decode()}"
        yield f'<image {place} preserveAspectRatio="none" image-rendering="pixelated" href="{address}"/>'
    else:
        yield f'<g transform="translate({left:.1f} {top:.1f}) scale({cell:.4f})" shape-rendering="crispEdges">'
        yield from _paths(codes, signed)
        yield "</g>"
    yield f'<rect {place} fill="none" stroke="#dcdcd8"/>'


def _paths(codes: NDArray[np.uint8], signed: bool) -> Iterable[str]:
    """One path a colour, in units of a cell."""
    for code in np.unique(codes[codes > 0]):
        squares = "".join(f"M{column} {row}h1v1h-1z" for row, column in np.argwhere(codes == code))
        yield f'<path fill="{_colour(int(code), signed)}" d="{squares}"/>'


def _legend(y: float, ends: tuple[str, str], signed: bool, holes: bool) -> Iterable[str]:
    """The colours from the least to the largest value, and what is masked."""
    left = MARGIN + len(ends[0]) * CHARACTER + 6
    yield _text(ends[0], MARGIN, y + 9, "quiet")
    for step in range(STEPS):
        x, colour = left + step * RAMP / STEPS, _colour(1 + round(254 * step / (STEPS - 1)), signed)
        yield f'<rect x="{x:.2f}" y="{y:.1f}" width="{RAMP / STEPS + 0.5:.2f}" height="10" fill="{colour}"/>'
    yield _text(ends[1], left + RAMP + 6, y + 9, "quiet")
    if holes:
        x = left + RAMP + len(ends[1]) * CHARACTER + 26
        yield f'<rect x="{x:.1f}" y="{y - 1:.1f}" width="18" height="12" fill="url(#hatch)" stroke="#dcdcd8"/>'
        yield _text("masked", x + 24, y + 9, "quiet")


def _labelled(count: int, pixels: float) -> range:
    """Every place where labels have room, else every n-th."""
    return range(0, count, max(1, -(-EVERY // max(1, int(pixels)))))


def _widest(labels: Sequence[str]) -> float:
    """Pixels of the longest label; glyphs of East Asian scripts take two columns."""
    columns = [sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in label) for label in labels]
    return max(columns, default=1) * CHARACTER


def _colour(code: int, signed: bool) -> str:
    return "#" + palette(signed)[3 * code : 3 * code + 3].hex()


def _text(text: str, x: float, y: float, kind: str, anchor: str = "start", *, turn: bool = False) -> str:
    move = f'transform="translate({x:.1f} {y:.1f}) rotate(-90)"' if turn else f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text {move} class="{kind}" text-anchor="{anchor}">{_escaped(text)}</text>'


def _escaped(text: str) -> str:
    """Text as XML has it: without the control characters that it has no way to write."""
    return escape("".join(sign if sign >= " " else "\ufffd" for sign in text))
