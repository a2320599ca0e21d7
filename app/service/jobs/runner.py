"""Jobs at work: each is a task that takes its steps on the tracing worker, in the line where everybody has turns.

A job runs outside of any request: it has a deadline of its own, and nobody needs to stay for it. One job of a caller
runs at a time, and a few in all; the others wait, each caller's in its order. A step that finds the line full, or no
time left in it, tries again in a moment: jobs give way.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any

import orjson
import structlog

from heedmap.app import ticket
from heedmap.app.errors import DeadlineExceeded, NotFound, Overloaded, RateLimited, ServiceError, Stopping, TooLarge
from heedmap.app.problems import brief, problem, status_of
from heedmap.app.render.wire import to_json
from heedmap.app.service.engine import Engine
from heedmap.app.service.jobs.files import RESULT_BYTES, JobFiles
from heedmap.app.service.jobs.job import Job
from heedmap.app.service.jobs.kind import JobRequest, Kind, Progress, Work
from heedmap.app.service.jobs.steps import Accepted, Result, step
from heedmap.app.service.metrics import Metrics
from heedmap.app.service.models import Models
from heedmap.app.ticket import Ticket

RUNNING = 4  # at once: they share one worker, and each may hold the memory of its model's largest batch
QUEUED = 64  # that wait, of all callers
QUEUED_EACH = 16  # of one caller
RETRY_AFTER = {"Retry-After": "30"}  # a job takes a minute or more
WRITE_SECONDS = 2.0  # between two writes of a job's progress, which are for other processes that share the folder
POLL_SECONDS = 0.5  # between two looks at a job that another process runs

log = structlog.get_logger("heedmap")


class Jobs:
    """The jobs of one process; all of it is called on the event loop.

    Args:
        files: where jobs are kept.
        models, tracing, metrics: the service's.
        write: runs what waits for the disk, where no reader waits.
        seconds: that a job may take.
    """

    def __init__(
        self,
        files: JobFiles,
        models: Models,
        tracing: Engine,
        metrics: Metrics,
        write: Callable[[Callable[[], Any]], Awaitable[Any]],
        seconds: float,
    ) -> None:
        self.files, self.models, self.tracing, self.metrics = files, models, tracing, metrics
        self.write, self.seconds = write, seconds
        self.stopping = False
        self._waiting: list[Accepted] = []
        self._running: dict[Accepted, asyncio.Task[None]] = {}
        self._here: dict[tuple[str, str], Job] = {}  # those that are not over, and those that could not be written
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many run."""
        return len(self._running)

    async def open(self) -> None:
        """Begin: what processes that have ended left unfinished has failed."""
        self._loop = asyncio.get_running_loop()
        await self.write(self.files.open)

    def drain(self) -> None:
        """Accept no more, and cancel all that there are; from any thread, a signal's handler included."""
        self.stopping = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel_all)

    async def close(self) -> None:
        """Cancel all, and wait until each has been written."""
        self.stopping = True
        self._cancel_all()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self.write(self.files.close)

    async def submit(self, owner: str, kind: Kind[Any], body: JobRequest) -> Job:
        """A new job, which waits for its turn.

        Raises:
            Overloaded, RateLimited: too many wait. Stopping: the service is being stopped. StorageFull: no room.
            InputError: the request cannot be done. NotFound, ModelUnavailable: its model.
        """
        name, _ = await self.models.get(body.model)
        kind.check(body, self.models.facts(name))
        held = ticket.current()
        caller = held.caller if held is not None else owner
        self._admit(caller)
        now = self.files.clock()
        job = Job(uuid.uuid4().hex, owner, kind.name, now, now + self.seconds + self.files.lifetime, self.files.lease)
        accepted = Accepted(job, kind, body, caller)
        self._here[owner, job.id] = job
        self._waiting.append(accepted)  # before anything is awaited: so nobody takes its place
        try:
            await self.write(partial(self._begin, job))
        except BaseException:
            self._waiting.remove(accepted)
            del self._here[owner, job.id]
            raise
        accepted.written = True
        self._count(job)
        self._advance()
        return job

    async def get(self, owner: str, identifier: str) -> Job:
        """A job of this owner.

        Raises:
            NotFound: there is none.
        """
        job = self._here.get((owner, identifier))
        return job if job is not None else await self.write(lambda: self.files.read(owner, identifier))

    async def of_owner(self, owner: str) -> list[Job]:
        """The jobs of this owner, the newest first."""
        kept: list[Job] = await self.write(lambda: self.files.of_owner(owner))
        return [self._here.get((owner, job.id), job) for job in kept]

    async def watch(self, owner: str, identifier: str) -> AsyncGenerator[Job, None]:
        """A job now and after every change, until it is over.

        Raises:
            NotFound: there is none, or it was forgotten meanwhile.
        """
        job = await self.get(owner, identifier)
        here = (owner, identifier) in self._here
        while True:
            changes, shown = job.changes, (job.state, job.progress)
            yield job
            if job.ended:
                return
            while here and job.changes == changes:
                await job.next_change()
            while not here and (job.state, job.progress) == shown:
                await asyncio.sleep(POLL_SECONDS)
                job = await self.get(owner, identifier)

    async def delete(self, owner: str, identifier: str) -> None:
        """Cancel a job within a step, and forget it.

        Raises:
            NotFound: there is none.
        """
        await self.get(owner, identifier)
        with contextlib.suppress(NotFound):  # where the disk was full it has no file
            await self.write(lambda: self.files.delete(owner, identifier))
        job = self._here.pop((owner, identifier), None)
        for accepted in [*self._waiting, *self._running]:
            if accepted.job is job:
                accepted.forgotten = True
                await self._cancel(accepted)

    def _admit(self, caller: str) -> None:
        if self.stopping:
            raise _stopped()
        if len(self._waiting) >= QUEUED:
            raise Overloaded(f"{QUEUED} jobs are waiting already; try again in a while", headers=RETRY_AFTER)
        if sum(each.caller == caller for each in self._waiting) >= QUEUED_EACH:
            raise RateLimited(
                f"{QUEUED_EACH} of the jobs that wait are yours; wait for one, or DELETE it",
                headers=RETRY_AFTER,
            )

    def _advance(self) -> None:
        """Let jobs begin, as long as some may."""
        while len(self._running) < RUNNING and not self.stopping:
            busy = {each.caller for each in self._running}
            accepted = next((each for each in self._waiting if each.caller not in busy and each.written), None)
            if accepted is None:
                return
            self._waiting.remove(accepted)
            self._running[accepted] = asyncio.create_task(self._run(accepted))

    def _cancel_all(self) -> None:
        for accepted in list(self._waiting):
            self._waiting.remove(accepted)
            self._running[accepted] = asyncio.create_task(self._end(accepted, "cancelled", _stopped()))
        for accepted, task in self._running.items():
            accepted.stop(task)

    async def _cancel(self, accepted: Accepted) -> None:
        if accepted in self._waiting:
            self._waiting.remove(accepted)
            await self._end(accepted, "cancelled")
            return
        task = self._running.get(accepted)
        if task is not None:
            accepted.stop(task)
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, accepted: Accepted) -> None:
        job, began = accepted.job, time.monotonic()
        job.state, job.progress = "running", Progress(0, 0, "beginning")
        self._count(job)
        job.change()
        error: Exception | None = None
        accepted.begun = True
        try:
            if accepted.stopped:
                raise asyncio.CancelledError
            with ticket.bearing(Ticket(accepted.caller, began + self.seconds, began)):
                async with asyncio.timeout(self.seconds) as limit:
                    job.result = await self._work(accepted)
            state = "done"
        except asyncio.CancelledError:
            state, error = "cancelled", _stopped() if self.stopping else None
        except TimeoutError as late:
            state, error = "failed", late
            if limit.expired():
                error = DeadlineExceeded(f"the job took over {self.seconds:g} s, the most that one may; ask for less")
        except Exception as failure:
            state, error = "failed", failure
        if state == "failed" and error is not None and status_of(error) == 500:
            log.error("job_failed", job=job.id, kind=job.kind, cause=brief(error), exc_info=error)
        self.metrics.job_seconds.labels(job.kind).observe(time.monotonic() - began)
        await self._end(accepted, state, error)

    async def _work(self, accepted: Accepted) -> Any:
        """The result of a job, step by step."""
        job = accepted.job
        name, model = await self.models.get(accepted.body.model)
        work = Work(name, model, self.models.facts(name), self.metrics.answered)
        steps = accepted.kind.steps(accepted.body, work)
        exclusive = None if getattr(model, "reentrant", False) else id(model)
        written = time.monotonic()
        while True:
            outcome = await step(self.tracing, job, steps, work, exclusive)
            if isinstance(outcome, Result):
                data = to_json(outcome.value)
                if len(data) > RESULT_BYTES:
                    raise TooLarge(
                        f"the result has {len(data):,} bytes, at most {RESULT_BYTES:,} are kept: ask for less at once"
                    )
                return orjson.loads(data)
            job.progress = outcome
            job.change()
            if time.monotonic() - written > WRITE_SECONDS:
                written = time.monotonic()
                if not await self.write(lambda: self._note(job)):
                    raise asyncio.CancelledError

    def _begin(self, job: Job) -> None:
        self.files.hold()
        self.files.make_room(job.owner)
        self.files.write(job)

    def _note(self, job: Job) -> bool:
        """Write how far a job is; false where it has been forgotten meanwhile."""
        try:
            return self.files.update(job)
        except ServiceError:  # a full disk: the job may go on
            return True

    async def _end(self, accepted: Accepted, state: Any, error: Exception | None = None) -> None:
        """A job is over: written, and those who wait are told."""
        accepted.ending = True
        job = accepted.job
        job.state, job.error = state, None if error is None else problem(error)
        job.expires = self.files.clock() + self.files.lifetime
        self._count(job)
        if not accepted.forgotten:
            try:
                if await self.write(lambda: self._note_end(job)):
                    self._here.pop((job.owner, job.id), None)
            except Exception as failure:  # a disk that is gone: the job stays in memory
                log.error("job_unwritten", job=job.id, cause=brief(failure))
        self._running.pop(accepted, None)
        job.change()
        self._advance()

    def _note_end(self, job: Job) -> bool:
        """Write a job that is over, unless it has been forgotten; whether its file says so."""
        try:
            self.files.update(job)
        except ServiceError:
            log.warning("disk_full", job=job.id)
            return False
        return True

    def _count(self, job: Job) -> None:
        self.metrics.jobs.labels(job.kind, job.state).inc()


def _stopped() -> Stopping:
    return Stopping("the service was stopped before this job was done; post it again", headers={"Retry-After": "2"})
