"""The errors of the service, a tree; `heedmap.app.problems` says what a caller reads of them.

    ServiceError
    ├── BadRequest          400    no request of HTTP
    ├── Unauthorized        401    no API key, or an unknown one
    ├── Forbidden           403    the key has not the scope, or a page of elsewhere asks
    ├── NotFound            404    no such model or trace
    ├── NotAcceptable       406    no representation that the caller accepts
    ├── TooSlow             408    the request did not come in within its time
    ├── ModelChanged        409    the model that made the trace is another now
    ├── TraceUnreadable     410    the trace's file is damaged; posting its input again writes it anew
    ├── TooLarge            413    the body or the response is over its limit
    ├── UnsupportedMedia    415    the body is of another type
    ├── RangeNotSatisfiable 416    the file has no such bytes
    ├── Misdirected         421    another host is meant
    ├── Unreadable          422    the body is not what its type says
    ├── NotFinite           422    what the numbers of the body, or of a trace, make is over the range of their type
    ├── RateLimited         429    over the caller's rate
    ├── HeadTooLarge        431    the address and the headers are over their limit
    ├── QuotaExceeded       429    the caller's traces take all the bytes that its key has
    ├── Overloaded          503    the queue is full: ask again in a moment
    ├── StoreUnavailable    503    the object store behind the folder of traces does not answer
    ├── WorkerStopped       503    a worker has ended, and the service must be started again
    ├── NotReady            503    no model answers yet, or none can be loaded
    ├── Stopping            503    the service is being stopped: ask another, or again when it is back
    ├── ModelUnavailable    503    the model cannot be loaded
    ├── DeadlineExceeded    504    the answer took too long
    └── StorageFull         507    there is no room on the disk for a trace

A class's first line is the sentence that the OpenAPI description has for it.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from heedmap.model.errors import (
    HeedmapError,
    OutOfMemory,
)

Kind = type["ServiceError"] | type[HeedmapError]
F = TypeVar("F", bound=Callable[..., Any])


class ServiceError(Exception):
    """The root of the tree: a status, a message, and the field and headers that belong to it."""

    status = 500

    def __init__(self, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail, self.field, self.headers = detail, field, dict(headers or {})


class BadRequest(ServiceError):
    """No request of HTTP."""

    status = 400


class Unauthorized(ServiceError):
    """No API key, or an unknown one."""

    status = 401


class Forbidden(ServiceError):
    """A key without the scope, or a page of elsewhere."""

    status = 403


class NotFound(ServiceError):
    """No such model or trace."""

    status = 404


class NotAcceptable(ServiceError):
    """No representation that the caller accepts."""

    status = 406


class TooSlow(ServiceError):
    """The request did not come in within its time."""

    status = 408


class ModelChanged(ServiceError):
    """The model that made the trace is served no more, or is another by now."""

    status = 409


class TraceUnreadable(ServiceError):
    """The trace's file is damaged."""

    status = 410


class TooLarge(ServiceError):
    """The body or the response is over its limit."""

    status = 413


class UnsupportedMedia(ServiceError):
    """The body is of a type that the route does not read."""

    status = 415


class RangeNotSatisfiable(ServiceError):
    """The file has no such bytes as the Range header names."""

    status = 416


class Misdirected(ServiceError):
    """Another host is meant."""

    status = 421


class Unreadable(ServiceError):
    """The body is not what its type says."""

    status = 422


class NotFinite(ServiceError):
    """Numbers that make an infinity, or what is no number."""

    status = 422


class RateLimited(ServiceError):
    """Over the caller's rate."""

    status = 429


class HeadTooLarge(ServiceError):
    """The address and the headers are over their limit."""

    status = 431


class QuotaExceeded(ServiceError):
    """The caller's traces take all the bytes that its key has."""

    status = 429


class Overloaded(ServiceError):
    """The queue is full: whoever asks again in a moment is answered."""

    status = 503


class StoreUnavailable(ServiceError):
    """The object store behind the folder of traces does not answer: whoever asks again in a moment may be answered."""

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


class StorageFull(ServiceError):
    """There is no room on the disk for a trace, not even after others were evicted."""

    status = 507


WORKING: tuple[Kind, ...] = (RateLimited, TooLarge, Overloaded, Stopping, WorkerStopped, DeadlineExceeded, OutOfMemory)
"""What a call of a worker may end in."""


def raises(*kinds: Kind) -> Callable[[F], F]:
    """Say what a route, or a dependency of routes, refuses requests by; the OpenAPI description is made of it."""

    def mark(function: F) -> F:
        function.__dict__["raises"] = kinds
        return function

    return mark


def raised(function: Callable[..., Any] | None) -> tuple[Kind, ...]:
    """What `raises` said of a function."""
    kinds: tuple[Kind, ...] = getattr(function, "raises", ())
    return kinds
