"""Jobs from Python: what takes longer than a request is posted, waited for, and kept by the service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from heedmap.app.client.calls import ClientCall, Flow, Operation
from heedmap.app.client.errors import api_error
from heedmap.app.render.encoding import as_json

POLL = 20.0  # seconds that one look at a job waits for its end: under a call's own time
FELT = 1.0  # the same where somebody wants to see how far it is


@dataclass(frozen=True)
class JobStatus:
    """A job as it was when it was looked at.

    state: queued, running, done, failed or cancelled. done of of: how far it is, 0 of 0 until that is known, and of
    what. result: where it is done, as its kind has it. error: the problem that it failed by.
    """

    id: str
    kind: str
    state: str
    done: int
    of: int
    what: str
    result: Any = None
    error: Mapping[str, Any] | None = None
    expires_at: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.state not in ("queued", "running")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "JobStatus":
        """The answer of GET /v1/jobs/{id}."""
        progress = data["progress"]
        return cls(
            data["id"],
            data["kind"],
            data["state"],
            progress["done"],
            progress["of"],
            progress["what"],
            data.get("result"),
            data.get("error"),
            data.get("expires_at"),
        )


def place(job: JobStatus | str) -> str:
    """Where a job is."""
    return f"/v1/jobs/{job if isinstance(job, str) else job.id}"


def waited(job: JobStatus | str, progress: Callable[[JobStatus], object] | None = None) -> Flow[JobStatus]:
    """The job once it is done.

    Raises:
        APIError: it failed, was cancelled by the service, or is there no more.
    """
    while True:
        response = yield ClientCall("GET", place(job), {"wait": POLL if progress is None else FELT})
        status = JobStatus.from_json(response.json())
        if progress is not None:
            progress(status)
        if status.state == "done":
            return status
        if status.over:
            error = dict(status.error or {"status": 410, "detail": "the job was cancelled"})
            raise api_error(int(error["status"]), error)


class JobOperations:
    """What both clients can do with jobs."""

    @Operation
    def job(self, /, kind: str, *, model: str | None = None, **fields: Any) -> Flow[JobStatus]:
        """Post a job: `kind` as `job_kinds` lists them, and the fields of its request, such as inputs=[...]."""
        named = {} if model is None else {"model": model}
        response = yield ClientCall("POST", "/v1/jobs", body={"kind": kind, **named, **as_json(fields)})
        return JobStatus.from_json(response.json())

    @Operation
    def wait(
        self, /, job: JobStatus | str, *, progress: Callable[[JobStatus], object] | None = None
    ) -> Flow[JobStatus]:
        """The job once it is done; meanwhile `progress` is told how far it is, about once a second.

        Raises:
            APIError: it failed, was cancelled by the service, or is there no more.
        """
        return (yield from waited(job, progress))

    @Operation
    def job_status(self, /, job: JobStatus | str) -> Flow[JobStatus]:
        """A job as it is now, with its result where it is done."""
        response = yield ClientCall("GET", place(job))
        return JobStatus.from_json(response.json())

    @Operation
    def jobs(self, /) -> Flow[list[JobStatus]]:
        """The jobs that the service keeps for this caller, the newest first, without their results."""
        response = yield ClientCall("GET", "/v1/jobs")
        return [JobStatus.from_json(row) for row in response.json()["jobs"]]

    @Operation
    def job_kinds(self, /) -> Flow[list[dict[str, Any]]]:
        """What kinds of jobs there are: name, description, cost, and the JSON schema of the request."""
        response = yield ClientCall("GET", "/v1/jobs")
        return list(response.json()["kinds"])

    @Operation
    def cancel(self, /, job: JobStatus | str) -> Flow[None]:
        """Cancel a job where it is not over, and make the service forget it and its result."""
        yield ClientCall("DELETE", place(job))
