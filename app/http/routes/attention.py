"""The bare operator on arrays of one's own."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.services import Services, services
from heedmap.app.render.wire import JSON, check_size, to_json
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.app.requests.schemas import AttentionRequest
from heedmap.app.service import operator

router = APIRouter(prefix="/v1/attention", tags=["attention"])


@router.post("", summary="Attention over your own arrays", openapi_extra=request_body(AttentionRequest, forms=False))
async def attention(
    request: Request,
    caller: Annotated[Caller, Depends(admitted)],
    body: Annotated[AttentionRequest, Depends(parsed(AttentionRequest, forms=False))],
    services: Annotated[Services, Depends(services)],
) -> Response:
    """Output, weights and log-sum-exp of queries, keys and values, each (length, width) or (batch, length, width).

    With `heads`, widths are split evenly and weights gain an axis of heads; `kv_heads` lets several heads share keys
    and values. Matrices act on whole widths, before the split; the additive vector belongs to one head.
    """
    problem = await run_in_threadpool(operator.read, body)
    cells = problem.cells if body.return_weights else 0
    output = problem.q.shape[0] * problem.q.shape[1] * problem.q.shape[2] * problem.v.shape[-1]
    advice = "set return_weights to false, or send fewer queries at once"
    check_size(cells + output, JSON, services.settings.response_bytes, advice)
    products = float(problem.cells * (problem.q.shape[3] + problem.v.shape[3]))
    worker = services.reading if problem.short else services.tracing  # a long one waits among what takes long
    work = worker.run_stoppable(lambda stop: operator.compute(problem), cost=products, kind="operator")
    answer = await while_waiting(request, work)
    return Response(await run_in_threadpool(to_json, answer), media_type="application/json")
