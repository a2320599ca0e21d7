"""Effects of edits on a trace's objective: estimated from its gradients, and measured by passes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from heedmap.app.errors import WORKING, ModelChanged, ModelUnavailable, NotFound, TooLarge, raises
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.effect_answers import EffectsAnswer
from heedmap.app.http.rendering import rendered
from heedmap.app.http.routes.traces import donors, identify
from heedmap.app.http.services import Services, services
from heedmap.app.problems import problem
from heedmap.app.render.wire import to_json
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.app.requests.effects import EffectsRequest
from heedmap.app.requests.likeliest import LikeliestRequest
from heedmap.app.service import effects
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.model.contract import AnyEdit, Request, Served
from heedmap.model.edits import Patch
from heedmap.model.errors import HeedmapError, InputError, ParameterError, TraceError
from heedmap.model.measures import edge_effects
from heedmap.model.measures.correlation import correlation
from heedmap.model.measures.effects import Estimate
from heedmap.model.trace.request import request_from_json
from heedmap.model.trace.trace import Trace

router = APIRouter(prefix="/v1/traces/{id}/effects", tags=["traces"])
ADDRESS = re.compile(r"/v1/traces/[^/]+/effects/?")
AGAIN = "POST /v1/traces its input again, and ask the trace that comes of it"


@dataclass(frozen=True, eq=False)
class Origin:
    """The model that made a trace, by its name, and what it was asked."""

    name: str
    model: Served[Trace]
    request: Request


async def origin_of(
    services: Services,
    caller: Caller,
    held: StoredTrace,
    body: EffectsRequest | LikeliestRequest,
    given: Mapping[str, Trace],
    field: str | None = "measured",
) -> Origin:
    """What it takes to make a trace's pass again.

    Args:
        given: the traces that the request's edits patch from.
        field: what of the body asks for a pass; None where all of it does.

    Raises:
        ModelChanged: the model is not what it was, or the input is another. ParameterError: the input is not known.
    """
    asked = held.trace.request
    if asked is None:
        raise ParameterError(f"this trace does not say what it was asked by: DELETE it, and {AGAIN}", field=field)
    if "inputs" not in asked and body.inputs is None:
        raise ParameterError(
            "this trace's input holds a file, and traces keep none: send the same input once more", field="inputs"
        )
    try:
        name, model = await services.models.get(held.model)
    except NotFound:
        instead = "" if field is None else f": leave {field} and predict out, and take the estimates"
        raise ModelChanged(
            f"the model {held.model}, which made this trace, is not served here any more{instead}", field=field
        ) from None
    request = request_from_json(asked, body.inputs)
    if await identify(services, caller, name, request) != held.id:
        wrong = "or this is another input than its own" if body.inputs is not None else "in revision, task or dtype"
        raise ModelChanged(f"the model {held.model} is not the one that made this trace, {wrong}: {AGAIN}", field=field)
    if patches := {edit.trace: place for place, edit in enumerate(request.edits) if isinstance(edit, Patch)}:
        given = {**await donors(services, caller, patches), **given}
    return Origin(name, model, replace(request, donors=given))


async def answer(services: Services, caller: Caller, id: str, body: EffectsRequest) -> dict[str, Any]:
    """The effects of the edits of a body."""
    held = await services.trace(caller, id)
    trace = held.trace
    edge_effects.check_objective(trace)
    effects.check_objective(trace, body.objective)
    assert trace.objective is not None
    edits: Sequence[AnyEdit] = () if isinstance(body.edits, str) else body.edits
    patches = {edit.trace: place for place, edit in enumerate(edits) if isinstance(edit, Patch)}
    given = await donors(services, caller, patches) if patches else {}
    needed = body.measured or body.predict
    origin = await origin_of(services, caller, held, body, given) if needed else None
    content: dict[str, Any] = {
        "trace": held.id,
        "model": held.model,
        "objective": dict(trace.objective),
        "edits": body.edits if isinstance(body.edits, str) else "listed",
    }
    values: list[float] | None = None
    if body.edits == "heads":
        *_, estimated = await services.reading.run_turns(effects.heads(trace, body.how, body.site))
        assert estimated is not None
        values = await measured(services, origin, trace, estimated.edits(), body)
        real = None if values is None else estimated.like(effects.effects_of(values))
        content |= effects.head_answer(estimated, real)
    else:
        edits, guesses = await estimated_edits(services, trace, body, given)
        values = await measured(services, origin, trace, edits, body)
        real_effects: list[Any] = [None] * len(edits) if values is None else effects.effects_of(values).tolist()
        rows = [
            {"edit": edit.to_json(), "estimated": guess.effect, "reason": guess.reason, "measured": real}
            for edit, guess, real in zip(edits, guesses, real_effects, strict=True)
        ]
        if body.predict:
            assert origin is not None
            for row, prediction in zip(rows, await predictions(services, origin, edits), strict=True):
                row["prediction"] = prediction
        both = None
        if values is not None:
            both = correlation([float("nan") if g.effect is None else g.effect for g in guesses], real_effects)
        content |= {"effects": rows, "correlation": both}
    content["value"] = {"trace": trace.objective["value"], "measured": None if values is None else values[0]}
    return content


async def estimated_edits(
    services: Services, trace: Trace, body: EffectsRequest, given: Mapping[str, Trace]
) -> tuple[Sequence[AnyEdit], list[Estimate]]:
    """The edits that are listed, or the cuts that do most, with their estimates."""
    if isinstance(body.edits, str):
        assert body.site is not None
        *_, edges = await services.reading.run_turns(effects.edges(trace, body.site, body.top, body.mass))
        assert edges is not None
        return [edge.edit(body.mass) for edge in edges], [Estimate(edge.effect) for edge in edges]
    parts = await services.reading.run_turns(effects.listed(trace, body.edits, given))
    return body.edits, [part for part in parts if part is not None]


async def measured(
    services: Services, origin: Origin | None, trace: Trace, edits: Sequence[AnyEdit], body: EffectsRequest
) -> list[float] | None:
    """The objective's value as it is, then under each edit; None where that was not asked for."""
    if not body.measured or origin is None:
        return None
    model = effects.check_measured(origin.model, trace, len(edits))
    return await services.measure(origin.name, model, origin.request, trace, edits)


async def predictions(services: Services, origin: Origin, edits: Sequence[AnyEdit]) -> list[dict[str, Any]]:
    """What the model answers under each edit, or the problem with that."""
    request = origin.request
    requests = [replace(request, objective=None, edits=(*request.edits, edit)) for edit in edits]
    outcomes = await services.predict(origin.name, origin.model, requests)
    return [
        {"error": problem(outcome)} if isinstance(outcome, HeedmapError) else outcome.to_json() for outcome in outcomes
    ]


@router.post(
    "",
    summary="What edits would do to the objective",
    response_model=EffectsAnswer,
    openapi_extra=request_body(EffectsRequest, forms=False),
)
@raises(NotFound, ModelChanged, TraceError, InputError, TooLarge, ModelUnavailable, *WORKING)
async def create_effects(
    request: HttpRequest,
    id: str,
    caller: Annotated[Caller, Depends(admitted)],
    body: Annotated[EffectsRequest, Depends(parsed(EffectsRequest, forms=False))],
    services: Annotated[Services, Depends(services)],
) -> Response:
    """Every head silenced, the cuts that do most, or edits of a list: the objective with each minus without.

    The trace needs an objective. Estimates are read from its gradients, of all heads in no time; `measured` makes the
    pass with each edit, many in a batch, over the output as it was, and says how well the two go together.
    """
    content = await while_waiting(request, answer(services, caller, id, body))
    return Response(await rendered(to_json, content), media_type="application/json")
