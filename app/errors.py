"""One body for every error: RFC 9457 problem+json, with the path of the field at fault.

    ServiceError
    ├── Unauthorized        401    no API key, or an unknown one
    ├── NotFound            404    no such model or trace
    ├── NotAcceptable       406    no representation that the caller accepts
    ├── TraceUnreadable     410    the trace's file is damaged; posting its input again writes it anew
    ├── TooLarge            413    the body or the response is over its limit
    ├── UnsupportedMedia    415    the body is of another type
    ├── Unreadable          422    the body is not what its type says
    ├── NotFinite           422    what the numbers of the body, or of a trace, make is over the range of their type
    ├── RateLimited         429    over the caller's rate
    ├── Overloaded          503    the queue is full: ask again in a moment
    ├── WorkerStopped       503    a worker has ended, and the service must be started again
    ├── NotReady            503    no model answers yet, or none can be loaded
    ├── Stopping            503    the service is being stopped: ask another, or again when it is back
    ├── ModelUnavailable    503    the model cannot be loaded
    └── DeadlineExceeded    504    the answer took too long

The model side's own tree (`model/errors.py`) is mapped by `status_of`; whatever else escapes is a 500 that tells the
caller the request's id and nothing of the code.
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from heedmap.model.errors import (
    Cancelled,
    HeedmapError,
    InputError,
    ModelFailure,
    OutOfMemory,
    RangeError,
    TraceError,
    TraceTooLarge,
)

MEDIA_TYPE = "application/problem+json"
NO_ROOM = 507  # Insufficient Storage: the service lacks the room, and to send the same again would not help
CLIENT_CLOSED = 499  # nobody reads it; the access log does
# RFC 9110's names, which Python has from 3.13 on.
TITLES = {413: "Content Too Large", 422: "Unprocessable Content", CLIENT_CLOSED: "Client Closed Request"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

log = structlog.get_logger("heedmap")


class ServiceError(Exception):
    """The root of the tree: a status, a message, and the field and headers that belong to it."""

    status = 500

    def __init__(self, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail, self.field, self.headers = detail, field, dict(headers or {})


class Unauthorized(ServiceError):
    """No API key, or an unknown one."""

    status = 401


class NotFound(ServiceError):
    """No such model or trace."""

    status = 404


class NotAcceptable(ServiceError):
    """No representation that the caller accepts."""

    status = 406


class TraceUnreadable(ServiceError):
    """The trace's file is damaged."""

    status = 410


class TooLarge(ServiceError):
    """The body or the response is over its limit."""

    status = 413


class UnsupportedMedia(ServiceError):
    """The body is of a type that the route does not read."""

    status = 415


class Unreadable(ServiceError):
    """The body is not what its type says."""

    status = 422


class NotFinite(ServiceError):
    """Numbers that make an infinity, or what is no number."""

    status = 422


class RateLimited(ServiceError):
    """Over the caller's rate."""

    status = 429


class Overloaded(ServiceError):
    """The queue is full: whoever asks again in a moment is answered."""

    status = 503


class WorkerStopped(ServiceError):
    """A worker has ended; nothing is answered until the service is started again."""

    status = 503


class NotReady(ServiceError):
    """No model answers: they are being loaded, or none can be."""

    status = 503


class Stopping(ServiceError):
    """The service is being stopped."""

    status = 503


class ModelUnavailable(ServiceError):
    """The model cannot be loaded."""

    status = 503


class DeadlineExceeded(ServiceError):
    """The answer took too long."""

    status = 504


def status_of(error: Exception) -> int:
    """The HTTP status that an exception stands for."""
    match error:
        case ServiceError():
            return error.status
        case HTTPException():
            return error.status_code
        case RangeError() if error.field is not None and error.field.rpartition(".")[2] == "site":
            return 404  # a site is a place in the address; layers, heads and ranges are values of its parameters
        case TraceTooLarge():
            return TooLarge.status
        case OutOfMemory():
            return NO_ROOM
        case InputError() | ValidationError() | RequestValidationError():
            return 422
        case TraceError():
            return TraceUnreadable.status
        case Cancelled():
            return CLIENT_CLOSED
        case _:
            return 500


def problem(error: Exception) -> dict[str, Any]:
    """The problem body of an exception: type, title, status, detail, and for bad fields `errors` with their paths."""
    status = status_of(error)
    body: dict[str, Any] = {"type": _type(error, status), "title": _title(status), "status": status}
    match error:
        case ValidationError() | RequestValidationError():
            body["errors"] = _field_errors(error.errors())
            first = body["errors"][0]
            more = f" (and {len(body['errors']) - 1} more)" if len(body["errors"]) > 1 else ""
            body["detail"] = f"{first['path']}: {first['detail']}{more}"
        case HTTPException():
            body["detail"] = _http_detail(error)
        case ServiceError() | HeedmapError() if status != 500:
            body["detail"] = error.detail if isinstance(error, ServiceError) else str(error)
            if error.field is not None:
                body["errors"] = [{"path": error.field, "detail": body["detail"]}]
        case ModelFailure() if error.__cause__ is None:  # a sentence of our own, which hides no other
            body["detail"] = str(error)
            body["errors"] = [{"path": error.field or "inputs", "detail": str(error)}]
        case _:
            body["detail"] = "the service failed at this request; its log has the cause under the X-Request-ID"
    return body


def problem_response(error: Exception) -> Response:
    """The problem body as a response, with the error's own headers."""
    body = problem(error)
    headers = dict(getattr(error, "headers", None) or {})
    return Response(orjson.dumps(body), body["status"], headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every expected exception, and every unknown route and method, answer with the one body.

    What is not expected gets the same body from `heedmap.app.http.observe.Observe`, which also logs its stack.
    """

    async def handle(request: Request, error: Exception) -> Response:
        if status_of(error) == 500:
            log.error("failed", path=request.url.path, cause=repr(error.__cause__ or error))
        if isinstance(error, HTTPException) and error.status_code == 405:
            error.headers = {"Allow": ", ".join(_allowed(request) or [(error.headers or {}).get("Allow", "GET")])}
        return problem_response(error)

    for kind in (ServiceError, HTTPException, RequestValidationError, ValidationError, HeedmapError):
        app.add_exception_handler(kind, handle)


def _allowed(request: Request) -> list[str]:
    """Every method that the address answers: the framework names those of its first route alone."""
    routes = request.app.router.routes
    methods = [m for m in METHODS if any(r.matches({**request.scope, "method": m})[0] is Match.FULL for r in routes)]
    return [method for m in methods for method in (("GET", "HEAD") if m == "GET" else (m,))]


def _type(error: Exception, status: int) -> str:
    """about:blank where the status says it all, a name of our own where the cause is more particular."""
    if isinstance(error, HTTPException) or status == 500:
        return "about:blank"
    name = type(error).__name__ if isinstance(error, ServiceError | HeedmapError) else "InvalidField"
    return "urn:heedmap:problem:" + re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def _title(status: int) -> str:
    return TITLES.get(status) or HTTPStatus(status).phrase


def _http_detail(error: HTTPException) -> str:
    if error.status_code == 404:
        return "there is nothing at this address; GET /docs lists what there is"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow")
        return f"this address answers {allowed} only" if allowed else "this address does not answer that method"
    return error.detail


def _field_errors(errors: Iterable[Any]) -> list[dict[str, str]]:
    rows = []
    for error in errors:
        cause = error.get("ctx", {}).get("error")
        place = ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path", "header"))
        if isinstance(cause, InputError) and cause.field:  # raised by a validator that knows a deeper place
            place = f"{place}.{cause.field}" if place else cause.field
        detail = str(cause) if cause is not None else error["msg"]
        if error["type"] == "extra_forbidden":
            detail = "unknown field"
        rows.append({"path": place or "body", "detail": detail})
    return rows
