"""The application: routes, the workers, and the explorer's files."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from fastapi import Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from heedmap.app import problems
from heedmap.app.http import docs, telemetry
from heedmap.app.http.access.gate import Access, Gate
from heedmap.app.http.access.metrics_port import serving_metrics
from heedmap.app.http.admission import Admission
from heedmap.app.http.compression import Gzip
from heedmap.app.http.deadlines import Deadline, ticketed
from heedmap.app.http.description import describe
from heedmap.app.http.explorer import Explorer
from heedmap.app.http.head import Head
from heedmap.app.http.logs import configure_logging
from heedmap.app.http.observe import Observe
from heedmap.app.http.routes import (
    align,
    attention,
    compare,
    effects,
    health,
    jobs,
    likeliest,
    maps,
    measures,
    open_inference,
    openai,
    pages,
    predict,
    relevance,
    simultaneous,
    sources,
    tiles,
    traces,
)
from heedmap.app.http.routes import models as model_routes
from heedmap.app.http.services import Services
from heedmap.app.http.startup import has_keys, read_settings
from heedmap.app.http.unread import TOGETHER, Answers
from heedmap.app.requests.bodies import BodyLimit
from heedmap.app.requests.open_inference import HEADER as JSON_LENGTH
from heedmap.app.root_path import Prefix
from heedmap.app.service.crew import Crew
from heedmap.app.service.engine import READING, THREAD, TRACING, Engine
from heedmap.app.service.metrics import Metrics
from heedmap.app.service.models import Models
from heedmap.app.service.objects import Objects
from heedmap.app.service.shared_store import SharedTraces
from heedmap.app.service.spans import Watched
from heedmap.app.service.store import SWEEP_SECONDS, TraceStore
from heedmap.app.service.sweeping import keep_swept
from heedmap.app.service.tiles import Tiles
from heedmap.app.settings import Settings
from heedmap.model import __version__

DAY = 86_400.0  # seconds
END = 0.5  # seconds that a worker gets to stop: no step that asks takes longer, and what does not ask is left behind
LONG_NICENESS = 10  # of the worker for what takes long: a tenth of a core where a prediction wants it
READ_NICENESS = 5  # of the worker that reads maps: a quarter


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service, with the models of its settings; loaded when it starts or when they are first asked for."""
    settings = settings or read_settings({})
    configure_logging(settings.log)
    gate = Gate(settings)
    metrics, spans = Metrics(), telemetry.provider(settings)
    watched = Watched(metrics, None if spans is None else spans.get_tracer("heedmap", __version__))
    engine, tracing, reading = workers(settings)
    store = trace_store(settings)
    models = Models(
        settings.models,
        engine,
        metrics,
        device=settings.device,
        budget=settings.model_bytes,
        trace_limit=settings.trace_bytes,
    )
    services = Services(settings, engine, tracing, reading, store, metrics, models, Tiles(reading, store))
    _watch(services, watched)
    explorer = Explorer(joined=settings.explorer == "joined")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for worker in services.workers.values():
            worker.start()
        watching = asyncio.create_task(services.watchdog.watch())
        try:
            await services.write(store.open)
            await services.jobs.open()
            if settings.load == "start":
                await services.models.start()
            else:
                services.models.look()
            sweeper = asyncio.create_task(keep_swept(partial(_sweep, services), SWEEP_SECONDS))
            preparing = asyncio.create_task(explorer.prepare())
            try:
                with serving_metrics(settings, metrics.registry):
                    yield
            finally:
                sweeper.cancel()
                preparing.cancel()
        finally:
            watching.cancel()
            services.signals.stop()
            await services.jobs.close()
            await services.models.stop()
            for worker in services.workers.values():
                worker.stop(patience=END)
            await asyncio.to_thread(services.residents.close)
            services.writers.shutdown(wait=not services.stopping, cancel_futures=True)
            await telemetry.end(spans)

    app = FastAPI(
        title="Heedmap",
        version=__version__,
        summary="Predictions of attention models, and exactly where they looked.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=telemetry.of_requests(spans),
    )
    app.state.services, app.state.gate = services, gate
    app.include_router(health.router)
    app.include_router(open_inference.probes)
    lookers = (
        traces,
        pages,
        maps,
        tiles,
        measures,
        relevance,
        effects,
        likeliest,
        align,
        simultaneous,
        attention,
        compare,
        sources,
        jobs,
    )
    for routes in (model_routes, predict, *lookers, open_inference, openai):
        app.include_router(routes.router, dependencies=[Depends(ticketed)])
    docs.install(app)
    problems.install(app)
    _serve(explorer, app)
    app.add_middleware(BodyLimit, limit=settings.body_bytes)
    app.add_middleware(Access, gate=gate)
    if settings.origins:
        exposed = ["ETag", "Location", "Retry-After", "X-Request-ID", "X-Tile-Shape", "X-Tile-Encoding", JSON_LENGTH]
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["*"],  # clients of standard protocols send headers of their own, none of which is read
            expose_headers=exposed,
        )
    app.add_middleware(Gzip)
    app.add_middleware(Answers, limit=TOGETHER * settings.response_bytes)
    app.add_middleware(Head)
    app.add_middleware(Prefix, root_path=settings.root_path)
    app.add_middleware(Deadline, deadline=settings.deadline)
    app.add_middleware(Observe, metrics=metrics, observer=watched, tracing=spans is not None)
    app.add_middleware(
        Admission,
        line_of=partial(line_of, services),
        metrics=metrics,
        stopping=lambda: services.stopping,
        crossing=bool(settings.origins),
        keyed=has_keys(settings),
    )
    if settings.proxies:  # before all that asks who calls
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.proxies))
    app.openapi = cache(partial(describe, app))  # type: ignore[method-assign]
    return app


async def _sweep(services: Services) -> None:
    """Tidy the folder of traces and jobs."""
    await services.write(services.store.sweep)
    await services.write(services.jobs.files.sweep)


def line_of(services: Services, path: str) -> Engine | None:
    """The line in which a POST to an address would wait: for predictions, for recordings, or for reading."""
    if path in ("/v1/traces", "/v1/align", "/v1/sources", *openai.PATHS) or _of_trace(path):
        return services.tracing
    if path in ("/v1/predict", "/v1/simultaneous") or open_inference.INFER.fullmatch(path):
        return services.engine
    return services.reading if path in ("/v1/attention", "/v1/compare") else None


def _of_trace(path: str) -> bool:
    """Whether a POST to an address makes a trace's pass again."""
    return any(route.ADDRESS.fullmatch(path) for route in (effects, likeliest))


def trace_store(settings: Settings) -> TraceStore:
    """Where the settings keep traces: in a folder, or in an object store with a folder before it."""
    limits: dict[str, Any] = {
        "budget": settings.trace_bytes,
        "memory": settings.memory_bytes,
        "lifetime": settings.trace_days * DAY,
    }
    if isinstance(settings.traces, Path):
        return TraceStore(settings.traces, **limits)
    return SharedTraces(settings.trace_folder, Objects(settings.traces), **limits)


def _watch(services: Services, watched: Watched) -> None:
    """Metrics that are read from the parts that know them, and what those tell."""
    metrics = services.metrics
    services.engine.batches = services.tracing.batches = metrics.batch_size.observe
    services.store.written = metrics.written_bytes.inc
    for name, text, attribute in (
        ("queue", "Calls that wait for a worker.", "waiting"),
        ("worker_alive", "1 while the worker lives.", "alive"),
        ("worker_silent_seconds", "Seconds for which the work at hand has shown no progress.", "silent"),
    ):
        reads = {worker: partial(_number, engine, attribute) for worker, engine in services.workers.items()}
        metrics.gauges(name, text, "worker", reads)
    for worker, engine in services.workers.items():
        engine.waits = metrics.waits.labels(worker).observe
        engine.refusals = partial(_refused, metrics, worker)
        engine.watching = partial(watched.answering, worker)
    metrics.gauge("models_loaded", "Models in memory.", lambda: float(len(services.models.in_state("loaded"))))
    metrics.gauge("model_bytes", "Bytes of the weights in memory.", lambda: float(services.models.bytes))
    counts = {state: partial(_number, services.jobs, state) for state in ("queued", "running")}
    metrics.gauges("jobs_now", "Jobs that wait or run.", "state", counts)
    metrics.gauge("traces", "Traces on disk.", lambda: float(len(services.store)))
    metrics.gauge(
        "device_trace_bytes", "Bytes of traces in the accelerator's memory.", lambda: float(services.residents.bytes)
    )
    metrics.gauge("trace_bytes", "Bytes of traces on disk.", lambda: float(services.store.bytes))


def workers(settings: Settings) -> tuple[Engine, Engine, Engine]:
    """The workers for brief predictions, for what takes long, and for reading; they share the cores where models run.

    The two that can wait step back where cores are scarce: in steps of their work that have begun already, they still
    have the cores that they were given.
    """
    crew = Crew(shared=settings.device == "cpu" or not torch.cuda.is_available())
    make = partial(Engine, queue=settings.queue, deadline=settings.deadline, crew=crew)
    return (
        make(batch=settings.batch, name=THREAD),
        make(batch=settings.batch, name=TRACING, niceness=LONG_NICENESS),
        make(batch=1, name=READING, single=True, niceness=READ_NICENESS),
    )


def _number(part: object, attribute: str) -> float:
    value = getattr(part, attribute)
    return float(value() if callable(value) else value)


def _refused(metrics: Metrics, line: str, cause: str) -> None:
    metrics.refusals.labels(cause, line).inc()


def _serve(explorer: Explorer, app: FastAPI) -> None:
    """What no route answers is a file of the explorer, or nothing: so a wrong method on a route stays a 405."""

    async def fallback(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].removeprefix(scope.get("root_path", "")).startswith(("/v1/", "/v2/")):
            raise HTTPException(404)
        await explorer(scope, receive, send)

    app.router.default = fallback
