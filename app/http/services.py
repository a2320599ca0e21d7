"""What every route works with, gathered in one object on the app."""

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import structlog
from starlette.requests import Request as HttpRequest

from heedmap.app.errors import ServiceError, Stopping, WorkerStopped
from heedmap.app.http.callers import Caller
from heedmap.app.service import garbage
from heedmap.app.service.call import gone
from heedmap.app.service.continuous import Continuous, joinable
from heedmap.app.service.cost import cost_of, is_long, warming
from heedmap.app.service.engine import Engine
from heedmap.app.service.finite import Checking
from heedmap.app.service.flights import Flights, frozen
from heedmap.app.service.jobs.files import JobFiles
from heedmap.app.service.jobs.runner import Jobs
from heedmap.app.service.metrics import Metrics
from heedmap.app.service.models import Models
from heedmap.app.service.resident import Residents
from heedmap.app.service.signals import HeadSignals
from heedmap.app.service.store import TraceStore
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.app.service.stream import Feed
from heedmap.app.service.tiles import Tiles
from heedmap.app.service.watchdog import Watchdog
from heedmap.app.settings import Settings
from heedmap.model.contract import AnyEdit, Measurable, Request, Served
from heedmap.model.errors import HeedmapError, OutOfMemory
from heedmap.model.observer import stage
from heedmap.model.trace.request import request_to_json
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never

STEP = 2048  # tokens of a batch of edited passes, about
WRITERS = 4  # traces written at once: each waits for the disk, and no reader waits for them
STOPPED = {"Retry-After": "2", "Connection": "close"}
T = TypeVar("T")
Edits = Sequence[AnyEdit]

log = structlog.get_logger("heedmap")


@dataclass
class Services:
    """The settings, the workers, the traces and the models of one app.

    engine: brief predictions. tracing: recordings, and what else takes long on the device. reading: maps.
    """

    settings: Settings
    engine: Engine
    tracing: Engine
    reading: Engine
    store: TraceStore
    metrics: Metrics
    models: Models
    tiles: Tiles
    writers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WRITERS, "heedmap-writing"))

    passes: Flights[list[Any]] = field(default_factory=Flights)
    traces: Flights[StoredTrace] = field(default_factory=Flights)
    opening: Flights[StoredTrace] = field(default_factory=partial(Flights, shared=True))
    started: int = field(default_factory=lambda: int(time.time()))  # seconds since 1970
    stopping: bool = False  # told to end: what was accepted is answered, and nothing else
    residents: Residents = field(init=False)
    watchdog: Watchdog = field(init=False)
    signals: HeadSignals = field(init=False)
    jobs: Jobs = field(init=False)

    def __post_init__(self) -> None:
        self.residents = Residents(self.store, self.settings.device_trace_bytes)
        self.watchdog = Watchdog(self.workers, self.settings.hang)
        self.signals = HeadSignals(self.settings.head_signals, self.workers, self.metrics)
        files = JobFiles(self.store.folder, self.store.lifetime)
        self.jobs = Jobs(files, self.models, self.tracing, self.metrics, self.write, self.settings.job_seconds)

    @property
    def workers(self) -> dict[str, Engine]:
        """The workers, by name."""
        return {"device": self.engine, "tracing": self.tracing, "reading": self.reading}

    @property
    def alive(self) -> bool:
        """Whether all workers live."""
        return not self.watchdog.dead()

    def check(self) -> None:
        """Whether the workers work.

        Raises:
            WorkerStopped: one has died, or hangs.
        """
        for states, what in ((self.watchdog.dead(), "has died"), (self.watchdog.hung(), "hangs")):
            if states:
                raise WorkerStopped(f"the {states[0]} worker {what}; restart the service")

    def drain(self) -> None:
        """Accept nothing more."""
        self.stopping = True
        self.jobs.drain()

    def abandon(self) -> None:
        """Answer whatever is still waited for with 503, and stop the work."""
        for worker in self.workers.values():
            worker.abandon(
                Stopping("the service was stopped before this was done; ask again in a moment", headers=STOPPED)
            )

    async def warm(self) -> None:
        """One small prediction of every model that is loaded, so that the first caller's is as fast as the second's."""
        for name in self.models.in_state("loaded"):
            _, model = await self.models.get(name)
            try:
                request = warming(self.models.facts(name))
                await self.predict(name, model, [request])
            except Exception as error:  # a model that cannot answer its example says so to whoever asks it
                log.warning("not_warmed", model=name, cause=repr(error))
        garbage.keep()

    async def predict(self, name: str, model: Served[Trace], requests: Sequence[Request]) -> list[Any]:
        """A prediction or an error for each request, in the line for brief ones or in that for long ones."""
        if is_long(requests):
            return await self._batch(self.tracing, "predict", name, model, requests, Checking(model.predict))
        run = Continuous(model) if joinable(model, requests) else Checking(model.predict)
        return await self._batch(self.engine, "predict", name, model, requests, run)

    async def record(self, name: str, model: Served[Trace], requests: Sequence[Request]) -> list[Any]:
        """A trace or an error for each request; where memory runs out, once more without the resident traces."""

        async def attempt() -> list[Any]:
            return await self._batch(self.tracing, "trace", name, model, requests, Checking(model.trace))

        failure: OutOfMemory | None = None
        try:
            outcomes = await attempt()
        except OutOfMemory as error:
            failure = error
        if failure is None and not any(isinstance(outcome, OutOfMemory) for outcome in outcomes):
            return outcomes
        if await self.write(self.residents.release):
            return await attempt()
        if failure is not None:
            raise failure
        return outcomes

    async def measure(self, name: str, model: Measurable, asked: Request, trace: Trace, edits: Edits) -> list[float]:
        """The value of a trace's objective as it is, then under each edit: a turn of the line for every batch of them.

        Raises:
            InputError: an edit is none of this trace's pass; `field` says which.
        """
        last: Stop = never

        def advance(items: Sequence[None], stop: Stop) -> list[list[float] | None]:
            nonlocal last
            last = stop
            return [next(values, None)]

        values = model.values_under(asked, trace.prediction, [(edit,) for edit in edits], lambda: last())
        cost = float(min(STEP, (len(edits) + 1) * max(len(axis) for axis in trace.axes.values())))
        exclusive = None if getattr(model, "reentrant", False) else id(model)
        key, kind, numbers = ("effects", values), (name, "effects"), list[float]()
        further = False
        while True:
            [some] = await self.tracing.run_batch(
                key, [None], advance, cost=cost, kind=kind, exclusive=exclusive, further=further
            )
            further = True
            if some is None:
                return numbers
            numbers += some

    async def stream(self, name: str, model: Served[Trace], request: Request, feed: Feed) -> list[Any]:
        """A trace or an error of one request, told to `feed` while it arises: so it is nobody else's too."""
        key = (name, "stream", feed)
        return await self._run(self.tracing, key, "trace", name, model, [request], feed.work(model.trace))

    async def _batch(
        self, line: Engine, kind: str, name: str, model: Served[Trace], requests: Sequence[Request], run: Checking
    ) -> list[Any]:
        key = (name, kind) if isinstance(run, Continuous) else (name, kind, requests[0].parameters)
        asked = [(r.inputs, r.target, r.parameters, r.objective, r.edits) for r in requests]
        equal = (kind, id(model), frozen(asked))
        return await self.passes.join(equal, lambda: self._run(line, key, kind, name, model, requests, run))

    async def _run(
        self,
        line: Engine,
        key: Hashable,
        kind: str,
        name: str,
        model: Served[Trace],
        requests: Sequence[Request],
        run: Callable[[Sequence[Any], Stop], list[Any]],
    ) -> list[Any]:
        if not self.alive:  # the process is about to end: no work is begun of which a part may be lost
            raise gone()
        # Most models' modules change while they record, so that no other call may use them meanwhile.
        exclusive = None if getattr(model, "reentrant", False) else id(model)
        cost = cost_of(requests, model.task)
        outcomes = await line.run_batch(key, requests, run, cost=cost, kind=(name, kind), exclusive=exclusive)
        self.metrics.answered(name, requests, outcomes)
        for outcome in outcomes:
            self.signals.offer(name, outcome)
        return outcomes

    async def write(self, function: Callable[[], T]) -> T:
        """Run what writes files; once begun it is done, whether somebody waits for it or not."""
        context = copy_context()  # whose request id stands in the lines that are logged meanwhile
        return await asyncio.get_running_loop().run_in_executor(self.writers, lambda: context.run(function))

    async def keep(self, owner: str, identifier: str, model: str, trace: Trace, request: Request) -> StoredTrace:
        """Keep a trace, with what it was asked by: on an accelerator readable at once and written behind, else written.

        Raises:
            StorageFull, StoreUnavailable: as the store does.
        """
        trace = replace(trace, request=request_to_json(request))
        if self.residents.takes(trace):
            return await self.write(lambda: self.residents.keep(owner, identifier, model, trace))
        with stage("write"):
            return await self.write(lambda: self.store.put(owner, identifier, model, trace))

    async def trace(self, caller: Caller, identifier: str) -> StoredTrace:
        """A trace of the caller's, from memory or from its file.

        Raises:
            NotFound: the caller has no such trace. TraceError: its file is damaged.
        """
        key = caller.owner, identifier
        held = self.residents.get(*key) or self.store.peek(*key)
        if held is not None:
            return held
        return await self.opening.join(key, lambda: self._open(*key))

    async def settle(self, owner: str, identifier: str) -> None:
        """Wait until a trace's file is whole, here and in the store behind the folder.

        Raises:
            StorageFull, StoreUnavailable: it cannot be written.
        """
        if self.residents.bytes:
            await self.write(lambda: self.residents.settle(owner, identifier))
        if self.store.remote:  # it may be in this host's folder alone
            await self.write(lambda: self.store.settle(owner, identifier))

    async def delete(self, owner: str, identifier: str) -> None:
        """Forget a trace.

        Raises:
            NotFound: this owner has no such trace. StoreUnavailable: it is still there.
        """

        def forget() -> None:
            self.residents.forget(owner, identifier)
            self.store.delete(owner, identifier)

        await self.write(forget)

    async def _open(self, owner: str, identifier: str) -> StoredTrace:
        """A trace from its file, read and checked a few megabytes at a time."""
        try:
            if self.store.remote:
                await self.write(lambda: self.store.confirm(owner, identifier))
            with stage("open"):
                *_, held = await self.reading.run_turns(self.store.opening(owner, identifier))
        except (ServiceError, HeedmapError) as error:
            raise error.with_traceback(None) from None  # which holds what was read
        assert held is not None
        return held


async def services(request: HttpRequest) -> Services:
    """A dependency: the app's services."""
    bundle: Services = request.app.state.services
    return bundle
