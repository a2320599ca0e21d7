"""A trace as one HTML file with the explorer in it."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from heedmap.app.errors import WORKING, NotFound, TooLarge, raises
from heedmap.app.http.caching import NOT_MODIFIED, caching, is_current
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.explorer import EACH_TIME
from heedmap.app.http.rendering import rendered
from heedmap.app.http.services import Services, services
from heedmap.app.service.trace_files import OpenedFile
from heedmap.model.errors import TraceError
from heedmap.model.page.trace_page import edition, policy, trace_page

router = APIRouter(prefix="/v1/traces", tags=["traces"])
PAGE_TYPE = "text/html; charset=utf-8"
SANDBOX = (
    "sandbox allow-scripts allow-downloads"  # should a browser show it all the same: not as a page of this service
)


@router.get(
    "/{id}/page",
    summary="The trace as one HTML page, the explorer in it",
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}, **NOT_MODIFIED},
)
@raises(NotFound, TraceError, *WORKING)
async def get_page(
    request: Request,
    id: str,
    caller: Annotated[Caller, Depends(admitted)],
    services: Annotated[Services, Depends(services)],
) -> Response:
    """Opens from disk, with every head exact, and asks nobody for anything. What is too large for one is a file's."""
    held = await services.trace(caller, id)
    now = await run_in_threadpool(edition)
    keeping = caching(caller, held, ("page", now), PAGE_TYPE)
    who = keeping["Cache-Control"].partition(",")[0]
    headers = {**keeping, "Cache-Control": f"{who}, {EACH_TIME}"}  # another release has another explorer
    if is_current(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    await services.settle(caller.owner, id)
    file = await run_in_threadpool(services.store.opened, caller.owner, id)
    most = services.settings.response_bytes * 3 // 4  # base64 makes four bytes of three
    if file.stat.st_size > most:
        file.close()
        raise TooLarge(
            f"the trace has {file.stat.st_size:,} bytes, and a page carries at most {most:,}: "
            f"GET /v1/traces/{id}/file has it whole, and the explorer opens that file"
        )
    content = await while_waiting(request, rendered(_page, file))
    headers |= {
        "Content-Disposition": f'attachment; filename="{id}.html"',
        "Content-Security-Policy": f"{await run_in_threadpool(policy)}; {SANDBOX}",
        "Content-Type": PAGE_TYPE,
    }
    return Response(content, headers=headers)


def _page(file: OpenedFile) -> bytes:
    try:
        return trace_page(file.read(0, file.stat.st_size))
    finally:
        file.close()
