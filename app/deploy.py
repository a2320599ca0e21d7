"""`heedmap deploy`: the service as replicas on Ray, here or on a cluster that runs already."""

import os
import secrets
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from heedmap.app import options
from heedmap.model.errors import InputError

EXTRA = "'heedmap[cluster]'"
# Of a cluster that is started here; Ray reads some of it when it is imported. Nothing is told to its makers. Its proxy
# believes no X-Forwarded-For: the service does, where its settings name proxies. No line of a replica's log is held
# back because another wrote the same.
VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "FORWARDED_ALLOW_IPS": "",
}


def deploy(
    host: options.Host = None,
    port: options.Port = None,
    model: options.Model = None,
    load: options.WhenLoaded = None,
    device: options.Where = None,
    traces: options.Traces = None,
    root_path: options.RootPath = None,
    keys: options.KeysFile = None,
    everybody: options.Everybody = False,
    replicas: Annotated[int, typer.Option(min=1, help="Replicas at least.")] = 1,
    max_replicas: Annotated[
        int | None, typer.Option(min=1, help="Replicas at most, as more requests wait. [default: no more]")
    ] = None,
    cpus: Annotated[
        float | None, typer.Option(min=0.1, help="Cores of a replica. [default: its part of this machine's]")
    ] = None,
    gpus: Annotated[
        float | None, typer.Option(min=0, help="GPUs of a replica, or a part of one. [default: 1 where there is one]")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster that runs: auto, or HOST:PORT. [default: one is started here]")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a config for `serve deploy` or KubeRay, and run nothing. - prints it."
        ),
    ] = None,
) -> None:
    """Serve from several processes or machines, with Ray. What is not given is taken from HEEDMAP_* as by serve."""
    if find_spec("ray") is None:
        raise InputError(f"replicas run on Ray Serve, which is not installed: pip install {EXTRA}")
    if address is None:
        os.environ.update(_variables())
    from heedmap.app.cluster import Cluster, check
    from heedmap.app.deployment import config, portable, run
    from heedmap.app.http.startup import StartupError, read_settings

    settings = read_settings(options.given(host, port, model, load, device, traces, root_path, keys, everybody))
    most = max_replicas or replicas
    if most < replicas:
        raise StartupError(f"max-replicas: {most} is under the {replicas} that there shall be at least")
    if gpus is None:
        gpus = float(settings.device != "cpu" and (settings.device != "auto" or _has_gpu()))
    changed: dict[str, Any] = {}
    if settings.device == "auto":
        changed["device"] = "cuda" if gpus else "cpu"
    if len(settings.models) > 1 and "load" not in settings.model_fields_set:
        changed["load"] = "first-use"  # so that each replica has the models that it is asked for
    here = address is None and write is None
    check(settings, gpus, here=here)
    cluster = Cluster(
        min_replicas=replicas,
        max_replicas=most,
        cpus=cpus or max(1, (os.cpu_count() or 1) // most),
        gpus=gpus,
        settings=portable(settings, secrets=write is None) | changed,
    )
    if write is None:
        run(cluster, settings, address)
        return
    import yaml

    text = yaml.safe_dump(config(cluster, settings), sort_keys=False)
    if str(write) == "-":
        sys.stdout.write(text)
    else:
        write.write_text(text, encoding="utf-8")


def _variables() -> dict[str, str]:
    """What Ray's processes shall have in their environment."""
    if "RAY_AUTH_MODE" in os.environ:
        return VARIABLES
    # They listen on all addresses, and obey whoever has this.
    return {**VARIABLES, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
