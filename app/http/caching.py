"""Responses that never change while their trace lives: strong ETags, and caches that need not ask again."""

import hashlib
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from heedmap.app.http.callers import Caller, while_waiting
from heedmap.app.service.stored_trace import StoredTrace

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "If-None-Match names the ETag: what the caller has is current."}
}
SUFFIX = "-gzip"  # of the ETag of what is sent in gzip
GZIP = re.compile(r"(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0+)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)", re.IGNORECASE)
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
    common = {**(headers or {}), **caching(caller, held, what, media_type)}
    if is_current(request, common["ETag"]):
        return Response(status_code=304, headers=common)
    return Response(await while_waiting(request, body()), headers={**common, "Content-Type": media_type})


def caching(caller: Caller, held: StoredTrace, what: Sequence[Any], media_type: str) -> dict[str, str]:
    """The headers of what never changes while its trace lives."""
    parts = repr((held.version, tuple(what), media_type)).encode()
    return {
        "ETag": f'"{hashlib.sha256(parts).hexdigest()[:32]}"',
        "Cache-Control": f"{'private' if caller.keyed else 'public'}, max-age={YEAR}, immutable",
        "Vary": "Accept, Authorization, X-API-Key",
    }


def is_current(request: Request, etag: str) -> bool:
    """Whether the caller has what this tag names, in whichever encoding."""
    tags = {_plain(tag.strip()) for tag in request.headers.get("if-none-match", "").split(",")}
    return bool(tags & {_plain(etag), "*"})


def _plain(tag: str) -> str:
    return tag.removeprefix("W/").replace(f'{SUFFIX}"', '"')


def takes_gzip(accepts: str) -> bool:
    """Whether an Accept-Encoding header asks for gzip."""
    return GZIP.search(accepts) is not None
