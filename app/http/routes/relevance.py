"""Measures of traces: from output positions to input positions, through all layers of a site."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from heedmap.app.errors import WORKING, NotAcceptable, NotFound, TooLarge, raises
from heedmap.app.http.caching import NOT_MODIFIED, cached
from heedmap.app.http.callers import Caller, admitted
from heedmap.app.http.measure_answers import RelevanceAnswer
from heedmap.app.http.rendering import rendered
from heedmap.app.http.routes.maps import Accept, content
from heedmap.app.http.services import Services, services
from heedmap.app.render import wire
from heedmap.app.service import maps, relevance
from heedmap.model.attention.maps import span
from heedmap.model.errors import InputError, ParameterError, TraceError
from heedmap.model.measures.registry import defined_at

router = APIRouter(prefix="/v1/traces/{id}/relevance", tags=["maps"])
FORMATS = (wire.JSON, wire.NPY)
ANSWER = {wire.JSON.media_type: {"schema": {"$ref": f"#/components/schemas/{RelevanceAnswer.__name__}"}}}


@router.get(
    "/{site}",
    summary="Rows of a measure through all layers",
    response_class=Response,
    responses={200: {"content": {**content(FORMATS), **ANSWER}}, **NOT_MODIFIED},
)
@raises(NotFound, TraceError, InputError, NotAcceptable, TooLarge, *WORKING)
async def get_relevance(
    request: Request,
    id: str,
    site: str,
    caller: Annotated[Caller, Depends(admitted)],
    services: Annotated[Services, Depends(services)],
    measure: Annotated[str, Query(description="rollout, flow or relevance.")] = "rollout",
    rows: Annotated[str | None, Query(description="Queries a:b, half open.")] = None,
    format: Annotated[str | None, Query(description="json or npy.")] = None,
    accept: Accept = None,
) -> Response:
    """How much of each key of the first layer reaches these queries of the last, as the measure has it.

    The time is that of all maps of the site, whatever the number of rows; of relevance at cross, of all sites.
    """
    form = wire.negotiate(accept, format, FORMATS)
    held = await services.trace(caller, id)
    chosen = defined_at(measure, held.trace, site)
    queries, keys = held.trace.map(site, -1).shape
    part = span(maps.parse_range(rows, "rows"), queries, "rows")
    if len(part) > relevance.MOST_ROWS:
        raise ParameterError(
            f"at most {relevance.MOST_ROWS} rows are carried through the layers at once, and these are {len(part):,}: "
            f"ask for rows={part.start}:{part.start + relevance.MOST_ROWS} and so on",
            field="rows",
        )
    advice = "ask for fewer rows with ?rows=a:b, or for application/x-npy"
    wire.check_size(len(part) * keys, form, services.settings.response_bytes, advice)

    async def body() -> bytes:
        *_, values = await services.reading.run_turns(relevance.rows(held.trace, chosen, site, part))
        assert values is not None
        return await rendered(encoded, values)

    def encoded(values: NDArray[np.float32]) -> bytes:
        if form is wire.NPY:
            return wire.to_npy(values)
        place: dict[str, Any] = {"site": site, "measure": measure, "rows": [part.start, part.stop], "cols": [0, keys]}
        return wire.to_json({**place, "values": values})

    what = ("relevance", site, measure, part.start, part.stop)
    return await cached(request, caller, held, what, form.media_type, body)
