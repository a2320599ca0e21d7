"""A sheet as SVG: labels are text, few cells are paths, many are one picture."""

from base64 import b64encode
from collections.abc import Iterable
from html import escape

import numpy as np

from heedmap.app.render import wire
from heedmap.app.render.sheet import Box, Cells, Mark, Sheet, Text, colour_of

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


def svg(sheet: Sheet) -> bytes:
    """A sheet as an SVG file, which asks for nothing beside itself."""
    hatched = any(isinstance(mark, Box) and mark.hatched for mark in sheet.marks)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{sheet.width}" height="{sheet.height}" ',
        f'viewBox="0 0 {sheet.width} {sheet.height}" role="img">',
        f"<title>{_escaped(sheet.title)}</title><style>{STYLE}</style>\n",
        HATCH if hatched else "",
        '<rect width="100%" height="100%" fill="#fff"/>\n',
        *(part for mark in sheet.marks for part in _mark(mark)),
        "</svg>\n",
    ]
    return "".join(parts).encode()


def _mark(mark: Mark) -> Iterable[str]:
    if isinstance(mark, Text):
        yield _text(mark)
    elif isinstance(mark, Box):
        fill = "url(#hatch)" if mark.hatched else mark.fill or "none"
        stroke = f' stroke="{mark.frame}"' if mark.frame else ""
        yield f'<rect {_place(mark)} fill="{fill}"{stroke}/>'
    else:
        yield from _cells(mark)


def _cells(cells: Cells) -> Iterable[str]:
    box, codes = cells.box, cells.codes
    if cells.many:
        pixels = wire.to_png(codes, cells.enlarged, signed=cells.signed)
        address = f"data:image/png;base64,{b64encode(pixels).decode()}"
        yield f'<image {_place(box)} preserveAspectRatio="none" image-rendering="pixelated" href="{address}"/>\n'
        return
    scale = f"scale({box.width / codes.shape[1]:.4f} {box.height / codes.shape[0]:.4f})"
    yield f'<g transform="translate({box.x:.1f} {box.y:.1f}) {scale}" shape-rendering="crispEdges">'
    for code in np.unique(codes[codes > 0]):  # one path a colour, in units of a cell
        squares = "".join(f"M{column} {row}h1v1h-1z" for row, column in np.argwhere(codes == code))
        yield f'<path fill="{colour_of(int(code), cells.signed)}" d="{squares}"/>'
    yield "</g>\n"


def _place(box: Box) -> str:
    return f'x="{box.x:.2f}" y="{box.y:.1f}" width="{box.width:.2f}" height="{box.height:.1f}"'


def _text(mark: Text) -> str:
    x, y = f"{mark.x:.1f}", f"{mark.y:.1f}"
    move = f'transform="translate({x} {y}) rotate(-90)"' if mark.turn else f'x="{x}" y="{y}"'
    return f'<text {move} class="{mark.kind}" text-anchor="{mark.anchor}">{_escaped(mark.text)}</text>'


def _escaped(text: str) -> str:
    """Text as XML has it: without the control characters that it has no way to write."""
    return escape("".join(sign if sign >= " " else "\ufffd" for sign in text))
