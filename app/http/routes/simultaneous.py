"""Simultaneous translation: words come in, and the translation commits what it has seen enough for."""

import builtins
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from heedmap.app.errors import WORKING, ModelUnavailable, NotFound, TooLarge, raises
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.rendering import rendered
from heedmap.app.http.services import Services, services
from heedmap.app.http.simultaneous_answers import SimultaneousAnswer
from heedmap.app.render.wire import to_json
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.app.requests.simultaneous import SimultaneousRequest
from heedmap.app.service.cost import cost_of
from heedmap.app.service.finite import require
from heedmap.model.contract import Request, Simultaneous
from heedmap.model.errors import HeedmapError, InputError, ParameterError
from heedmap.model.simultaneous import LiveAnswer, LiveRequest

router = APIRouter(prefix="/v1/simultaneous", tags=["prediction"])


async def answer(services: Services, body: SimultaneousRequest) -> dict[str, Any]:
    """The answer to a body.

    Raises:
        ParameterError: the model does not translate simultaneously. InputError: source or beginning do not fit.
    """
    name, model = await services.models.get(services.models.name(body.model))
    if not isinstance(model, Simultaneous):
        raise ParameterError(
            f"{name} ({model.task}) does not translate simultaneously: name one of our own translation models",
            field="model",
        )
    asked = LiveRequest(body.inputs, body.committed, body.final, body.policy)
    exclusive = None if getattr(model, "reentrant", False) else builtins.id(model)
    cost = cost_of([Request(body.inputs)], model.task)
    key, kind = (name, "simultaneous"), (name, "simultaneous")
    outcome: LiveAnswer | HeedmapError
    [outcome] = await services.engine.run_batch(
        key, [asked], model.simultaneous, cost=cost, kind=kind, exclusive=exclusive
    )
    if isinstance(outcome, HeedmapError):
        raise outcome
    require([decision.weight for decision in outcome.decisions if decision.weight is not None], "weights")
    return {"model": name, "policy": body.policy.model_dump(), **outcome.to_json()}


@router.post(
    "",
    summary="Translate while the source comes in",
    response_model=SimultaneousAnswer,
    openapi_extra=request_body(SimultaneousRequest, forms=False),
)
@raises(NotFound, InputError, TooLarge, ModelUnavailable, *WORKING)
async def translate_simultaneously(
    request: HttpRequest,
    caller: Annotated[Caller, Depends(admitted)],
    body: Annotated[SimultaneousRequest, Depends(parsed(SimultaneousRequest, forms=False))],
    services: Annotated[Services, Depends(services)],
) -> Response:
    """The words so far to what can be committed of their translation, and why no more.

    The service keeps nothing between two requests: give back what is committed. It stays as it is, word for word.
    """
    content = await while_waiting(request, answer(services, body))
    return Response(await rendered(to_json, content), media_type="application/json")
