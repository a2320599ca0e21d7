"""Files sent whole or in part, from the handle that was opened first: whatever takes their place meanwhile."""

import re
from collections.abc import AsyncIterator, Mapping
from email.utils import formatdate

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from heedmap.app.errors import RangeNotSatisfiable
from heedmap.app.service.trace_files import OpenedFile

CHUNK = 1 << 18  # bytes of one read: few enough to be held for many slow readers, and for a fast one no more calls
RANGE = re.compile(r"bytes\s*=\s*(\d{0,19})-(\d{0,19})\s*", re.IGNORECASE)


def send(request: Request, file: OpenedFile, headers: Mapping[str, str], media_type: str) -> Response:
    """The file, or with a Range header its part (206); of several ranges, as of what reads otherwise, the whole file.

    headers: with a strong ETag, which If-Range is compared with, as it is with the file's date.

    Raises:
        RangeNotSatisfiable: the file has no such bytes.
    """
    size, date = file.stat.st_size, formatdate(file.stat.st_mtime, usegmt=True)
    unless = request.headers.get("if-range")
    asked = request.headers.get("range", "") if unless in (None, headers["ETag"], date) else ""
    part = part_of(asked, size)
    common = {
        **headers,
        "Accept-Ranges": "bytes",
        "Last-Modified": date,
        "Content-Length": str(len(part or range(size))),
    }
    if part is not None:
        common["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return StreamingResponse(_read(file, part or range(size)), 200 if part is None else 206, common, media_type)


def part_of(asked: str, size: int) -> range | None:
    """The bytes that a Range header names (RFC 9110, section 14.1.2); None where it says nothing that is answered.

    Raises:
        RangeNotSatisfiable: the file has no such bytes.
    """
    match = RANGE.fullmatch(asked.strip())
    first, last = match.groups() if match else ("", "")
    if (not first and not last) or (first and last and int(last) < int(first)):
        return None
    part = range(int(first), min(int(last or size) + 1, size)) if first else range(max(0, size - int(last)), size)
    if not part:
        raise RangeNotSatisfiable(
            f"the file has {size:,} bytes, and {asked[:60]} is none of them",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return part


async def _read(file: OpenedFile, part: range) -> AsyncIterator[bytes]:
    try:
        for start in range(part.start, part.stop, CHUNK):
            yield await run_in_threadpool(file.read, start, min(CHUNK, part.stop - start))
    finally:
        file.close()
