"""The OpenAPI description: what routes answer, the bodies they read, and the one body of all errors.

A status stands at a route because the route, or something that it depends on, says so by `errors.raises`.
"""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from heedmap.app.dialects import dialect_of
from heedmap.app.errors import ServiceError, raised
from heedmap.app.http.answers import MapWindow
from heedmap.app.http.callers import admitted
from heedmap.app.http.measure_answers import RelevanceAnswer
from heedmap.app.http.startup import has_keys
from heedmap.app.problems import status_of
from heedmap.app.requests.alignment import AlignRequest
from heedmap.app.requests.comparison import CompareRequest
from heedmap.app.requests.effects import EffectsRequest
from heedmap.app.requests.likeliest import LikeliestRequest
from heedmap.app.requests.openai import ChatRequest, CompletionRequest
from heedmap.app.requests.schemas import AttentionRequest, PredictRequest, ProblemDetails, TraceRequest
from heedmap.app.requests.simultaneous import SimultaneousRequest
from heedmap.app.requests.sources import SourcesRequest
from heedmap.app.service.jobs.registry import KINDS

MODELS: tuple[type[BaseModel], ...] = (
    *(PredictRequest, TraceRequest, AlignRequest, AttentionRequest, ChatRequest, CompletionRequest),
    *(
        SimultaneousRequest,
        CompareRequest,
        EffectsRequest,
        LikeliestRequest,
        SourcesRequest,
        ProblemDetails,
        MapWindow,
        RelevanceAnswer,
    ),
    *[kind.request for kind in KINDS.values()],
)
REQUEST_ID = {"description": "Names the request in the service's log.", "required": True, "schema": {"type": "string"}}
HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "How to send a key.", "required": True, "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 1}}},
    503: {"Retry-After": {"description": "Seconds, where waiting helps.", "schema": {"type": "integer", "minimum": 1}}},
}
KEYS = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
FAILED = "The service failed; its log has the cause under the request_id."


def describe(app: FastAPI) -> dict[str, Any]:
    """The document of an application, OpenAPI 3.1."""
    schema = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        routes=app.routes,
        separate_input_output_schemas=False,  # what is left out where it does not apply is not required
        servers=[{"url": "."}],  # where the document itself lies: right under any prefix, known or not
    )
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    for model in MODELS:
        described = model.model_json_schema(ref_template="#/components/schemas/{model}")
        components.update(described.pop("$defs", {}))
        components[model.__name__] = described
    keyed = has_keys(app.state.services.settings)
    if keyed:
        schema["components"]["securitySchemes"] = KEYS
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute) and context.include_in_schema:
            calls = [context.endpoint, *_calls(context.dependant)]
            for method in context.methods or ():
                operation = schema["paths"][context.path_format][method.lower()]
                operation["responses"].pop("422", None)  # the framework's own shape, which nothing here answers
                operation["responses"] |= _refusals(calls, str(context.path_format))
                for response in operation["responses"].values():
                    response.setdefault("headers", {})["X-Request-ID"] = REQUEST_ID
                if keyed and admitted in calls:
                    operation["security"] = [{name: []} for name in KEYS]
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    return schema


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any] | None]:
    """All that a route depends on."""
    for part in dependant.dependencies:
        yield part.call
        yield from _calls(part)


def _refusals(calls: list[Callable[..., Any] | None], path: str) -> dict[str, Any]:
    """The responses by which these say no: of every status the causes, and the problem in the dialect of the path."""
    dialect = dialect_of(path)
    causes: dict[int, dict[str, None]] = {ServiceError.status: {FAILED: None}}
    for call in calls:
        for kind in raised(call):
            causes.setdefault(dialect.status(status_of(kind(""))), {})[(kind.__doc__ or "").partition("\n")[0]] = None
    return {
        str(status): {
            "description": " ".join(lines) or HTTPStatus(status).phrase,
            "content": {dialect.media_type: {"schema": dict(dialect.schema)}},
            "headers": dict(HEADERS.get(status, {})),
        }
        for status, lines in sorted(causes.items())
    }
