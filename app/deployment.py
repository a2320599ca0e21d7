"""A cluster as it is deployed: its Serve config, or its life until a signal ends it."""

import logging
import math
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import ray
import structlog
from ray import serve
from ray.serve.config import HTTPOptions

from heedmap.app.cluster import SLACK, Cluster, application
from heedmap.app.http.logs import configure_logging
from heedmap.app.http.startup import StartupError
from heedmap.app.settings import Settings
from heedmap.model.errors import HeedmapError

APPLICATION = "heedmap"
LOCAL = "local"  # Ray's word for a cluster that is started, and ends with the process
IMPORT_PATH = "heedmap.app.cluster:build"
OBJECT_BYTES = 256 << 20  # of a local cluster's shared memory: eight of the largest bodies or answers on their way
RAISED = re.compile(r"^heedmap[\w.]*: (.+)$", re.MULTILINE)  # the last line of a traceback of ours
SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = structlog.get_logger("heedmap")


def portable(settings: Settings, *, secrets: bool = True) -> dict[str, Any]:
    """What was set, for other processes; without secrets, which they find in their own environment."""
    values = settings.model_dump(mode="json", exclude_unset=True, exclude={"api_keys"})
    if secrets and settings.api_keys:
        values["api_keys"] = [key.get_secret_value() for key in settings.api_keys]
    return values


def config(cluster: Cluster, settings: Settings) -> dict[str, Any]:
    """A Serve config, for `serve deploy` or a KubeRay manifest."""
    entry = {
        "name": APPLICATION,
        "import_path": IMPORT_PATH,
        "route_prefix": "/",
        "logging_config": logs(settings),
    }
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": settings.host, "port": settings.port},
        "logging_config": logs(settings),
        "applications": [{**entry, "args": cluster.model_dump(mode="json")}],
    }


def logs(settings: Settings) -> dict[str, Any]:
    """How Ray's own parts write; a line for each request is the service's."""
    form = "JSON" if settings.log == "json" else "TEXT"
    return {"encoding": form, "log_level": "WARNING", "enable_access_log": False}


def run(cluster: Cluster, settings: Settings, address: str | None = None) -> None:
    """Serve on a Ray cluster until a signal ends it.

    Args:
        settings: those of `cluster`, read.
        address: of a cluster that runs already; without one, there is one of this machine while this runs.

    Raises:
        HeedmapError: it does not start.
    """
    configure_logging(settings.log)
    try:
        ray.init(
            address or LOCAL,
            namespace=APPLICATION,
            logging_level=logging.WARNING,
            **(_here(cluster) if address is None else {}),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        if address is None:
            raise
        raise StartupError(f"address: no Ray cluster lets this in at {address}: {error}", field="address") from error
    try:
        _until_signal(lambda: sys.exit(0))  # nothing is accepted yet
        serve.start(http_options=HTTPOptions(host=settings.host, port=settings.port), logging_config=logs(settings))
        try:
            ingress = serve.run(application(cluster, settings), name=APPLICATION, logging_config=logs(settings))
        except RuntimeError as error:
            raise HeedmapError(_cause() or str(error)) from error
        ended = threading.Event()
        _until_signal(ended.set)
        log.info("serving", url=f"http://{settings.host}:{settings.port}", replicas=cluster.min_replicas)
        ended.wait()
        drained = ingress.broadcast("drain", settings.grace)
        left = drained.results(timeout_s=settings.grace + SLACK, return_exceptions=True)
        log.info("ending", unanswered=sum(count for count in left if isinstance(count, int)))
    finally:
        if address is None:
            serve.shutdown()  # type: ignore[no-untyped-call]
        else:
            serve.delete(APPLICATION)
        ray.shutdown()


def _here(cluster: Cluster) -> dict[str, Any]:
    """A cluster of this machine: as many processes as were asked for, whether it has cores for each or not."""
    return {
        "num_cpus": max(os.cpu_count() or 1, math.ceil(cluster.max_replicas * cluster.cpus)),
        "num_gpus": math.ceil(cluster.max_replicas * cluster.gpus),
        "object_store_memory": OBJECT_BYTES,
        "include_dashboard": False,
    }


def _until_signal(then: Callable[[], Any]) -> None:
    for number in SIGNALS:
        signal.signal(number, lambda *_: then())


def _cause() -> str:
    """What kept the replicas from starting, of the traceback that Ray keeps."""
    application = serve.status().applications.get(APPLICATION)
    texts = [] if application is None else [each.message for each in application.deployments.values()]
    found = [match for text in texts for match in RAISED.findall(text)]
    return found[-1] if found else ""
