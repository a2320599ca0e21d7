"""Two traces compared: what their maps have in common, and where they differ."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from heedmap.app.errors import WORKING, NotFound, TooLarge, raises
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.measure_answers import ComparisonAnswer
from heedmap.app.http.rendering import rendered
from heedmap.app.http.services import Services, services
from heedmap.app.render.wire import JSON, check_size, to_json
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.app.requests.comparison import CompareRequest
from heedmap.app.service import comparison
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.model.attention.tiles import size_at
from heedmap.model.errors import InputError, TraceError

router = APIRouter(prefix="/v1/compare", tags=["maps"])


async def held_trace(services: Services, caller: Caller, body: CompareRequest, index: int) -> StoredTrace:
    """One of the traces of a request.

    Raises:
        NotFound: the caller has no such trace; the field says which.
    """
    try:
        return await services.trace(caller, body.traces[index])
    except NotFound as error:
        raise NotFound(error.detail, field=f"traces.{index}") from None


async def answer(services: Services, caller: Caller, body: CompareRequest) -> dict[str, Any]:
    """The comparison of two traces."""
    held = [await held_trace(services, caller, body, index) for index in range(2)]
    made = await services.reading.run(lambda: comparison.compared(held[0].trace, held[1].trace, body))
    named = body.layer is not None and body.head is not None
    if named:
        rows, cols = comparison.window(made, body)
        blocks = size_at(len(rows), body.level) * size_at(len(cols), body.level)
        check_size(blocks, JSON, services.settings.response_bytes, "ask for fewer rows or cols, or a higher level")
    turns = await services.reading.run_turns(comparison.ranked(made, body.top))
    heads = [turn for turn in turns if turn is not None]
    content: dict[str, Any] = {
        "traces": body.traces,
        "site": body.site,
        "queries": {"axes": [names[0] for names in made.names], **made.queries.to_json()},
        "keys": {"axes": [names[1] for names in made.names], **made.keys.to_json()},
        "rows_compared": heads[0]["compared"],
        "heads": sorted(
            ({name: value for name, value in head.items() if name != "compared"} for head in heads),
            key=lambda head: -head["divergence"],
        ),
    }
    if named:
        strips = await services.reading.run_turns(comparison.difference(made, rows, cols, body.level, body.how))
        content["difference"] = {
            "rows": [rows.start, rows.stop],
            "cols": [cols.start, cols.stop],
            "level": body.level,
            "how": body.how,
            "values": np.concatenate(strips),
        }
    return content


@router.post(
    "",
    summary="Compare two traces",
    response_model=ComparisonAnswer,
    openapi_extra=request_body(CompareRequest, forms=False),
)
@raises(NotFound, TraceError, InputError, TooLarge, *WORKING)
async def compare(
    request: Request,
    caller: Annotated[Caller, Depends(admitted)],
    body: Annotated[CompareRequest, Depends(parsed(CompareRequest, forms=False))],
    services: Annotated[Services, Depends(services)],
) -> Response:
    """Of other inputs, checkpoints or dtypes, or of one trace its layers and heads; axes are matched token by token.

    `heads`: ranked by the Jensen-Shannon divergence of their rows, to which a key that one alone has adds. With a
    layer and a head also `difference`: the second map less the first, on any window of the first, at any level.
    """
    content = await while_waiting(request, answer(services, caller, body))
    return Response(await rendered(to_json, content), media_type="application/json")
