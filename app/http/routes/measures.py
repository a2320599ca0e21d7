"""The measures that there are, as they declare themselves."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from heedmap.app.errors import NotFound, raises
from heedmap.app.http.callers import Caller, admitted
from heedmap.app.http.measure_answers import MeasureList
from heedmap.app.http.services import Services, services
from heedmap.app.render.wire import to_json
from heedmap.model.errors import TraceError
from heedmap.model.measures.registry import MEASURES, sites

router = APIRouter(prefix="/v1/measures", tags=["models"])


@router.get("", summary="All measures", response_model=MeasureList)
@raises(NotFound, TraceError)
async def list_measures(
    caller: Annotated[Caller, Depends(admitted)],
    services: Annotated[Services, Depends(services)],
    trace: Annotated[
        str | None, Query(max_length=64, description="The id of a trace: also say where in it each is defined.")
    ] = None,
) -> Response:
    """Each with its name, description, formula, source, range, sign, cost, where it is defined, and an example.

    Those of cells are for maps, tiles and thumbnails, those of heads stand in a trace's heads, those of traces follow
    all layers of a site; those of tokens take passes of their own, in a job of faithfulness.
    """
    body: list[dict[str, Any]] = [each.describe() for each in MEASURES.values()]
    if trace is not None:
        held = await services.trace(caller, trace)
        there = await services.reading.run(lambda: sites(held.trace))
        body = [measure | ({"sites": there[measure["name"]]} if measure["name"] in there else {}) for measure in body]
    return Response(to_json({"measures": body}), media_type="application/json")
