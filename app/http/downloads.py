"""Files that are sent from an open handle, so that they arrive whole even where their name is gone."""

import os
from pathlib import Path
from typing import BinaryIO

from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

HANDLES = Path("/dev/fd")  # POSIX systems' names of open files; elsewhere nobody can remove what is open


class OpenedFile(FileResponse):
    """An open file as a download, ranges included; closed when it is sent, or nobody wants it any more."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Take over the file.

        Args:
            file: read from its beginning, through a handle of its own.
            name: what the caller's file is called.
        """
        self.file = file
        path = HANDLES / str(file.fileno()) if HANDLES.is_dir() else Path(file.name)
        super().__init__(
            path, media_type="application/octet-stream", filename=name, stat_result=os.fstat(file.fileno())
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.file.close()
