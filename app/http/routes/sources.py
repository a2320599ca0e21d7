"""Sources: which part of a given context an answer used, checked by removal."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from heedmap.app import ticket
from heedmap.app.errors import WORKING, DeadlineExceeded, ModelUnavailable, NotFound, TooLarge, raises
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.rendering import rendered
from heedmap.app.http.services import Services, services
from heedmap.app.http.source_answers import SourcesAnswer
from heedmap.app.render.wire import to_json
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.app.requests.sources import SourcesRequest
from heedmap.app.service import sources
from heedmap.app.service.jobs.kind import Progress, Steps, Work
from heedmap.app.service.jobs.steps import Result
from heedmap.model.errors import InputError
from heedmap.model.watch import Stop

router = APIRouter(prefix="/v1/sources", tags=["traces"])
SURE = 1.0  # seconds of work after which the rest is foretold
JOB = 'post the same to /v1/jobs with "kind": "sources", or ask for fewer ablations and checks'


async def answer(services: Services, body: SourcesRequest) -> dict[str, Any]:
    """The answer to a body, a step after the other, so that others have their turns between.

    Raises:
        TooLarge: it would not be done in time. InputError: it cannot be done.
    """
    name, model = await services.models.get(body.model)
    facts = services.models.facts(name)
    sources.check(body, facts)
    work = Work(name, model, facts, services.metrics.answered)
    steps, key = sources.steps(body, work), ("sources", object())
    exclusive = None if getattr(model, "reentrant", False) else id(model)
    began = time.monotonic()
    outcome: Progress | Result | None = None

    def advance(items: Sequence[None], stop: Stop) -> list[Progress | Result]:
        return [next_of(steps, work, stop)]

    while True:
        try:
            [outcome] = await services.tracing.run_batch(
                key, [None], advance, kind=("sources", name), exclusive=exclusive, further=outcome is not None
            )
        except DeadlineExceeded as late:
            raise DeadlineExceeded(f"{late.detail}: {JOB}") from None
        if isinstance(outcome, Result):
            return outcome.value
        check_time(outcome, time.monotonic() - began)


def next_of(steps: Steps, work: Work, stop: Stop) -> Progress | Result:
    """One step, which stops when nobody waits for it any more."""
    work.step = stop
    try:
        return next(steps)
    except StopIteration as end:
        return Result(end.value)


def check_time(progress: Progress, seconds: float) -> None:
    """Give up as soon as it is plain that the answer would be late.

    Raises:
        TooLarge: it would.
    """
    held = ticket.current()
    if held is None or seconds < SURE or not progress.done:
        return
    left = seconds / progress.done * (progress.of - progress.done)
    if time.monotonic() + left > held.deadline:
        raise TooLarge(
            f"{progress.of} passes would take about {seconds + left:,.0f} s, longer than a request may: {JOB}",
            field="ablations",
        )


@router.post(
    "",
    summary="Find which part of a context an answer used",
    response_model=SourcesAnswer,
    openapi_extra=request_body(SourcesRequest, forms=False),
)
@raises(NotFound, InputError, TooLarge, ModelUnavailable, *WORKING)
async def find_sources(
    request: HttpRequest,
    caller: Annotated[Caller, Depends(admitted)],
    body: Annotated[SourcesRequest, Depends(parsed(SourcesRequest, forms=False))],
    services: Annotated[Services, Depends(services)],
) -> Response:
    """Scores of each passage or sentence by each method, and the answer's log-probability without the best of them.

    One pass for the trace, and one for each ablation and each check: what takes longer than a request may is a job of
    kind `sources`, with the same fields.
    """
    content = await while_waiting(request, answer(services, body))
    return Response(await rendered(to_json, content), media_type="application/json")
