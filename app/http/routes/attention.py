"""The bare operator on arrays of one's own."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from heedmap.app.errors import WORKING, NotFinite, TooLarge, raises
from heedmap.app.http.answers import OperatorAnswer
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.rendering import rendered
from heedmap.app.http.services import Services, services
from heedmap.app.render.wire import JSON, check_size, to_json
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.app.requests.schemas import AttentionRequest
from heedmap.app.service import operator
from heedmap.app.service.operator_inputs import OperatorInputs, read
from heedmap.app.settings import BODY_VALUES
from heedmap.model.errors import InputError

router = APIRouter(prefix="/v1/attention", tags=["attention"])


@router.post(
    "",
    summary="Attention over your own arrays",
    response_model=OperatorAnswer,
    openapi_extra=request_body(AttentionRequest, forms=False),
)
@raises(InputError, NotFinite, TooLarge, *WORKING)
async def attention(
    request: Request,
    caller: Annotated[Caller, Depends(admitted)],
    body: Annotated[AttentionRequest, Depends(parsed(AttentionRequest, forms=False, values=BODY_VALUES))],
    services: Annotated[Services, Depends(services)],
) -> Response:
    """Output, weights and log-sum-exp of queries, keys and values, each (length, width) or (batch, length, width).

    With `heads`, widths are split evenly and weights gain an axis of heads; `kv_heads` lets several heads share keys
    and values. Matrices act on whole widths, before the split; the additive vector belongs to one head.
    """
    problem = await run_in_threadpool(read, body)
    advice = "set return_weights to false, or send fewer queries at once"
    check_size(problem.numbers, JSON, services.settings.response_bytes, advice)
    answer = await while_waiting(request, computed(services, problem))
    return Response(await rendered(to_json, answer), media_type="application/json")


async def computed(services: Services, problem: OperatorInputs) -> dict[str, Any]:
    """The answer: of a short problem among the readers, of a long one among what takes long, a strip at a time."""
    if problem.short:
        return await services.reading.run_stoppable(lambda stop: operator.compute(problem, stop), kind="operator")
    computation = operator.Computation(problem)
    await services.tracing.run_turns(computation.turns())
    return computation.answer()
