"""What a client raises when the service did not answer, or answered with a problem.

ClientError
├── Unreachable                no answer: no such host, connection refused, broken off
├── TimedOut                   no answer within the client's own timeout
└── Problem                    the service answered with a problem document (RFC 9457)
    ├── BadRequest             400, 415, 422: the request cannot be understood; `field` says where
    ├── NotAllowed             401, 403: no API key, or not one that may do this
    ├── NotFound               404: no such model, trace, site or route
    ├── TooLarge               413: input or answer over the service's limits
    ├── TooManyRequests        429: over this caller's rate; `retry_after` seconds
    ├── Busy                   503: the queue is full or the model is not ready; `retry_after` seconds
    ├── DeadlinePassed         504: the service gave up on the request
    └── ServiceFault           any other 5xx: the service's own mistake
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


class ClientError(Exception):
    """The root of the tree."""


class Unreachable(ClientError):
    """No answer: no such host, connection refused, or broken off half way."""


class TimedOut(ClientError):
    """No answer within the client's own timeout."""


class APIError(ClientError):
    """The service's problem document: `status`, `type`, `title`, `detail`.

    `errors` maps the path of each field at fault to what is wrong with it, and `field` is the first of them.
    `request_id` names the request in the service's log; None where whoever answered gave it no name.
    """

    def __init__(
        self,
        status: int,
        document: Mapping[str, Any],
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        self.status, self.retry_after = status, retry_after
        self.request_id = str(document["request_id"]) if "request_id" in document else request_id
        self.type = str(document.get("type", "about:blank"))
        self.title = str(document.get("title", "Error"))
        self.detail = str(document.get("detail", "no detail"))
        rows = document.get("errors") or []
        self.errors = {str(row["path"]): str(row["detail"]) for row in rows}
        self.field = next(iter(self.errors), None)
        super().__init__(f"{status} {self.title}: {self.detail}" + (f" (field {self.field})" if self.field else ""))


class BadRequest(APIError):
    """The request cannot be understood; `field` says where."""


class NotAllowed(APIError):
    """No API key, or not one that may do this."""


class NotFound(APIError):
    """No such model, trace, site or route."""


class Damaged(APIError):
    """The trace's file cannot be read any more; posting its input again writes it anew."""


class TooLarge(APIError):
    """Input or answer over the service's limits."""


class TooManyRequests(APIError):
    """Over this caller's rate; `retry_after` seconds."""


class Busy(APIError):
    """The queue is full or the model is not ready; `retry_after` seconds."""


class DeadlinePassed(APIError):
    """The service gave up on the request."""


class ServiceFault(APIError):
    """The service's own mistake."""


_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequest,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    405: BadRequest,
    406: BadRequest,
    410: Damaged,
    413: TooLarge,
    415: BadRequest,
    422: BadRequest,
    429: TooManyRequests,
    503: Busy,
    504: DeadlinePassed,
}


def api_error(status: int, body: Any, retry_after: str | None = None, request_id: str | None = None) -> APIError:
    """The exception for a problem document; a body that is none (a proxy's page, say) becomes the detail."""
    document: Mapping[str, Any] = body if isinstance(body, Mapping) else {"detail": str(body)[:500]}
    kind = _BY_STATUS.get(status, ServiceFault if status >= 500 else APIError)
    return kind(status, document, seconds(retry_after), request_id)


def seconds(retry_after: str | None) -> float | None:
    """A Retry-After header in seconds from now, whether it holds seconds or a date; None where it holds neither."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
