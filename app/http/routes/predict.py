"""Predictions, with maps in the same answer where they are asked for."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

import numpy as np
import structlog
from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from heedmap.app.errors import WORKING, ModelUnavailable, NotFound, TooLarge, raises
from heedmap.app.http.access.quota import check_quota
from heedmap.app.http.answers import PredictionAnswer, PredictionList
from heedmap.app.http.asked import requests_of
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.event_stream import SCHEMA, begin
from heedmap.app.http.rendering import rendered
from heedmap.app.http.routes.traces import identify
from heedmap.app.http.services import Services, services
from heedmap.app.problems import brief, problem
from heedmap.app.render.wire import JSON, Format, check_size, to_json
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.app.requests.schemas import MapWanted, PredictRequest
from heedmap.app.service import maps
from heedmap.app.service.pixels import check_pixels, pictures
from heedmap.app.service.stream import Feed, event
from heedmap.model.contract import Prediction, Request, Unanswered
from heedmap.model.errors import HeedmapError, InputError, ModelFailure, ParameterError, RangeError
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import WRITTEN_SITES, Place

log = structlog.get_logger("heedmap")
router = APIRouter(prefix="/v1/predict", tags=["predictions"])
ADVICE = "POST /v1/traces, then read windows at /v1/traces/{id}/maps/{site}/{layer}/{head}?rows=a:b&cols=c:d"


def check_requested(requested: Sequence[MapWanted], sites: Sequence[dict[str, Any]]) -> None:
    """Find a map that the model does not have, before any work is done.

    Raises:
        RangeError: its field is the path in the body.
    """
    by_name = {site["name"]: site for site in sites}
    for index, item in enumerate(requested):
        path = f"attention.{index}"
        site = by_name.get(item.site)
        if site is None:
            raise RangeError(
                f"there is no site {item.site[:100]!r}; there is {', '.join(by_name)}", field=f"{path}.site"
            )
        for name, value, count in (("layer", item.layer, site["layers"]), ("head", item.head, site["heads"])):
            if isinstance(value, int) and not -count <= value < count:
                raise RangeError(
                    f"there is no {name} {value}: {item.site} has 0 to {count - 1}", field=f"{path}.{name}"
                )


def attention(trace: Trace, requested: Sequence[MapWanted], limit: int, form: Format = JSON) -> list[dict[str, Any]]:
    """The maps of a trace that were asked for; runs on the reading worker.

    form: in which they go out, for their size.

    Raises:
        TooLarge: together they are over the limit.
    """
    places = [maps.locate(trace, item.site, item.layer, item.head) for item in requested]
    masked = sum(
        len(place.rows) * len(place.cols) for place, item in zip(places, requested, strict=True) if item.visible
    )
    check_size(sum(place.cells for place in places), form, limit, ADVICE, masked)
    return [
        {
            "site": place.site,
            "layer": place.layer,
            "head": place.head,
            "shape": [len(place.rows), len(place.cols)],
            "queries": place.queries,
            "keys": place.keys,
            "weights": maps.weights(trace, place),
            **({"visible": np.ascontiguousarray(maps.visible(trace, place))} if item.visible else {}),
        }
        for place, item in zip(places, requested, strict=True)
    ]


async def answer(services: Services, body: PredictRequest, form: Format = JSON) -> list[dict[str, Any] | Exception]:
    """A result or an error for each input; `form` is that of the maps."""
    requests = requests_of(body)
    if images := pictures(requests):
        await run_in_threadpool(check_pixels, images)
    name, model = await services.models.get(body.model)
    check_requested(body.attention, services.models.facts(name)["sites"])
    limit = services.settings.response_bytes // len(requests)
    if not body.attention:
        outcomes = await services.predict(name, model, requests)
        maps_of: list[list[dict[str, Any]] | Exception | None] = [None] * len(outcomes)
    else:
        outcomes = await services.record(name, model, requests)

        def read(outcome: Trace | HeedmapError) -> list[dict[str, Any]] | Exception:
            try:
                if isinstance(outcome, HeedmapError):
                    return []
                if isinstance(outcome.prediction, Unanswered) and outcome.prediction.refusal is not None:
                    return outcome.prediction.refusal
                return attention(outcome, body.attention, limit, form)
            except Exception as error:
                return error.with_traceback(None)

        maps_of = await services.reading.run_turns(read(outcome) for outcome in outcomes)
    results: list[dict[str, Any] | Exception] = []
    for outcome, read_maps in zip(outcomes, maps_of, strict=True):
        error = next((part for part in (outcome, read_maps) if isinstance(part, Exception)), None)
        if error is not None:
            if isinstance(error, ModelFailure):
                log.error("model_failed_at_input", model=name, cause=brief(error.__cause__ or error), stack=error.stack)
            results.append(error)
            continue
        assert not isinstance(read_maps, Exception)
        prediction: Prediction = outcome.prediction if isinstance(outcome, Trace) else outcome
        result = result_of(name, model.task, prediction)
        results.append(result if read_maps is None else {**result, "attention": read_maps})
    return results


async def events(services: Services, caller: Caller, body: PredictRequest) -> AsyncGenerator[bytes, None]:
    """The events of one answer while it is written.

    Raises:
        ParameterError: the answer is none that arises token by token.
    """
    [request] = writable(body)
    name, model = await services.models.get(body.model)
    facts = services.models.facts(name)
    if "max_new_tokens" not in facts["parameters"]:
        raise ParameterError(f"{model.task} writes no text token by token: leave stream out", field="stream")
    check_requested(body.attention, facts["sites"])
    await check_quota(caller, services.store.folder)
    identifier = await identify(services, caller, name, request)
    growing = [item for item in body.attention if item.site in WRITTEN_SITES]
    rest = [item for item in body.attention if item.site not in WRITTEN_SITES]  # maps of what was read, not written
    feed = Feed(name, model.task, places(growing, facts["sites"]))
    work = services.stream(name, model, request, feed)
    async with aclosing(feed.events(work)) as written:
        async for data in written:
            yield data
    trace = feed.trace
    assert trace is not None, "the events are over"
    held = await services.keep(caller.owner, identifier, name, trace, request)
    more: dict[str, Any] = {}
    if rest:
        limit = services.settings.response_bytes
        [more["attention"]] = await services.reading.run_turns(attention(trace, rest, limit) for _ in range(1))
    result = result_of(name, model.task, trace.prediction)
    yield event("end", {**result, "finish_reason": trace.prediction.finish_reason, "trace": held.id, **more})


def result_of(model: str, task: str, prediction: Prediction) -> dict[str, Any]:
    """The answer to one input, without maps."""
    axes = {axis: value.to_json() for axis, value in prediction.axes.items()}
    return {"model": model, "task": task, "prediction": prediction.to_json(), "axes": axes}


def places(wanted: Sequence[MapWanted], sites: Sequence[dict[str, Any]]) -> list[Place]:
    """Maps that there are, counted from 0."""
    by_name = {site["name"]: site for site in sites}
    numbers = [(by_name[item.site]["layers"], by_name[item.site]["heads"]) for item in wanted]
    return [
        (item.site, item.layer % layers, item.head % heads if isinstance(item.head, int) else item.head)
        for item, (layers, heads) in zip(wanted, numbers, strict=True)
    ]


def writable(body: PredictRequest) -> list[Request]:
    """The request of a body whose answer can be sent as it is written.

    Raises:
        ParameterError: it cannot.
    """
    if isinstance(body.inputs, list):
        raise ParameterError("one input is streamed at a time, not a list", field="inputs")
    if body.target is not None:
        raise ParameterError("a given target is not written: leave it out, or stream", field="target")
    if body.parameters.beam_size != 1:
        raise ParameterError(
            "the hypotheses of a beam change until the last token: stream with beam_size 1",
            field="parameters.beam_size",
        )
    return requests_of(body)


def item_problem(error: Exception, index: int) -> dict[str, Any]:
    """The problem of one input of a list: its path says which."""
    body = problem(error)
    for entry in body.get("errors", []):
        head, _, rest = entry["path"].partition(".")
        if head in ("inputs", "target"):
            entry["path"] = f"{head}.{index}" + (f".{rest}" if rest else "")
    return body


@router.post(
    "",
    summary="Predict, and show where the model looked",
    response_model=PredictionAnswer | PredictionList,
    openapi_extra=request_body(PredictRequest),
    responses={200: {"content": {"text/event-stream": {"schema": SCHEMA}}}},
)
@raises(NotFound, InputError, TooLarge, ModelUnavailable, *WORKING)
async def predict(
    request: HttpRequest,
    caller: Annotated[Caller, Depends(admitted)],
    body: Annotated[PredictRequest, Depends(parsed(PredictRequest))],
    services: Annotated[Services, Depends(services)],
) -> Response:
    """One input gives one answer; a list gives `{"results": [...]}`, each its own answer or its own error.

    With `stream`, one input gives server-sent events: `start`, a `token` for each, and `end` with the trace's id.
    """
    if body.stream:
        return await begin(request, events(services, caller, body))
    results = await while_waiting(request, answer(services, body))
    if not isinstance(body.inputs, list):
        if isinstance(results[0], Exception):
            raise results[0]
        content: Any = results[0]
    else:
        rows = enumerate(results)
        content = {"results": [{"error": item_problem(r, i)} if isinstance(r, Exception) else r for i, r in rows]}
    brief = not body.attention and not isinstance(body.inputs, list)  # written before another thread would begin
    data = to_json(content) if brief else await rendered(to_json, content)
    return Response(data, media_type="application/json")
