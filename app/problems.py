"""One body for every error: RFC 9457 problem+json, with the path of the field at fault.

The service's errors know their status, the model side's (`model/errors.py`) are mapped by `status_of`; whatever else
escapes is a 500 that tells the caller the request's id and nothing of the code.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from heedmap.app import ticket
from heedmap.app.dialects import MEDIA_TYPE, dialect_of
from heedmap.app.errors import ServiceError, TooLarge, TraceUnreadable
from heedmap.model.errors import (
    Cancelled,
    HeedmapError,
    InputError,
    ModelFailure,
    OutOfMemory,
    RangeError,
    TraceError,
    TraceTooLarge,
    detached,
)

NO_ROOM = 507  # Insufficient Storage: the service lacks the room, and to send the same again would not help
CLIENT_CLOSED = 499  # nobody reads it; the access log does
# RFC 9110's names, which Python has from 3.13 on.
TITLES = {
    413: "Content Too Large",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    CLIENT_CLOSED: "Client Closed Request",
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FIELDS = 10  # that one problem names: whoever has more of them wrong begins with these
PATH = 200  # characters of a field's path: ours have under 60, and a caller's own names are told by their beginning
DETAIL = 1_000  # characters of what is said: a sentence or three; what callers sent is not sent back at length
CAUSE = 500  # characters of an error in a log line

log = structlog.get_logger("heedmap")


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
        case Cancelled() | ClientDisconnect():
            return CLIENT_CLOSED
        case _:
            return 500


def problem(error: Exception) -> dict[str, Any]:
    """The problem body of an exception: type, title, status, detail, for bad fields `errors` with their paths, and the
    id of the request that is being answered, which is told of it.
    """
    status = status_of(error)
    body: dict[str, Any] = {"type": _type(error, status), "title": _title(status), "status": status}
    match error:
        case ValidationError() | RequestValidationError():
            count, body["errors"] = _field_errors(error)
            first = body["errors"][0]
            more = f" (and {count - 1:,} more)" if count > 1 else ""
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
        case ClientDisconnect():
            body["detail"] = "the caller went away"
        case _:
            body["detail"] = "the service failed at this request; its log has the cause under this request_id"
    body["detail"] = clipped(body["detail"], DETAIL)
    for row in body.get("errors", ()):
        row["path"], row["detail"] = clipped(row["path"], PATH), clipped(row["detail"], DETAIL)
    answered = ticket.request_info()
    if answered is not None:
        body["request_id"] = answered.ids[0]
        answered.problems.append((body["type"], status))
    return body


def clipped(text: str, length: int) -> str:
    """A text of at most so many characters: the beginning of a longer one."""
    return text if len(text) <= length else text[: length - 1] + "\u2026"


def brief(error: BaseException) -> str:
    """An error for a log line: its kind, and the beginning of what it says."""
    return f"{type(error).__name__}({clipped(str(error), CAUSE)!r})"


class ProblemResponse(Response):
    """A problem; when it is sent, it is said in the dialect of the address that was asked."""

    def __init__(self, error: Exception) -> None:
        self.problem = problem(error)
        self.own = dict(getattr(error, "headers", None) or {})
        super().__init__(orjson.dumps(self.problem), self.problem["status"], self.own, MEDIA_TYPE)

    def at(self, path: str) -> Response:
        """The response as the protocol of this address has it."""
        dialect = dialect_of(path)
        body = orjson.dumps(dialect.body(self.problem, path))
        return Response(body, dialect.status(self.status_code), self.own, dialect.media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await self.at(path_of(scope))(scope, receive, send)


def problem_response(error: Exception) -> ProblemResponse:
    """The problem body as a response, with the error's own headers."""
    return ProblemResponse(error)


def path_of(scope: Scope) -> str:
    """The address that is asked, without the prefix that a proxy strips."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def install(app: FastAPI) -> None:
    """Make every expected exception, and every unknown route and method, answer with the one body.

    What is not expected gets the same body from `heedmap.app.http.observe.Observe`, which also logs its stack.
    """

    async def handle(request: Request, error: Exception) -> Response:
        if status_of(error) == 500:
            stack = getattr(error, "stack", None)
            log.error("failed", path=request.url.path, cause=brief(error.__cause__ or error), stack=stack)
        if isinstance(error, HTTPException) and error.status_code == 405:
            error.headers = {"Allow": ", ".join(_allowed(request) or [(error.headers or {}).get("Allow", "GET")])}
        response = problem_response(error)
        detached(error)  # its frames hold the body, and it may stand among a route's results: see there
        return response

    for kind in (ServiceError, ClientDisconnect, HTTPException, RequestValidationError, ValidationError, HeedmapError):
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


def _field_errors(invalid: ValidationError | RequestValidationError) -> tuple[int, list[dict[str, str]]]:
    """How many fields are at fault, and the first of them."""
    if isinstance(invalid, ValidationError):
        errors: Sequence[Any] = invalid.errors(include_url=False, include_input=False)
    else:
        errors = invalid.errors()
    rows = []
    for error in errors[:FIELDS]:
        cause = error.get("ctx", {}).get("error")
        place = ".".join(
            clipped(str(part), PATH) for part in error["loc"] if part not in ("body", "query", "path", "header")
        )
        if isinstance(cause, InputError) and cause.field:  # raised by a validator that knows a deeper place
            place = f"{place}.{cause.field}" if place else cause.field
        detail = str(cause) if cause is not None else error["msg"]
        if error["type"] == "extra_forbidden":
            detail = "unknown field"
        rows.append({"path": place or "body", "detail": detail})
    return len(errors), rows
