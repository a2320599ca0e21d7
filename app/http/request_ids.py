"""The id of a request, which its answer, its error bodies and its log lines carry: the caller's own, or a new one."""

import re
import uuid

from starlette.types import Scope

from heedmap.app import ticket
from heedmap.app.ticket import RequestInfo

HEADER = b"x-request-id"
VALID = re.compile(rb"[A-Za-z0-9._-]{1,64}")  # what a caller may name its request; it stands in JSON as it is
KEY = "heedmap.request"


def begin(scope: Scope) -> RequestInfo:
    """The request of this scope, which is answered from here on: the same to all who ask."""
    known: RequestInfo | None = scope.get(KEY)
    if known is not None:
        return known
    sent = next((value for name, value in scope["headers"] if name == HEADER), b"")
    info = RequestInfo((sent.decode("ascii") if VALID.fullmatch(sent) else new_id(),))
    scope[KEY] = info
    ticket.begin(info)
    return info


def new_id() -> str:
    """An id that no other request has."""
    return uuid.uuid4().hex
