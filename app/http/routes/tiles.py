"""Tiles of a head's map, one by one or many in one body."""

import re
import struct
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from heedmap.app.errors import WORKING, NotFound, raises
from heedmap.app.http.caching import NOT_MODIFIED, cached
from heedmap.app.http.callers import Caller, admitted
from heedmap.app.http.routes.maps import MeasureName
from heedmap.app.http.services import Services, services
from heedmap.app.render.figures import WEIGHTS
from heedmap.app.render.wire import RAW, to_json
from heedmap.app.service import maps
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.app.service.tiles import Address, blocks_of
from heedmap.app.settings import TILES_PER_REQUEST
from heedmap.model.attention.tiles import How
from heedmap.model.errors import InputError, ParameterError, TraceError
from heedmap.model.measures.registry import cell_measure

PAIR = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")  # of ASCII alone: \d takes digits that no number is written in
router = APIRouter(prefix="/v1/traces/{id}/tiles/{site}/{layer}/{head}/{how}/{level}", tags=["maps"])
CallerNow = Annotated[Caller, Depends(admitted)]
ServicesNow = Annotated[Services, Depends(services)]
Layer = Annotated[int, Path(description="From 0; negatives count from the end.")]
Head = Annotated[int, Path(description="From 0; negatives count from the end.")]
Reduction = Annotated[How, Path(description="The largest weight of each block, or the mean over its visible cells.")]
Level = Annotated[int, Path(description="A block is 2^level x 2^level cells; 0 is full resolution.")]


@raises(NotFound, TraceError, InputError, *WORKING)
async def one_head(
    id: str,
    site: str,
    layer: Layer,
    head: Head,
    caller: CallerNow,
    services: ServicesNow,
    measure: MeasureName = WEIGHTS,
) -> tuple[StoredTrace, Address]:
    """A dependency: the trace, which is the caller's to see, and the head and the measure that the address means."""
    held = await services.trace(caller, id)
    place = maps.locate(held.trace, site, layer, head, name=measure)
    return held, Address(place.site, place.layer, int(place.head), measure)


OneHead = Annotated[tuple[StoredTrace, Address], Depends(one_head)]


@router.get(
    "/{row}/{col}",
    summary="A tile of a map",
    response_class=Response,
    responses={
        200: {"content": {RAW.media_type: {}}},
        204: {"description": "Every cell of the tile is masked."},
        **NOT_MODIFIED,
    },
)
async def get_tile(
    request: Request,
    head: OneHead,
    how: Reduction,
    level: Level,
    row: Annotated[int, Path(description="Of the tile, from 0: blocks 256·row and on.")],
    col: Annotated[int, Path(description="Of the tile, from 0: blocks 256·col and on.")],
    caller: CallerNow,
    services: ServicesNow,
) -> Response:
    """At most 256 x 256 bytes, row-major; rows and columns stand in X-Tile-Shape, their code in X-Tile-Encoding.

    u8log of weights; s8log of what has a sign or may be over 1: the largest is then the one farthest from 0.
    """
    held, at = head
    rows, cols = blocks_of(held.trace.map(at.site, at.layer).shape, level, row, col)

    async def body() -> bytes:
        codes = await services.tiles.tile(caller.owner, held, at, how, level, row, col)
        return codes.tobytes() if codes.any() else b""

    what = ("tile", at, how, level, row, col)
    headers = {"X-Tile-Shape": f"{len(rows)},{len(cols)}", **encoding_of(at)}
    response = await cached(request, caller, held, what, RAW.media_type, body, headers)
    if response.status_code == 200 and not response.body:
        response.status_code = 204
        for name in ("content-length", "content-type"):
            del response.headers[name]
    return response


@router.get(
    "",
    summary="Several tiles of a level in one body",
    response_class=Response,
    responses={200: {"content": {RAW.media_type: {}}}, **NOT_MODIFIED},
)
async def get_tiles(
    request: Request,
    head: OneHead,
    how: Reduction,
    level: Level,
    caller: CallerNow,
    services: ServicesNow,
    tiles: Annotated[str, Query(description="row:col pairs apart by commas, such as 0:0,0:1.", max_length=2000)],
) -> Response:
    """A little-endian uint32, so many bytes of JSON, then the tiles one after the other.

    The JSON is {"tiles": [{"row", "col", "shape", "bytes"}, ...]} in the order asked for; a tile that is masked whole
    has 0 bytes.
    """
    held, at = head
    pairs = parse_tiles(tiles)
    for row, col in pairs:
        blocks_of(held.trace.map(at.site, at.layer).shape, level, row, col)

    async def body() -> bytes:
        entries, parts = [], []
        for row, col in pairs:
            codes = await services.tiles.tile(caller.owner, held, at, how, level, row, col)
            data = codes.tobytes() if codes.any() else b""
            entries.append({"row": row, "col": col, "shape": list(codes.shape), "bytes": len(data)})
            parts.append(data)
        head_bytes = to_json({"tiles": entries})
        return b"".join([struct.pack("<I", len(head_bytes)), head_bytes, *parts])

    return await cached(request, caller, held, ("tiles", at, how, level, pairs), RAW.media_type, body, encoding_of(at))


def encoding_of(at: Address) -> dict[str, str]:
    """The header that names the code of a head's tiles."""
    return {"X-Tile-Encoding": cell_measure(at.measure).encoding}


def parse_tiles(text: str) -> list[tuple[int, int]]:
    """`row:col` pairs.

    Raises:
        ParameterError: they do not read so, or are too many.
    """
    pairs = [PAIR.fullmatch(part) for part in text.split(",")]
    if None in pairs:
        raise ParameterError(f"expected row:col pairs such as 0:0,0:1, got {text[:60]!r}", field="tiles")
    if len(pairs) > TILES_PER_REQUEST:
        raise ParameterError(f"{len(pairs)} tiles in one request, at most {TILES_PER_REQUEST} are taken", field="tiles")
    return [(int(pair[1]), int(pair[2])) for pair in pairs if pair is not None]
