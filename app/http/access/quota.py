"""How many bytes of traces a key may keep.

At its quota a key makes no new trace until one of its own is deleted or expires: nothing that somebody kept goes
without being asked. The last trace may go over it, since nobody knows its size before it is made.
"""

from pathlib import Path

from starlette.concurrency import run_in_threadpool

from heedmap.app.errors import QuotaExceeded
from heedmap.app.http.access.gate import Caller


async def check_quota(caller: Caller, folder: Path) -> None:
    """Whether the caller may keep another trace.

    Raises:
        QuotaExceeded: its traces have all the bytes of its key.
    """
    if caller.quota is None:
        return
    kept = await run_in_threadpool(_bytes_in, folder / caller.owner)
    if kept >= caller.quota:
        raise QuotaExceeded(
            f"the traces of this key take {kept:,} bytes, and it may keep {caller.quota:,}; DELETE /v1/traces/{{id}} "
            "makes room"
        )


def _bytes_in(folder: Path) -> int:
    """Of all files there, at the moment."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_dir() else path.stat().st_size
        except FileNotFoundError:  # evicted in the meantime
            continue
    return total
