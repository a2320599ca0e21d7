"""A job: what was asked for, how far it is, and what came of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from heedmap.app.service.jobs.kind import Progress

State = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = ("queued", "running", "done", "failed", "cancelled")
WAITING = Progress(0, 0, "waiting for its turn")


@dataclass(eq=False)
class Job:
    """One job of one owner. Times are seconds since 1970.

    lease: names the process that runs it. error: the problem that it failed by, or was cancelled by.
    """

    id: str
    owner: str
    kind: str
    created: float
    expires: float
    lease: str
    state: State = "queued"
    progress: Progress = WAITING
    result: Any = None
    error: dict[str, Any] | None = None
    changes: int = 0
    _changed: asyncio.Event | None = field(default=None, repr=False)

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.state not in ("queued", "running")

    def change(self) -> None:
        """Tell whoever waits that something of it has changed; on the event loop."""
        self.changes += 1
        event, self._changed = self._changed, None
        if event is not None:
            event.set()

    async def next_change(self) -> None:
        """Wait for the next change."""
        if self._changed is None:
            self._changed = asyncio.Event()
        await self._changed.wait()

    def brief(self) -> dict[str, Any]:
        """The contract's JSON without the result."""
        body = {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "progress": asdict(self.progress),
            "created_at": _iso(self.created),
            "expires_at": _iso(self.expires),
        }
        return body if self.error is None else {**body, "error": self.error}

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON; `result` where it is done."""
        return {**self.brief(), "result": self.result} if self.state == "done" else self.brief()

    def record(self) -> dict[str, Any]:
        """What its file holds: all but the result."""
        fields = ("id", "owner", "kind", "created", "expires", "lease", "state", "error")
        return {name: getattr(self, name) for name in fields} | {"progress": asdict(self.progress)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Job":
        """The job that `record` wrote.

        Raises:
            ValueError, TypeError, KeyError: it is no such record.
        """
        job = cls(**{**record, "progress": Progress(**record["progress"])})
        if job.state not in STATES:
            raise ValueError(f"{job.state!r} is no state of a job")
        return job


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
