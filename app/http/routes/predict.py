"""Predictions, with maps in the same answer where they are asked for."""

from collections.abc import Sequence
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from heedmap.app.errors import problem
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.services import Services, services
from heedmap.app.render.wire import JSON, check_size, to_json
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.app.requests.schemas import MapWanted, PredictRequest, TraceRequest
from heedmap.app.service import maps
from heedmap.model.contract import Prediction, Request, Unanswered
from heedmap.model.errors import HeedmapError, ModelFailure, ParameterError, RangeError
from heedmap.model.trace.trace import Trace

log = structlog.get_logger("heedmap")
router = APIRouter(prefix="/v1/predict", tags=["predictions"])
ADVICE = "POST /v1/traces, then read windows at /v1/traces/{id}/maps/{site}/{layer}/{head}?rows=a:b&cols=c:d"


def requests_of(body: TraceRequest) -> list[Request]:
    """The model's requests that a body asks for: one, or one for each of a list of inputs.

    Raises:
        ParameterError: inputs and target do not go together.
    """
    if not isinstance(body.inputs, list):
        if isinstance(body.target, list):
            raise ParameterError("one input takes one target, not a list", field="target")
        return [Request(body.inputs, body.target, body.parameters)]
    targets: Sequence[str | None] = body.target if isinstance(body.target, list) else [None] * len(body.inputs)
    if isinstance(body.target, str) or len(targets) != len(body.inputs):
        raise ParameterError(f"{len(body.inputs)} inputs take a list of as many targets", field="target")
    return [Request(text, target, body.parameters) for text, target in zip(body.inputs, targets, strict=True)]


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


def attention(trace: Trace, requested: Sequence[MapWanted], limit: int) -> list[dict[str, Any]]:
    """The maps of a trace that were asked for; runs on the reading worker.

    Raises:
        TooLarge: together they are over the limit.
    """
    places = [maps.locate(trace, item.site, item.layer, item.head) for item in requested]
    check_size(sum(place.cells for place in places), JSON, limit, ADVICE)
    return [
        {
            "site": place.site,
            "layer": place.layer,
            "head": place.head,
            "shape": [len(place.rows), len(place.cols)],
            "queries": place.queries,
            "keys": place.keys,
            "weights": maps.weights(trace, place),
        }
        for place in places
    ]


async def answer(services: Services, body: PredictRequest) -> list[dict[str, Any] | Exception]:
    """A result or an error for each input."""
    requests = requests_of(body)
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
                return attention(outcome, body.attention, limit)
            except Exception as error:
                return error

        maps_of = await services.reading.run_turns(read(outcome) for outcome in outcomes)
    results: list[dict[str, Any] | Exception] = []
    for outcome, read_maps in zip(outcomes, maps_of, strict=True):
        error = next((part for part in (outcome, read_maps) if isinstance(part, Exception)), None)
        if error is not None:
            if isinstance(error, ModelFailure):
                log.error(
                    "model_failed_at_input", model=name, cause=repr(error.__cause__ or error), exc_info=error.__cause__
                )
            results.append(error)
            continue
        assert not isinstance(read_maps, Exception)
        prediction: Prediction = outcome.prediction if isinstance(outcome, Trace) else outcome
        result = {"model": name, "task": model.task, "prediction": prediction.to_json()}
        result["axes"] = {axis: value.to_json() for axis, value in prediction.axes.items()}
        results.append(result if read_maps is None else {**result, "attention": read_maps})
    return results


def item_problem(error: Exception, index: int) -> dict[str, Any]:
    """The problem of one input of a list: its path says which."""
    body = problem(error)
    for entry in body.get("errors", []):
        head, _, rest = entry["path"].partition(".")
        if head in ("inputs", "target"):
            entry["path"] = f"{head}.{index}" + (f".{rest}" if rest else "")
    return body


@router.post("", summary="Predict, and show where the model looked", openapi_extra=request_body(PredictRequest))
async def predict(
    request: HttpRequest,
    caller: Annotated[Caller, Depends(admitted)],
    body: Annotated[PredictRequest, Depends(parsed(PredictRequest))],
    services: Annotated[Services, Depends(services)],
) -> Response:
    """One input gives one answer; a list gives `{"results": [...]}`, each its own answer or its own error."""
    results = await while_waiting(request, answer(services, body))
    if not isinstance(body.inputs, list):
        if isinstance(results[0], Exception):
            raise results[0]
        content: Any = results[0]
    else:
        rows = enumerate(results)
        content = {"results": [{"error": item_problem(r, i)} if isinstance(r, Exception) else r for i, r in rows]}
    return Response(await run_in_threadpool(to_json, content), media_type="application/json")
