"""One step of a job, on the worker; and a job with what it takes to run it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from heedmap.app.errors import DeadlineExceeded, Overloaded, RateLimited
from heedmap.app.service.engine import Engine
from heedmap.app.service.jobs.job import Job
from heedmap.app.service.jobs.kind import JobRequest, Kind, Progress, Steps, Work
from heedmap.model.watch import Stop

AGAIN = 1.0  # seconds until a step that found no place in the line tries again


@dataclass(eq=False)
class Accepted:
    """A job with what it takes to run it.

    caller: in whose turns it has its own. written: its file is there. begun: its task has. stopped: it is to end.
    ending: nothing but its file is to be done. forgotten: it needs none.
    """

    job: Job
    kind: Kind[Any]
    body: JobRequest
    caller: str
    written: bool = False
    begun: bool = False
    stopped: bool = False
    ending: bool = False
    forgotten: bool = False

    def stop(self, task: "asyncio.Task[None]") -> None:
        """Cancel its task, unless it is over; one that has not begun finds out when it does."""
        self.stopped = True
        if self.begun and not self.ending:
            task.cancel()


@dataclass(frozen=True, eq=False)
class Result:
    """What a job returned."""

    value: dict[str, Any]


async def step(worker: Engine, job: Job, steps: Steps, work: Work, exclusive: object) -> Progress | Result:
    """One step on the worker, as soon as there is a place in its line.

    exclusive: what no other call may use meanwhile.

    Raises:
        DeadlineExceeded: it took longer than any call may. And whatever the step raises.
    """
    begun = False

    def advance(items: Sequence[None], stop: Stop) -> list[Progress | Result]:
        nonlocal begun
        begun, work.step = True, stop
        try:
            return [next(steps)]
        except StopIteration as end:
            return [Result(end.value)]

    while True:
        try:
            [outcome] = await worker.run_batch(
                ("job", job.id), [None], advance, kind=("job", job.kind), exclusive=exclusive
            )
        except (Overloaded, RateLimited, DeadlineExceeded):
            if begun:
                raise
            await asyncio.sleep(AGAIN)
        else:
            assert isinstance(outcome, Progress | Result)
            return outcome
