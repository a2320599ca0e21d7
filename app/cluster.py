"""`heedmap deploy`: the service as replicas on Ray Serve, behind an ingress that outlives each of them.

A replica is a process with the whole application in it, its models and its workers. The ingress, which holds no model,
lets callers in, hands their requests on, and gives those that lose their replica another one
(`heedmap.app.http.forward`). Ray starts replicas anew whose workers died or hang, and changes their number with the
requests that wait and run. All of them keep traces in one store, so that any of them answers for every trace.

With several models a request goes to replicas that have its model, if they are free; each of them still serves all.
https://docs.ray.io/en/latest/serve/index.html
"""

import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from ray import serve
from starlette.types import ASGIApp, Message, Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from heedmap.app.http.access.gate import Access, Gate
from heedmap.app.http.deadlines import Deadline
from heedmap.app.http.forward import Forward, messages_of
from heedmap.app.http.logs import configure_logging
from heedmap.app.http.startup import SWITCH, StartupError, check_address, check_entry, check_traces, read_settings
from heedmap.app.service.primitives import VARIABLES
from heedmap.app.settings import Settings

if TYPE_CHECKING:  # PyTorch comes with it, of which replicas alone have a use
    from heedmap.app.http.services import Services

ONGOING = 2  # batches at one replica: one that is worked on, one that is ready; more wait where another may take them
TRIES = 3  # to start a replica: what cannot be loaded thrice is not there
HEALTH_SECONDS = 5.0  # between two questions whether a replica's workers work
SLACK = 5.0  # seconds over the deadline until a replica that was told to end is ended


class Cluster(BaseModel):
    """What is run, and what `args` of a Serve config hold.

    settings: of the service, by name; each replica reads what is not there from HEEDMAP_* of its own environment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_replicas: int = Field(1, ge=1)
    max_replicas: int = Field(1, ge=1)
    cpus: float = Field(1.0, gt=0, description="Cores of a replica.")
    gpus: float = Field(0.0, ge=0, description="GPUs of a replica; a fraction shares one.")
    ingresses: int = Field(1, ge=1, description="Processes that let callers in.")
    settings: dict[str, Any] = {}

    @model_validator(mode="after")
    def _check_order(self) -> "Cluster":
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas is {self.max_replicas}, under min_replicas, which is {self.min_replicas}")
        return self


class Replica:
    """The service in a process of its own, without a port."""

    async def __init__(self, settings: dict[str, Any]) -> None:  # type: ignore[misc]  # Ray awaits it
        from heedmap.app.http.main import create_app

        sys.setswitchinterval(SWITCH)
        self.app = create_app(read_settings(settings))
        self.services: Services = self.app.state.services
        life = self.app.router.lifespan_context(self.app)
        await life.__aenter__()
        self._life = life
        await self.services.warm()

    async def answer(self, scope: Scope, body: bytes) -> AsyncIterator[list[Message]]:
        """The answer to a request."""
        if model := serve.get_multiplexed_model_id():
            await self.holds(model)
        async for messages in messages_of(self.app, {**scope, "app": self.app}, body):
            yield messages

    @serve.multiplexed(max_num_models_per_replica=-1)  # type: ignore[untyped-decorator]
    async def holds(self, model: str) -> str:
        """Let Ray know that this replica has a model, or is about to; the service loads it, and may let it go again."""
        return model

    async def check_health(self) -> None:
        """Whether the workers work; Ray starts another replica where they do not.

        Raises:
            WorkerStopped: one has died, or hangs.
        """
        self.services.check()

    async def __del__(self) -> None:  # Ray awaits it, once all is answered
        if hasattr(self, "_life"):
            self.services.drain()
            await self._life.__aexit__(None, None, None)
            del self._life


class Ingress:
    """Lets callers in, and hands on what they ask."""

    def __init__(self, settings: dict[str, Any], replicas: Any) -> None:
        self.settings = read_settings(settings)
        configure_logging(self.settings.log)
        check_entry(self.settings)
        self.forward = Forward(replicas, self.settings.body_bytes, self.settings.models)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """The same refusals as a replica's, before anything of a body is read."""
        app: ASGIApp = Access(self.forward, Gate(self.settings))
        app = Deadline(app, self.settings.deadline)
        if self.settings.proxies:
            app = ProxyHeadersMiddleware(app, trusted_hosts=list(self.settings.proxies))  # type: ignore[arg-type, assignment]
        return app

    async def drain(self, seconds: float) -> int:
        """Accept nothing more; how many requests have no answer after so many seconds."""
        return await self.forward.drain(seconds)


def check(settings: Settings, gpus: float, *, here: bool) -> None:
    """Find out what is wrong with the settings of replicas before any is started.

    Args:
        here: whether they all run on this machine.

    Raises:
        StartupError: something is.
    """
    check_entry(settings)
    if here:
        check_address("port", settings.host, settings.port)
        check_traces(settings.trace_folder)
        Gate(settings)  # reads the keys
    elif "traces" not in settings.model_fields_set:
        raise StartupError(
            "traces: on several hosts they are kept where each finds the others': name a folder that all of them share "
            "or an object store such as s3://bucket/prefix, with --traces or HEEDMAP_TRACES",
            field="traces",
        )
    if str(settings.traces).startswith("memory:"):
        raise StartupError(
            "traces: memory:// is each process's own, and replicas share theirs: name a folder or s3://bucket/prefix",
            field="traces",
        )
    if settings.metrics_port is not None:
        raise StartupError(
            "metrics_port: replicas of one host would all listen on it; leave it out, Ray exports metrics of its own",
            field="metrics_port",
        )
    if settings.device.startswith("cuda:"):
        raise StartupError(
            "device: Ray deals out the GPUs, so that a replica has cuda, without a number", field="device"
        )
    if settings.device == "cuda" and not gpus:
        raise StartupError("gpus: replicas on cuda need one each, or a part of one such as --gpus 0.5", field="gpus")


def build(cluster: Cluster) -> serve.Application:
    """The application of a Serve config: `import_path: heedmap.app.cluster:build`.

    Raises:
        StartupError: the settings make no sense for several hosts.
    """
    settings = read_settings(cluster.settings)
    check(settings, cluster.gpus, here=False)
    return application(cluster, settings)


def application(cluster: Cluster, settings: Settings) -> serve.Application:
    """An ingress before its replicas.

    Args:
        settings: those of `cluster`, read.
    """
    cores = str(max(1, int(cluster.cpus)))
    options = {
        "num_cpus": cluster.cpus,
        "num_gpus": cluster.gpus,
        # What PyTorch takes for its threads, and how many compiled products it keeps.
        "runtime_env": {"env_vars": {**VARIABLES, "OMP_NUM_THREADS": cores}},
    }
    replicas = serve.deployment(
        name="replica",
        ray_actor_options=options,
        autoscaling_config={
            "min_replicas": cluster.min_replicas,
            "max_replicas": cluster.max_replicas,
            "target_ongoing_requests": settings.batch,
        },
        max_ongoing_requests=ONGOING * settings.batch,
        max_queued_requests=settings.queue,
        health_check_period_s=HEALTH_SECONDS,
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=settings.deadline + SLACK,
        max_constructor_retry_count=TRIES,
    )(Replica).bind(cluster.settings)
    ingress = serve.deployment(
        name="ingress",
        num_replicas=cluster.ingresses,
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=settings.connections,
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=settings.deadline + SLACK,
        max_constructor_retry_count=TRIES,
    )
    return ingress(serve.ingress()(Ingress)).bind(cluster.settings, replicas)
