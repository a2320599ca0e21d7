"""The measures that there are, as they declare themselves."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from heedmap.app.http.callers import admitted
from heedmap.app.http.measure_answers import MeasureList
from heedmap.app.render.wire import to_json
from heedmap.model.measures.registry import MEASURES

router = APIRouter(prefix="/v1/measures", tags=["models"], dependencies=[Depends(admitted)])


@router.get("", summary="All measures", response_model=MeasureList)
async def list_measures() -> Response:
    """Each with its name, description, formula, source, range, sign, cost, where it is defined, and an example.

    Those of cells are for maps, tiles and thumbnails, those of heads stand in a trace's heads, those of traces follow
    all layers of a site; those of tokens take passes of their own, in a job of faithfulness.
    """
    body = {"measures": [each.describe() for each in MEASURES.values()]}
    return Response(to_json(body), media_type="application/json")
