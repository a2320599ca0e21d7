"""Arrays on the wire: JSON straight from numpy, npy, labelled CSV, PNG, and the one-byte code of tiles.

No array is ever turned into Python numbers here; what a representation costs is known before it is made.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from heedmap.app.errors import NotAcceptable, TooLarge
from heedmap.app.render.colours import palette

FLOOR_EXPONENT = -24  # u8log: the smallest weight that still has a code of its own is 2^-24
STEPS = 253  # codes 2..255 span the exponents -24..0
TOP_EXPONENT = 12  # s8log: the largest value with a code of its own is 2^12: what norms and gradients hardly reach
SIGNED_STEPS = 126  # of s8log: codes 129..255, and 127..1 for what is negative, span the exponents -24..12
ZERO = 128  # of s8log
PNG_SIDE = 1024  # pixels: a map of few tokens is enlarged to about this, so that it can be looked at
PNG_CELL = 64  # pixels: the largest cell of an enlarged map


@dataclass(frozen=True)
class Format:
    """A representation: its short name for ?format=, its media type, and the bytes that a cell takes at most.

    mask: the bytes that a cell takes at most where its visibility is said beside its weight; 0 where that has no place.
    gaps: whether it tells masked cells from weights of 0 by itself.
    """

    name: str
    media_type: str
    cell: int
    mask: int = 0
    gaps: bool = False


# float32 in its shortest form is at most 15 characters, and a comma; a boolean is "false" and a comma.
JSON = Format("json", "application/json", 16, 6)
NPY = Format("npy", "application/x-npy", 4, 1)
CSV = Format("csv", "text/csv", 16)
PNG = Format("png", "image/png", 1, gaps=True)
PLOTLY = Format("plotly", "application/vnd.plotly.v1+json", 16, gaps=True)
HTML = Format("html", "text/html", 16, gaps=True)
SVG = Format("svg", "image/svg+xml", 20, gaps=True)  # "M123 456h1v1h-1z" a cell
PDF = Format("pdf", "application/pdf", 20, gaps=True)  # "123 456 1 1 re" a cell, before it is packed
RAW = Format("raw", "application/octet-stream", 1)
MAP_FORMATS = (JSON, NPY, CSV, PNG, PLOTLY, HTML, SVG, PDF)
THUMBNAIL_FORMATS = (RAW, NPY, PNG)


def negotiate(accept: str | None, name: str | None, offers: Sequence[Format]) -> Format:
    """The representation that ?format= names, or else the one that Accept prefers; of equals, the first offered.

    Raises:
        NotAcceptable: none is offered.
    """
    names = ", ".join(offer.name for offer in offers)
    if name is not None:
        for offer in offers:
            if name in (offer.name, offer.media_type):
                return offer
        raise NotAcceptable(f"there is no format {name!r} here: {names}", field="format")
    ranges = [_media_range(part) for part in (accept or "*/*").split(",") if part.strip()]
    best = max(offers, key=lambda offer: _quality(ranges, offer.media_type))
    if _quality(ranges, best.media_type) <= 0:
        types = ", ".join(offer.media_type for offer in offers)
        raise NotAcceptable(f"this address has no representation that {accept!r} accepts: {types}")
    return best


def _media_range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                quality = min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                quality = 0.0
    return media, quality


def _quality(ranges: Sequence[tuple[str, float]], media: str) -> float:
    """The quality that the most particular matching range gives (RFC 9110, section 12.5.1)."""
    for pattern in (media, media.partition("/")[0] + "/*", "*/*"):
        matching = [quality for name, quality in ranges if name == pattern]
        if matching:
            return max(matching)
    return 0.0


def check_size(cells: int, form: Format, limit: int, advice: str, masked: int = 0) -> None:
    """Refuse a response that would be over the limit, before it is computed.

    masked: the cells whose visibility is said beside their weights.

    Raises:
        TooLarge: it would be; `advice` names the way to get it in parts.
    """
    size = cells * form.cell + masked * form.mask
    if size > limit:
        mask = " and which cells are visible" if masked else ""
        raise TooLarge(
            f"{cells:,} weights{mask} as {form.media_type} may take {size:,} bytes, the limit is {limit:,}: {advice}"
        )


def to_json(body: Mapping[str, Any]) -> bytes:
    """JSON, arrays included; NaN and infinities become null."""
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def to_npy(weights: NDArray[np.float32], visible: NDArray[np.bool_] | None = None) -> bytes:
    """NumPy's own format, version 1.0: little-endian float32, row-major; then, where given, booleans as a second array.

    A second `np.load` of the same stream reads the second; a reader of one array stops before it.
    """
    buffer = io.BytesIO()
    for array, kind in ((weights, "<f4"), (visible, "|b1")):
        if array is not None:
            np.lib.format.write_array(buffer, np.ascontiguousarray(array, kind), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def to_csv(weights: NDArray[np.float32], queries: Sequence[str], keys: Sequence[str]) -> bytes:
    """A line per query and a column per key, both named; of several heads, one block under the other, head first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")  # RFC 4180
    blocks = weights if weights.ndim == 3 else weights[None]
    writer.writerow([*(["head"] if weights.ndim == 3 else []), "query", *keys])
    for head, block in enumerate(blocks):
        for label, row in zip(queries, np.asarray(block, np.float32).astype(str), strict=True):
            writer.writerow([*([head] if weights.ndim == 3 else []), label, *row])
    return buffer.getvalue().encode()


def to_codes(weights: NDArray[np.float32], visible: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """u8log: 0 masked, 1 zero or under 2^-24, and c = 2..255 for 2^(-24 (255 - c) / 253), so that 255 is 1."""
    with np.errstate(divide="ignore"):
        exponent = np.log2(weights.astype(np.float32))
    scaled = np.rint(255 - exponent * (STEPS / FLOOR_EXPONENT))
    codes = np.where(exponent < FLOOR_EXPONENT, 1, np.clip(scaled, 2, 255))
    return np.where(visible, codes, 0).astype(np.uint8)


def to_signed_codes(values: NDArray[np.float32], visible: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """s8log: 0 masked, 128 zero or within 2^-24 of it, and c = 129..255 for 2^(-24 + 36 (c - 129) / 126).

    256 - c is for minus that; so 255 is 2^12, and 1 is -2^12, as is all beyond. The code of what has a sign, or may be
    over 1.
    """
    with np.errstate(divide="ignore"):
        exponent = np.log2(np.abs(values.astype(np.float32)))
    step = np.rint((exponent - FLOOR_EXPONENT) * (SIGNED_STEPS / (TOP_EXPONENT - FLOOR_EXPONENT)))
    size = np.where(exponent < FLOOR_EXPONENT, 0, 1 + np.clip(step, 0, SIGNED_STEPS))
    return np.where(visible, ZERO + np.sign(values) * size, 0).astype(np.uint8)


def to_png(
    codes: NDArray[np.uint8],
    cell: int | None = None,
    *,
    signed: bool = False,
    facts: Mapping[str, str] | None = None,
) -> bytes:
    """A picture of codes (rows, columns) in cividis, or diverging around code 128 where signed; masked is transparent.

    cell: pixels a side of each cell; by default the map is enlarged to be about 1,024 pixels wide or high. facts: what
    the file says of itself, by PNG's own keywords: Title, Description, ...
    """
    rows, columns = codes.shape
    side = cell or max(1, min(PNG_CELL, PNG_SIDE // max(rows, columns)))
    image = Image.frombytes("P", (columns, rows), np.ascontiguousarray(codes).tobytes())
    image.putpalette(palette(signed))
    if side > 1:
        image = image.resize((columns * side, rows * side), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    said = PngInfo()
    for keyword, text in (facts or {}).items():
        said.add_itxt(keyword, text)
    image.save(buffer, "PNG", transparency=0, optimize=False, pnginfo=said)
    return buffer.getvalue()


def linear_codes(weights: NDArray[np.float32], visible: NDArray[np.bool_], top: float = 1.0) -> NDArray[np.uint8]:
    """0 masked, 1..255 for values from 0 to `top`."""
    scaled = 1 + np.rint(np.clip(weights / (top or 1.0), 0, 1) * 254)
    return np.where(visible, scaled, 0).astype(np.uint8)


def linear_signed_codes(values: NDArray[np.float32], visible: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """0 masked, 128 zero, and 1..255 for values from minus to plus the one that is farthest from 0."""
    top = float(np.abs(values).max(initial=0)) or 1.0
    return np.where(visible, ZERO + np.rint(values / top * (ZERO - 1)), 0).astype(np.uint8)


def side_by_side(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (heads, rows, columns) in one row, a transparent column between them."""
    heads, rows, columns = codes.shape
    canvas = np.zeros((rows, heads * (columns + 1) - 1), np.uint8)
    for index, picture in enumerate(codes):
        canvas[:, index * (columns + 1) : index * (columns + 1) + columns] = picture
    return canvas


def to_square(
    cells: NDArray[Any], size: int, axes: tuple[int, ...] = (-2, -1), *, signed: bool = False
) -> NDArray[Any]:
    """A map (..., Q, K) at size x size: the largest that falls on a pixel; where it is smaller, the nearest cell.

    signed: the largest is the one farthest from 0.
    """
    for axis in axes:
        length = cells.shape[axis]
        if length > size:
            places = np.arange(size) * length // size
            most = np.maximum.reduceat(cells, places, axis=axis)
            if signed:
                least = np.minimum.reduceat(cells, places, axis=axis)
                most = np.where(most >= -least, most, least)
            cells = most
        else:
            cells = np.take(cells, ((np.arange(size) + 0.5) * length / size).astype(np.int64), axis=axis)
    return cells


def codes_to_square(codes: NDArray[np.uint8], size: int, *, signed: bool = False) -> NDArray[np.uint8]:
    """`to_square` of codes, of u8log or, signed, of s8log: a pixel is masked where all that falls on it is."""
    if not signed:
        return to_square(codes, size)
    steps = np.where(codes > 0, codes.astype(np.int16) - ZERO, 0)
    visible = to_square(codes > 0, size)
    return np.where(visible, to_square(steps, size, signed=True) + ZERO, 0).astype(np.uint8)
