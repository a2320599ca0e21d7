"""The files of explorer and lab: joined, compressed and named by what is in them, or as they lie in the folder."""

from collections.abc import Mapping
from threading import Lock

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from heedmap.app.http.caching import SUFFIX, YEAR, is_current, takes_gzip
from heedmap.app.settings import STATIC
from heedmap.model.page.assets import INDEX, LAB, PAGES, Asset, assets
from heedmap.model.page.errors import LinkError

FOR_EVER = f"public, max-age={YEAR}, immutable"  # of what has another name once it is another
ADDRESSES = {"": INDEX, ".": INDEX, "lab": LAB}  # of pages, below the service's
EACH_TIME = "no-cache"  # a browser asks whether it is still current

log = structlog.get_logger("heedmap")


class Explorer(StaticFiles):
    """The pages with few files that may be kept for ever; the folder's own files are there beside them.

    joined: False for the folder's own files alone, for work on them.
    """

    def __init__(self, joined: bool = True) -> None:
        super().__init__(directory=STATIC, html=True)
        self.joined = joined
        self.joining = Lock()  # who asks while they are being joined waits for that, instead of doing it once more
        self.told = ""  # why the files could not be joined, once it was said

    async def prepare(self) -> None:
        """Have the files ready before anybody asks: in the work tree it takes a second."""
        if self.joined:
            await run_in_threadpool(self._assets)

    async def get_response(self, path: str, scope: Scope) -> Response:
        path = ADDRESSES.get(path, path)
        if self.joined and scope["method"] in ("GET", "HEAD"):
            known = await run_in_threadpool(self._assets)
            asset = known.get(path)
            if asset is not None:
                return answer(asset, scope)
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = EACH_TIME
        return response

    def _assets(self) -> Mapping[str, Asset]:
        """What is sent joined; nothing where a file cannot be joined, and then the folder's own files are sent."""
        try:
            with self.joining:
                return assets()
        except LinkError as error:
            if self.told != str(error):
                self.told = str(error)
                log.warning("explorer_not_joined", detail=self.told)
            return {}


def answer(asset: Asset, scope: Scope) -> Response:
    """A file as the caller takes it, or 304 where he has it."""
    zipped = takes_gzip(Headers(scope=scope).get("accept-encoding", ""))
    headers = {
        "ETag": f'"{asset.tag}{SUFFIX if zipped else ""}"',
        "Cache-Control": EACH_TIME if asset.name in PAGES else FOR_EVER,
        "Vary": "Accept-Encoding",
    }
    if is_current(Request(scope), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return Response(asset.packed if zipped else asset.plain, headers={**headers, "Content-Type": asset.media_type})
