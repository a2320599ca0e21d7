"""What else could stand at the places of a trace's output: the likeliest tokens, by one teacher-forced pass."""

import builtins
import re
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from heedmap.app.errors import WORKING, ModelChanged, ModelUnavailable, NotFound, TooLarge, raises
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.likeliest_answers import PlaceAnswer, PlacesAnswer
from heedmap.app.http.rendering import rendered
from heedmap.app.http.routes.effects import origin_of
from heedmap.app.http.services import Services, services
from heedmap.app.render.wire import to_json
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.app.requests.likeliest import LikeliestRequest
from heedmap.app.service.finite import require
from heedmap.model.contract import Foretelling
from heedmap.model.errors import InputError, ParameterError, RangeError, TraceError
from heedmap.model.likeliest import Place
from heedmap.model.watch import Stop

router = APIRouter(prefix="/v1/traces/{id}/likeliest", tags=["traces"])
ADDRESS = re.compile(r"/v1/traces/[^/]+/likeliest/?")
MOST_PLACES = 4096  # of an output: the logits of so many at a large vocabulary are a gigabyte


async def answer(services: Services, caller: Caller, id: str, body: LikeliestRequest) -> dict[str, Any]:
    """The answer to a body.

    Raises:
        RangeError: the output has no such place. ParameterError: the model writes no tokens.
    """
    held = await services.trace(caller, id)
    prediction = held.trace.prediction
    count = len(prediction.tokens)
    if not count:
        raise ParameterError("this trace's answer has no tokens: no others could stand in their places")
    if body.position is not None and body.position >= count:
        raise RangeError(
            f"place {body.position} does not exist: the output has {count}, 0 to {count - 1}", field="position"
        )
    if count > MOST_PLACES:
        raise TooLarge(f"the output has {count:,} tokens, at most {MOST_PLACES:,} are looked at in one pass")
    origin = await origin_of(services, caller, held, body, {}, field=None)
    model = origin.model
    if not isinstance(model, Foretelling):
        raise ParameterError("this model tells no other tokens than those that it wrote")

    def work(items: Sequence[None], stop: Stop) -> list[list[Place]]:
        return [list(model.likeliest(origin.request, prediction, body.count, stop))]

    cost = float(max(len(axis) for axis in held.trace.axes.values()))
    exclusive = None if getattr(model, "reentrant", False) else builtins.id(model)
    key, kind = ("likeliest", object()), (origin.name, "likeliest")
    places: list[Place]
    [places] = await services.tracing.run_batch(key, [None], work, cost=cost, kind=kind, exclusive=exclusive)
    require([place.written.log_probability for place in places], "log-probabilities")
    if body.position is None:
        return {"places": [place.to_json() for place in places]}
    return places[body.position].to_json()


@router.post(
    "",
    summary="The likeliest tokens at places of the output",
    response_model=PlaceAnswer | PlacesAnswer,
    openapi_extra=request_body(LikeliestRequest, forms=False),
)
@raises(NotFound, ModelChanged, TraceError, InputError, TooLarge, ModelUnavailable, *WORKING)
async def find_likeliest(
    request: HttpRequest,
    id: str,
    caller: Annotated[Caller, Depends(admitted)],
    body: Annotated[LikeliestRequest, Depends(parsed(LikeliestRequest, forms=False))],
    services: Annotated[Services, Depends(services)],
) -> Response:
    """What the model could have gone on with at a place of the output, given all that comes before it.

    `written` is the token that stands there, with its log-probability: their sum is the output's score. To go on with
    another, ask for a trace with `parameters.prefix`, the ids before the place and the other's.
    """
    content = await while_waiting(request, answer(services, caller, id, body))
    return Response(await rendered(to_json, content), media_type="application/json")
