"""Maps of a trace: any window of any head in any representation, and all heads at a glance."""

from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Header, Path, Query
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from heedmap.app.errors import WORKING, NotAcceptable, NotFound, TooLarge, raises
from heedmap.app.http.answers import MapWindow
from heedmap.app.http.caching import NOT_MODIFIED, cached
from heedmap.app.http.callers import Caller, admitted
from heedmap.app.http.rendering import rendered
from heedmap.app.http.services import Services, services
from heedmap.app.render import figures, wire
from heedmap.app.render.drawing import POLICY, svg
from heedmap.app.render.figures import WEIGHTS
from heedmap.app.render.page import page, page_policy
from heedmap.app.render.pdf import pdf
from heedmap.app.render.sheet import sheet
from heedmap.app.requests.schemas import parse_head
from heedmap.app.service import maps
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.app.settings import THUMBNAIL_SIZES
from heedmap.model.errors import InputError, ParameterError, TraceError
from heedmap.model.measures.registry import cell_measure

router = APIRouter(prefix="/v1/traces/{id}", tags=["maps"])
CallerNow = Annotated[Caller, Depends(admitted)]
ServicesNow = Annotated[Services, Depends(services)]
MeasureName = Annotated[str, Query(description="weights, or another measure of cells: /v1/measures lists them.")]
Accept = Annotated[str | None, Header(description="The representation; ?format= goes before it.")]
ADVICE = "ask for windows with ?rows=a:b&cols=c:d, for one head at a time, or for application/x-npy"
MASKED = tuple(form.name for form in wire.MAP_FORMATS if form.mask)
VISIBLE = (
    "Whether to say which cells the mask leaves visible, the same for every head: json has them as `visible`, booleans "
    "of shape (queries, keys), npy as a second array after the weights in the same body. The pictures and "
    "figures show it anyway, and csv has no place for it."
)
FORMATS = (
    "json, npy, csv, png, plotly, html, svg or pdf. A pdf draws letters beyond Western Europe's by the fonts that are "
    "installed where the service runs; one that none of them has is a box with its code, and a line says so."
)
SMALL = 1 << 14  # weights that are encoded in 2 ms: sooner than another thread takes over
WINDOW = {wire.JSON.media_type: {"schema": {"$ref": f"#/components/schemas/{MapWindow.__name__}"}}}
CHARSET = dict.fromkeys((wire.CSV, wire.HTML, wire.SVG), "; charset=utf-8")


def content(forms: Iterable[wire.Format]) -> dict[str, dict[str, Any]]:
    """What OpenAPI should say of an answer in any of these representations."""
    return {form.media_type: {} for form in forms}


def encoded(
    form: wire.Format,
    held: StoredTrace,
    place: maps.Place,
    weights: NDArray[np.float32],
    visible: NDArray[np.bool_] | None,
    cell: int | None,
) -> bytes:
    """A window in one representation; `visible` is given to those with gaps, and to others where it was asked for."""
    axes = held.trace.axes
    queries = axes[place.queries].labels[place.rows.start : place.rows.stop]
    keys = axes[place.keys].labels[place.cols.start : place.cols.stop]
    if form is wire.NPY:
        return wire.to_npy(weights, visible)
    if form is wire.CSV:
        return wire.to_csv(weights, queries, keys)
    if form is wire.JSON:
        rows, cols = ([r.start, r.stop] for r in (place.rows, place.cols))
        address = {"site": place.site, "layer": place.layer, "head": place.head, "measure": place.measure}
        mask = {} if visible is None else {"visible": np.ascontiguousarray(visible)}
        return wire.to_json({**address, "rows": rows, "cols": cols, "weights": weights, **mask})
    assert visible is not None
    if form in (wire.PNG, wire.SVG, wire.PDF):
        top = 1.0 if place.plain else float(np.abs(weights).max(initial=0)) or 1.0
        coded = wire.linear_signed_codes(weights, visible) if place.signed else wire.linear_codes(weights, visible, top)
        title = f"{held.model} · {place.title}"
        if form is wire.PNG:
            facts = {"Title": title, "Description": " ".join(caption(held, place))}
            picture = wire.side_by_side(coded) if coded.ndim == 3 else coded
            return wire.to_png(picture, cell, signed=place.signed, facts=facts)
        drawing = sheet(
            coded,
            queries,
            keys,
            title=title,
            axes=(place.queries, place.keys),
            ends=(f"{-top:.3g}" if place.signed else "0", f"{top:.3g}"),
            caption=caption(held, place),
            signed=place.signed,
        )
        return svg(drawing) if form is wire.SVG else pdf(drawing)
    drawn = figures.figure(
        weights,
        visible,
        queries,
        keys,
        title=place.title,
        axes=(place.queries, place.keys),
        origin=(place.rows.start, place.cols.start),
        measure=place.measure,
        signed=place.signed,
    )
    return page(drawn, place.title) if form is wire.HTML else wire.to_json(drawn)


def caption(held: StoredTrace, place: maps.Place) -> list[str]:
    """What a drawing says of itself: its cells, its certificate, and the trace that it is of."""
    certificate = held.trace.certificate
    rows, cols = (f"{part.start}:{part.stop}" for part in (place.rows, place.cols))
    error = certificate.max_error
    proof = "the model's own weights" if error is None else f"exact to {error:.0e}"
    return [
        f"{place.measure}, linear scale; queries {rows}, keys {cols}.",
        f"Certificate: {proof}, {certificate.kernel}, {certificate.dtype}. Trace {held.id}. Heedmap.",
    ]


@router.get(
    "/maps/{site}/{layer}/{head}",
    summary="A window of a map, exact",
    response_class=Response,
    responses={200: {"content": {**content(wire.MAP_FORMATS), **WINDOW}}, **NOT_MODIFIED},
)
@raises(NotFound, TraceError, InputError, NotAcceptable, TooLarge, *WORKING)
async def get_map(
    request: Request,
    id: str,
    site: str,
    layer: Annotated[int, Path(description="From 0; negatives count from the end.")],
    head: Annotated[str, Path(description="From 0, negatives from the end; or mean, max, all.")],
    caller: CallerNow,
    services: ServicesNow,
    rows: Annotated[str | None, Query(description="Queries a:b, half open.")] = None,
    cols: Annotated[str | None, Query(description="Keys a:b, half open.")] = None,
    measure: MeasureName = WEIGHTS,
    format: Annotated[str | None, Query(description=FORMATS)] = None,
    cell: Annotated[int | None, Query(ge=1, le=wire.PNG_CELL, description="png: pixels a side of a cell.")] = None,
    visible: Annotated[bool, Query(description=VISIBLE)] = False,
    accept: Accept = None,
) -> Response:
    """Weights as the kernel has them, or another measure; masked cells are 0, or gaps where there are such."""
    form = wire.negotiate(accept, format, wire.MAP_FORMATS)
    if visible and not (form.mask or form.gaps):
        raise ParameterError(
            f"{form.name} has no place for which cells are visible: take {' or '.join(MASKED)}, or leave it out",
            field="visible",
        )
    beside = visible and not form.gaps
    held = await services.trace(caller, id)
    which = parse_head(head)
    window = maps.parse_range(rows, "rows"), maps.parse_range(cols, "cols")
    place = maps.locate(held.trace, site, layer, which, *window, measure)
    pixels = (cell or 1) ** 2 if form is wire.PNG else 1
    masked = len(place.rows) * len(place.cols) if beside else 0
    wire.check_size(place.cells * pixels, form, services.settings.response_bytes, ADVICE, masked)

    small = form in (wire.JSON, wire.NPY) and place.cells <= SMALL

    async def body() -> bytes:
        if small:
            return await services.reading.run(
                lambda: encoded(form, held, place, maps.weights(held.trace, place), mask(), cell)
            )
        weights = np.concatenate(await services.reading.run_turns(maps.strips(held.trace, place)), axis=-2)
        visible = await services.reading.run(mask)
        return await rendered(encoded, form, held, place, weights, visible, cell)

    def mask() -> NDArray[np.bool_] | None:
        return maps.visible(held.trace, place) if form.gaps or beside else None

    what = ("map", place, cell, beside)
    policy = page_policy() if form is wire.HTML else POLICY if form is wire.SVG else ""
    headers = {"Content-Security-Policy": policy} if policy else {}
    return await cached(request, caller, held, what, form.media_type + CHARSET.get(form, ""), body, headers)


@router.get(
    "/thumbnails/{site}",
    summary="All heads of a site at a glance",
    response_class=Response,
    responses={200: {"content": content(wire.THUMBNAIL_FORMATS)}, **NOT_MODIFIED},
)
@raises(NotFound, TraceError, InputError, NotAcceptable, TooLarge, *WORKING)
async def get_thumbnails(
    request: Request,
    id: str,
    site: str,
    caller: CallerNow,
    services: ServicesNow,
    size: Annotated[int, Query(ge=THUMBNAIL_SIZES[0], le=THUMBNAIL_SIZES[1], description="Pixels a side.")] = 64,
    measure: MeasureName = WEIGHTS,
    format: Annotated[str | None, Query(description="raw, npy or png.")] = None,
    accept: Accept = None,
) -> Response:
    """Layers x heads x size x size, named in X-Tile-Shape; each pixel is the largest value of the cells under it.

    raw: a byte a pixel, row-major, in the code of tiles, which X-Tile-Encoding names: u8log, or s8log of what has a
    sign or may be over 1. npy: float32. png: a picture of size x size a head, a line per layer and a column per head,
    coloured by that code.
    """
    form = wire.negotiate(accept, format, wire.THUMBNAIL_FORMATS)
    held = await services.trace(caller, id)
    maps.defined_throughout(held.trace, site, measure)
    place = maps.locate(held.trace, site, 0, "all", name=measure)
    encoding = cell_measure(measure).encoding
    shape = (len(held.trace.layers[site]), place.heads, size, size)
    wire.check_size(int(np.prod(shape)), form, services.settings.response_bytes, "ask for a smaller size")

    async def body() -> bytes:
        if form is not wire.NPY:
            codes = await services.tiles.thumbnails(caller.owner, held, site, size, measure)
            if codes is not None:
                return await rendered(picture, codes)
        turns = await services.reading.run_turns(maps.thumbnails(held.trace, site, size, measure))
        return await rendered(drawn, [pair for pair in turns if pair is not None])

    def drawn(pictures: list[maps.Picture]) -> bytes:
        weights = np.stack([weights for weights, _ in pictures]).reshape(shape)
        visible = np.stack([visible for _, visible in pictures]).reshape(shape)
        encode = wire.to_codes if encoding == "u8log" else wire.to_signed_codes
        return wire.to_npy(weights) if form is wire.NPY else picture(encode(weights, visible))

    def picture(codes: NDArray[np.uint8]) -> bytes:
        if form is wire.RAW:
            return codes.tobytes()
        grid = codes.transpose(0, 2, 1, 3).reshape(shape[0] * size, shape[1] * size)
        return wire.to_png(grid, 1, signed=encoding == "s8log")

    headers = {"X-Tile-Shape": ",".join(str(length) for length in shape), "X-Tile-Encoding": encoding}
    return await cached(request, caller, held, ("thumbnails", site, size, measure), form.media_type, body, headers)
