"""Responses that never change while their trace lives: strong ETags, and caches that need not ask again."""

import hashlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from heedmap.app.http.callers import Caller, while_waiting
from heedmap.app.service.stored_trace import StoredTrace

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "If-None-Match names the ETag: what the caller has is current."}
}
YEAR = 31_536_000  # seconds; RFC 9111 names no maximum, a year is what caches treat as for ever


async def cached(
    request: Request,
    caller: Caller,
    held: StoredTrace,
    what: Sequence[Any],
    media_type: str,
    body: Callable[[], Coroutine[Any, Any, bytes]],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The body with its ETag, or 304 where the caller has it; then the body is not made. Callers may hang up meanwhile.

    what: all that the bytes depend on besides the trace and the media type.
    """
    parts = repr((held.version, tuple(what), media_type)).encode()
    etag = f'"{hashlib.sha256(parts).hexdigest()[:32]}"'
    common = {
        **(headers or {}),
        "ETag": etag,
        "Cache-Control": f"{'private' if caller.keyed else 'public'}, max-age={YEAR}, immutable",
        "Vary": "Accept, Authorization, X-API-Key",
    }
    tags = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if tags & {etag, "*"}:
        return Response(status_code=304, headers=common)
    return Response(await while_waiting(request, body()), headers={**common, "Content-Type": media_type})
