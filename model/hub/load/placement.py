"""Where the parts of a model stand: on one device, or spread by accelerate over several, host memory and a folder."""

import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from heedmap.model.errors import CheckpointError

EXTRA = "pip install 'heedmap[large]'"
HOST = ("cpu", "disk")  # where weights wait that go to a device for their own layer alone

DeviceMap = str | Mapping[str, str | int | torch.device]  # a way to spread, or the device of each module by its name


def spread(device_map: DeviceMap, device: torch.device, build: Callable[..., tuple[Any, Any]]) -> tuple[Any, Any]:
    """Build a model whose parts are placed by accelerate.

    Args:
        device_map: how, or where each part goes.
        device: where to run: the CPU leaves accelerators alone, any other takes all there are.
        build: takes the options of transformers' from_pretrained, and returns the model and more.

    Raises:
        CheckpointError: accelerate is not installed.
    """
    if find_spec("accelerate") is None:
        raise CheckpointError(f"device_map needs accelerate, which places the parts of a model: {EXTRA}")
    options: dict[str, Any] = {"device_map": device_map if isinstance(device_map, str) else dict(device_map)}
    if device.type == "cpu" and isinstance(device_map, str):
        accelerate: Any = import_module("accelerate.utils")  # an extra, which the type checker may not have
        options["max_memory"] = {"cpu": accelerate.get_max_memory()["cpu"]}
    # Weights that are read as they are stay in the checkpoint's own files; the folder takes those that are not.
    folder = tempfile.TemporaryDirectory(prefix="heedmap-offload-")
    try:
        model, more = build(**options, offload_folder=folder.name)
    except BaseException:
        folder.cleanup()
        raise
    weakref.finalize(model, folder.cleanup)
    return model, more


def device_of(model: Any) -> torch.device:
    """Where a model's inputs go: its device, or the one on which its first part computes."""
    places = _places(model)
    if not places:
        device: torch.device = next(model.parameters()).device
        return device
    return torch.device(next((place for place in places if place not in HOST), "cpu"))


def places_of(model: Any) -> str:
    """Its device, or all places where parts of it stand: cuda:0, cuda:1, cpu, disk."""
    return ", ".join(_places(model)) or str(device_of(model))


def check_values(model: nn.Module) -> None:
    """Refuse a model some of whose weights nobody has read.

    Raises:
        CheckpointError: names them.
    """
    waiting = {
        id(tensor) for module in model.modules() if _is_offloaded(module) for tensor in _tensors(module, deep=False)
    }
    names = [
        name
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]
        if tensor.is_meta and id(tensor) not in waiting
    ]
    if names:
        raise CheckpointError(f"{len(names)} weights have not been read: {', '.join(names[:5])}")


def weight_bytes(model: nn.Module) -> int:
    """Bytes in memory of parameters and buffers, each once where several names share one.

    Weights that wait in host memory count; those in a folder do not. Of quantised ones, what they consist of.
    """
    sizes: dict[tuple[int, ...], int] = {}
    on_disk = {name for name, place in _device_map(model).items() if place == "disk"}
    for path, module in model.named_modules():
        away = any(name == "" or f"{path}.".startswith(f"{name}.") for name in on_disk)
        for tensor in _tensors(module, deep=False):
            for part in _parts(tensor):
                if part.is_meta:  # nothing tells two of them apart but who they are
                    sizes[id(part),] = 0 if away else part.nbytes
                else:
                    sizes[part.data_ptr(), *part.shape] = part.nbytes
    return sum(sizes.values())


def _parts(tensor: Tensor) -> Iterator[Tensor]:
    """The plain tensors that a tensor consists of: a quantised one holds numbers and scales."""
    if hasattr(tensor, "__tensor_flatten__"):
        for name in tensor.__tensor_flatten__()[0]:
            yield from _parts(getattr(tensor, name))
    else:
        yield tensor


def _tensors(module: nn.Module, *, deep: bool) -> list[Tensor]:
    return [*module.parameters(recurse=deep), *module.buffers(recurse=deep)]


def _is_offloaded(module: nn.Module) -> bool:
    """Whether a hook of accelerate brings the module's weights when it runs."""
    hook = getattr(module, "_hf_hook", None)
    hooks = getattr(hook, "hooks", [hook])
    return any(getattr(one, "offload", False) for one in hooks)


def _device_map(model: Any) -> dict[str, Any]:
    return dict(getattr(model, "hf_device_map", None) or {})


def _places(model: Any) -> list[str]:
    """Where accelerate put its parts, each place once, in their order."""
    return list(dict.fromkeys(_name(place) for place in _device_map(model).values()))


def _name(place: str | int | torch.device) -> str:
    if place == "disk":
        return "disk"
    device = torch.device(place)
    return f"cuda:{torch.cuda.current_device()}" if str(device) == "cuda" else str(device)
