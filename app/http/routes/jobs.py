"""Jobs: posted, looked at, watched while they run, and cancelled."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from heedmap.app.errors import WORKING, ModelUnavailable, NotFound, QuotaExceeded, StorageFull, raises
from heedmap.app.http.access.quota import check_quota
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.event_stream import begin
from heedmap.app.http.job_answers import JobAnswer, JobList
from heedmap.app.http.services import Services, services
from heedmap.app.render.wire import to_json
from heedmap.app.requests.bodies import parsed
from heedmap.app.service.jobs.job import Job
from heedmap.app.service.jobs.kind import AnyJob
from heedmap.app.service.jobs.registry import KINDS, kind_of
from heedmap.app.service.stream import event
from heedmap.model.errors import InputError

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
CallerNow = Annotated[Caller, Depends(admitted)]
ServicesNow = Annotated[Services, Depends(services)]
LONGEST_WAIT = 30.0  # seconds that a look at a job may wait for its end: under what proxies allow
FRESH = {"Cache-Control": "no-store"}  # a job changes
SCHEMA = {
    "type": "object",
    "description": "An event: `progress`, the job without a result, or `end`, the job with all that came of it.",
    "properties": {"event": {"enum": ["progress", "end", "error"]}, "data": {"type": "string"}},
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [{"$ref": f"#/components/schemas/{kind.request.__name__}"} for kind in KINDS.values()],
                    "discriminator": {
                        "propertyName": "kind",
                        "mapping": {
                            name: f"#/components/schemas/{kind.request.__name__}" for name, kind in KINDS.items()
                        },
                    },
                }
            }
        },
    }
}


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A job's JSON, which nobody keeps."""
    return Response(to_json(content), status, {**FRESH, **(headers or {})}, "application/json")


@router.post("", status_code=202, summary="Post a job", response_model=JobAnswer, openapi_extra=BODY)
@raises(NotFound, InputError, ModelUnavailable, QuotaExceeded, StorageFull, *WORKING)
async def create_job(
    request: Request,
    caller: CallerNow,
    body: Annotated[AnyJob, Depends(parsed(AnyJob, forms=False))],
    services: ServicesNow,
) -> Response:
    """For what takes longer than a request: it is accepted, waits for its turn, and its result is kept like a trace.

    `kind` says what to do, and the rest is that kind's; GET /v1/jobs lists the kinds and what each takes.
    """
    kind = kind_of(body.kind)
    asked = kind.request.model_validate(body.model_dump())
    await check_quota(caller, services.store.folder)
    job = await services.jobs.submit(caller.owner, kind, asked)
    place = f"{request.scope.get('root_path', '')}/v1/jobs/{job.id}"
    return answer(job.brief(), 202, {"Location": place})


@router.get("", summary="The caller's jobs, and the kinds there are", response_model=JobList)
async def list_jobs(caller: CallerNow, services: ServicesNow) -> Response:
    """The newest first, without their results."""
    jobs = await services.jobs.of_owner(caller.owner)
    return answer({"jobs": [job.brief() for job in jobs], "kinds": [kind.describe() for kind in KINDS.values()]})


@router.get("/{id}", summary="A job, and its result when it is done", response_model=JobAnswer)
@raises(NotFound, InputError)
async def get_job(
    request: Request,
    id: str,
    caller: CallerNow,
    services: ServicesNow,
    wait: Annotated[
        float,
        Query(ge=0, le=LONGEST_WAIT, allow_inf_nan=False, description="Seconds to wait for its end at most."),
    ] = 0.0,
) -> Response:
    """Its state and progress; where it has failed, or was cancelled by the service, also the problem."""
    job = await services.jobs.get(caller.owner, id)
    if wait and not job.ended:
        job = await while_waiting(request, ended(services, caller, id, wait))
    return answer(job.to_json())


@router.get(
    "/{id}/events",
    summary="A job while it runs",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": SCHEMA}}}},
)
@raises(NotFound)
async def get_events(request: Request, id: str, caller: CallerNow, services: ServicesNow) -> Response:
    """Server-sent events: `progress` at once and whenever it goes on, and `end` with the result or the problem."""
    return await begin(request, events(services, caller, id))


@router.delete("/{id}", status_code=204, summary="Cancel and forget a job", response_class=Response)
@raises(NotFound)
async def delete_job(id: str, caller: CallerNow, services: ServicesNow) -> Response:
    """One that runs is stopped within a step; its result is deleted."""
    await services.jobs.delete(caller.owner, id)
    return Response(status_code=204)


async def ended(services: Services, caller: Caller, id: str, seconds: float) -> Job:
    """A job once it is over, or as it is after so many seconds."""
    async with aclosing(services.jobs.watch(caller.owner, id)) as states:
        try:
            async with asyncio.timeout(seconds):
                async for job in states:  # noqa: B007  # the last of them
                    pass
        except TimeoutError:
            pass
    return job


async def events(services: Services, caller: Caller, id: str) -> AsyncGenerator[bytes, None]:
    """The events of a job until it is over."""
    async with aclosing(services.jobs.watch(caller.owner, id)) as states:
        async for job in states:
            yield event("end", job.to_json()) if job.ended else event("progress", job.brief())
