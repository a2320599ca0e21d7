"""Traces: made, shown, handed out whole, and forgotten."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from heedmap.app.errors import (
    WORKING,
    ModelUnavailable,
    NotFound,
    QuotaExceeded,
    RangeNotSatisfiable,
    StorageFull,
    StoreUnavailable,
    raises,
)
from heedmap.app.http.access.quota import check_quota
from heedmap.app.http.answers import TraceSummary
from heedmap.app.http.asked import requests_of
from heedmap.app.http.caching import NOT_MODIFIED, cached, caching, is_current
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.files import send
from heedmap.app.http.rendering import rendered
from heedmap.app.http.services import Services, services
from heedmap.app.render.wire import to_json
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.app.requests.schemas import TraceRequest
from heedmap.app.service import maps
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.app.ticket import ANYONE
from heedmap.model.contract import Request
from heedmap.model.edits import Patch
from heedmap.model.errors import HeedmapError, InputError, ParameterError, TraceError, TraceTooLarge
from heedmap.model.measures.alignment import MOST_CELLS
from heedmap.model.trace.identity import content_id
from heedmap.model.trace.trace import Trace

router = APIRouter(prefix="/v1/traces", tags=["traces"])
CallerNow = Annotated[Caller, Depends(admitted)]
ServicesNow = Annotated[Services, Depends(services)]
Durable = Annotated[
    bool,
    Query(
        description="Wait until the trace's file is whole. On an accelerator a trace is answered when it can be read, "
        "and its file follows within seconds; on the CPU the file comes first."
    ),
]
FILE_TYPE = "application/octet-stream"


async def identify(services: Services, caller: Caller, name: str, request: Request) -> str:
    """The id of the trace of a request: one checkpoint may be served for several tasks and in several dtypes."""
    facts = services.models.facts(name)
    revision = f"{facts['revision']}?task={facts['task']}&dtype={facts['dtype']}"
    return await run_in_threadpool(content_id, revision, request, "" if caller.owner == ANYONE else caller.owner)


async def trace_for(services: Services, caller: Caller, body: TraceRequest) -> StoredTrace:
    """The trace of a body's input.

    Raises:
        InputError: the model cannot use the input. QuotaExceeded: the caller's key keeps no more.
    """
    if isinstance(body.inputs, list):
        raise ParameterError("a trace is of one input; POST /v1/predict takes lists", field="inputs")
    [request] = requests_of(body)
    if patches := {edit.trace: place for place, edit in enumerate(request.edits) if isinstance(edit, Patch)}:
        request = replace(request, donors=await donors(services, caller, patches))
    return await trace_of(services, caller, services.models.name(body.model), request)


async def donors(services: Services, caller: Caller, patches: Mapping[str, int]) -> dict[str, Trace]:
    """The traces that edits patch from, by their ids.

    Args:
        patches: of each id the place of an edit that names it.

    Raises:
        ParameterError: the caller has no such trace.
    """
    found = {}
    for identifier, place in patches.items():
        try:
            found[identifier] = (await services.trace(caller, identifier)).trace
        except NotFound as error:
            raise ParameterError(
                f"there is no trace {identifier!r} to patch from", field=f"edits.{place}.trace"
            ) from error
    return found


async def trace_of(services: Services, caller: Caller, name: str, request: Request) -> StoredTrace:
    """The trace of a request to a model: the one that is kept already, or a new one.

    Raises:
        InputError: the model cannot use the input. QuotaExceeded: the caller's key keeps no more.
    """
    if not services.models.facts(name).get("revision"):
        await services.models.get(name)
    try:
        held = await services.trace(caller, await identify(services, caller, name, request))
        if services.store.remote:
            await services.settle(caller.owner, held.id)
        return held
    except (NotFound, TraceError):
        pass  # there is none yet, or its file is damaged and will be written anew
    await check_quota(caller, services.store.folder)
    _, model = await services.models.get(name)
    identifier = await identify(
        services, caller, name, request
    )  # a model that comes back may have been changed meanwhile

    async def record() -> StoredTrace:
        [trace] = await services.record(name, model, [request])
        if isinstance(trace, HeedmapError):
            raise trace
        return await services.keep(caller.owner, identifier, name, trace, request)

    return await services.traces.join((caller.owner, identifier), record)


@router.post(
    "",
    status_code=201,
    summary="Predict, and keep a trace",
    response_model=TraceSummary,
    openapi_extra=request_body(TraceRequest),
)
@raises(NotFound, InputError, TraceTooLarge, ModelUnavailable, QuotaExceeded, StorageFull, StoreUnavailable, *WORKING)
async def create_trace(
    request: HttpRequest,
    caller: CallerNow,
    body: Annotated[TraceRequest, Depends(parsed(TraceRequest))],
    services: ServicesNow,
    durable: Durable = False,
) -> Response:
    """The summary of the trace. The same input, parameters and model give the same id, and the work is done once."""
    held = await while_waiting(request, trace_for(services, caller, body))
    if durable and not held.durable:
        await services.settle(caller.owner, held.id)
    content = await rendered(lambda: to_json(held.summary()))
    place = f"{request.scope.get('root_path', '')}/v1/traces/{held.id}"
    return Response(content, 201, {"Location": place}, "application/json")


@router.get("/{id}", summary="The summary again", response_model=TraceSummary)
@raises(NotFound, TraceError, *WORKING)
async def get_trace(id: str, caller: CallerNow, services: ServicesNow, durable: Durable = False) -> Response:
    """Prediction, axes, sites, certificate, size, and when it expires."""
    held = await services.trace(caller, id)
    if durable and not held.durable:
        await services.settle(caller.owner, held.id)
    return Response(await rendered(lambda: to_json(held.summary())), media_type="application/json")


@router.get(
    "/{id}/file",
    summary="The trace's safetensors file",
    response_class=Response,
    responses={
        200: {"content": {FILE_TYPE: {}}},
        206: {"description": "The bytes that Range asks for.", "content": {FILE_TYPE: {}}},
        **NOT_MODIFIED,
    },
)
@raises(NotFound, TraceError, RangeNotSatisfiable, *WORKING)
async def get_file(request: HttpRequest, id: str, caller: CallerNow, services: ServicesNow) -> Response:
    """Opens offline: `Trace.load`, or any safetensors reader. Range gives a part of it."""
    held = await services.trace(caller, id)
    headers = caching(caller, held, ("file",), FILE_TYPE)
    if is_current(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    await services.settle(caller.owner, id)
    file = await run_in_threadpool(services.store.opened, caller.owner, id)
    headers["Content-Disposition"] = f'attachment; filename="{id}.safetensors"'
    return send(request, file, headers, FILE_TYPE)


@router.delete("/{id}", status_code=204, summary="Forget a trace", response_class=Response)
@raises(NotFound, StoreUnavailable)
async def delete_trace(id: str, caller: CallerNow, services: ServicesNow) -> Response:
    """The file is deleted."""
    await services.delete(caller.owner, id)
    return Response(status_code=204)


STATISTICS = {
    "entropy": "Of a row, in nats: 0 for one key, the logarithm of K for all alike.",
    "distance": "Tokens between the query and the keys it looks at.",
    "sink": "The weight on key 0, where heads rest.",
    "diagonal": "The weight on the key at the query's own place.",
    "max": "The largest weight of a row.",
}
BY_TOKEN = {
    "previous": "The weight on the token before the query's own.",
    "duplicate": "The weight on other places where the query's own token stands.",
    "induction": "The weight on what followed the query's own token elsewhere.",
}
OF_VALUES = {
    "copying": "Whether it makes the tokens that it looks at likelier (1) or less likely (-1). null where the output "
    "projection or the output embedding is not known.",
    "mixing": "How much of a token behind the attention block comes from other tokens (1) and how much is its own (0); "
    "the layer's, the same for its heads. null where no layer normalisation follows directly on the residual.",
}
PLACE = {
    "site": {"type": "string"},
    "layer": {"type": "integer", "minimum": 0},
    "head": {"type": "integer", "minimum": 0},
}
NULL = " null where no query sees such a key, or where keys are not the queries' own tokens."
HEADS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["heads", "best"],
    "properties": {
        "heads": {
            "type": "array",
            "description": "A row per head of every site; of long maps, means over a sample of their rows.",
            "items": {
                "type": "object",
                "required": [*PLACE, *STATISTICS, *BY_TOKEN, *OF_VALUES],
                "properties": PLACE
                | {name: {"type": "number", "description": text} for name, text in STATISTICS.items()}
                | {name: {"type": ["number", "null"], "description": text + NULL} for name, text in BY_TOKEN.items()}
                | {name: {"type": ["number", "null"], "description": text} for name, text in OF_VALUES.items()},
            },
        },
        "best": {
            "type": "object",
            "description": "By site, the head to look at first. Of `cross` the one that was taught to align, with the "
            "row of a token to read it in: `output` writes it, `input` reads it next. Else the one that aligns best: "
            "sharp, covering "
            "the source, in reading order, on tokens that are not special. Of another site the one of the last layer "
            "that looks most sharply at neither key 0 nor the query itself. null where the maps of a site have more "
            f"than {MOST_CELLS:,} cells in all.",
            "additionalProperties": {
                "type": ["object", "null"],
                "required": ["layer", "head"],
                "properties": {name: PLACE[name] for name in ("layer", "head")}
                | {"reading": {"enum": ["output", "input"]}},
            },
        },
    },
}


@router.get(
    "/{id}/heads",
    summary="What kind of head each is, and which to look at first",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": HEADS_SCHEMA}}}, **NOT_MODIFIED},
)
@raises(NotFound, TraceError, *WORKING)
async def get_heads(request: HttpRequest, id: str, caller: CallerNow, services: ServicesNow) -> Response:
    """`heads`: a row per head, means over its queries. `best`: by site, the layer and head that show most, or null."""
    held = await services.trace(caller, id)

    async def body() -> bytes:
        if held.heads is None:
            layers = await services.reading.run_turns(maps.heads(held.trace))
            rows = [row for rows in layers for row in rows]
            turns = await services.reading.run_turns(maps.best_heads(held.trace, rows))
            held.heads = {"heads": rows, "best": dict(turn for turn in turns if turn is not None)}
        return await rendered(to_json, held.heads)

    return await cached(request, caller, held, ("heads",), "application/json", body)
