"""The options that the commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Device(StrEnum):
    """Where models run; auto takes CUDA where there is one."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def place(device: Device) -> str:
    """Where a model is put that runs in this process, as PyTorch calls it.

    Raises:
        StartupError: there is no such device.
    """
    if device is not Device.auto:
        from heedmap.app.http.startup import check_device

        check_device(device.value)
        return device.value
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


class Storage(StrEnum):
    """How a checkpoint of Heedmap's own keeps its weights; they are served in float32 all the same."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"
    int8 = "int8"


class Load(StrEnum):
    """When models are loaded."""

    start = "start"
    first_use = "first-use"


Host = Annotated[str | None, typer.Option(help="The address to listen on. [default: 127.0.0.1]")]
Port = Annotated[int | None, typer.Option(help="The port to listen on. [default: 8000]")]
Model = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=SOURCE",
        help="A model and its name; repeat for more. SOURCE is PATH_OR_HUB_ID[@REVISION], and may go on "
        "with ?task=TASK&dtype=float32|bfloat16|float16 (then quote it); NAME=BASE?adapter=PATH merges a PEFT "
        "adapter, a folder or a hub id, into its base; device_map=auto spreads it over all devices, host memory and "
        "disk; quantize=int8 keeps its weights in a byte each.",
    ),
]
WhenLoaded = Annotated[Load | None, typer.Option(help="When models are loaded. [default: start]")]
Where = Annotated[Device | None, typer.Option(help="Where to run. [default: auto]")]
Traces = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="The folder of trace files; or s3://bucket/prefix, gs://, az://."),
]
RootPath = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="The path under which a proxy serves this and which it strips: /heedmap."),
]
KeysFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Who may ask: keys of heedmap key new.")]
Everybody = Annotated[bool, typer.Option("--open", help="Serve other machines without any key.")]


def given(
    host: str | None,
    port: int | None,
    model: list[str] | None,
    load: Load | None,
    device: Device | None,
    traces: str | None,
    root_path: str | None,
    keys: Path | None,
    everybody: bool,
) -> dict[str, Any]:
    """The settings that these options stand for, None for what is not given."""
    return {
        "host": host,
        "port": port,
        "models": model or None,
        "load": load and load.value,
        "device": device and device.value,
        "traces": traces,
        "root_path": root_path,
        "keys_file": keys,
        "open": everybody or None,
    }
