"""Pickled checkpoints to safetensors: nothing but tensors is unpickled, and what was written is read back."""

import os
import pickle
import shutil
import warnings
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from heedmap.model.errors import CheckpointError, UnsafeCheckpoint
from heedmap.model.files import refuse_damaged
from heedmap.model.hub.load.safety import ADAPTER, ADAPTER_WEIGHTS, CONFIG, WEIGHTS
from heedmap.model.hub.load.sources import (
    HUB_ID,
    PICKLES,
    SIDE_FILES,
    Source,
    download,
    is_pickle,
    module_folders,
    read_json,
)

COPIED = (*SIDE_FILES, "README.md", "LICENSE*", "NOTICE*")
PREFERRED = "pytorch_model.bin"
SHARDS = "pytorch_model.bin.index.json"


@dataclass(frozen=True)
class Converted:
    """What was written: the folder, its tensors, their bytes, and the names that share another's tensor."""

    folder: Path
    tensors: int
    bytes: int
    shared: int


def convert(location: str, out: Path) -> Converted:
    """Write a pickled checkpoint, or PEFT's adapter, as safetensors, with the files that belong to it.

    Args:
        location: a folder, or a hub id with or without @REVISION.
        out: the new folder; it must not hold anything yet.

    Raises:
        UnsafeCheckpoint: a pickle holds more than tensors.
        CheckpointError: there is no checkpoint, nothing to convert, or something in the way.
    """
    folder = _folder(location)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f"{out} holds something already; name a new folder with --out")
    adapter = (folder / ADAPTER).is_file()
    if not adapter and not (folder / CONFIG).is_file():
        raise CheckpointError(f"no {CONFIG} and no {ADAPTER} in {folder}, so it is no checkpoint")
    parts = (folder, *module_folders(folder))
    pickled = [part for part in parts if not any(part.glob("*.safetensors")) and (part == folder or _pickles(part))]
    if not pickled:
        raise CheckpointError(f"{folder} has safetensors already: it can be served as it is")
    states = {part: _read(part) for part in pickled}
    out.mkdir(parents=True, exist_ok=True)
    for part in parts:
        target = out / part.relative_to(folder)
        target.mkdir(parents=True, exist_ok=True)
        for pattern in (*COPIED, "*.safetensors"):
            for path in part.glob(pattern):
                if path.name != SHARDS:
                    shutil.copyfile(path, target / path.name)
    name = ADAPTER_WEIGHTS if adapter else WEIGHTS
    written = [_write(state, out / part.relative_to(folder) / name) for part, state in states.items()]
    tensors, sizes, shared = zip(*written, strict=True)
    return Converted(out, sum(tensors), sum(sizes), sum(shared))


def _folder(location: str) -> Path:
    folder = Path(location).expanduser()
    if folder.is_dir():
        return folder
    source = Source.parse(location)
    if not HUB_ID.fullmatch(source.location):
        raise CheckpointError(f"{location} is not there: give a folder with {CONFIG} and pickled weights, or a hub id")
    return download(source, (*COPIED, "*.safetensors", *(f"*{suffix}" for suffix in sorted(PICKLES))))


def _pickles(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_pickle(path.name))


def _read(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder's pickles by their names."""
    if (folder / SHARDS).is_file():
        index = read_json(folder / SHARDS)
        names = sorted({str(name) for name in index.get("weight_map", {}).values()}) if isinstance(index, dict) else []
        if not names or any(Path(name).name != name for name in names):
            raise CheckpointError(f"{SHARDS} names no files of this folder")
        files = [folder / name for name in names]
    else:
        pickles = _pickles(folder)
        files = [path for path in pickles if path.name == PREFERRED] or pickles
        if len(files) != 1:
            listed = ", ".join(path.name for path in files[:5]) or "none"
            raise CheckpointError(f"{folder} must have one pickle of weights, {PREFERRED} or another; found: {listed}")
    state: dict[str, Tensor] = {}
    for path in files:
        state.update(_unpickle(path))
    if not state:
        raise CheckpointError(f"{files[0].name} holds no tensors")
    return state


def _unpickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a pickle, by PyTorch's reader that builds tensors and plain containers alone."""
    if not path.is_file():
        raise CheckpointError(f"{path.name} is not there")
    refuse_damaged(path)
    options: dict[str, Any] = {"weights_only": True, "map_location": "cpu"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the age of the file's format
        try:
            try:
                state = torch.load(path, mmap=True, **options)
            except RuntimeError:  # files of PyTorch before 1.6 are no zip archives and cannot be mapped
                state = torch.load(path, **options)
        except pickle.UnpicklingError as error:
            raise UnsafeCheckpoint(
                f"{path.name} holds more than tensors, and opening it could run code; it is not converted"
            ) from error
        except Exception as error:  # whatever a broken file leads the reader to
            raise CheckpointError(f"{path.name} cannot be read: {' '.join(str(error).split())[:300]}") from error
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise UnsafeCheckpoint(f"{path.name} is no table of named tensors; it is not converted")
    others = [name for name, value in state.items() if not _plain(value)]
    if others:
        raise UnsafeCheckpoint(
            f"{path.name} holds more than plain tensors ({', '.join(others[:3])}); save the model's state_dict() alone"
        )
    return {str(name): value.detach() for name, value in state.items()}


def _plain(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized


def _write(state: dict[str, Tensor], path: Path) -> tuple[int, int, int]:
    """Write and verify one file; returns its tensors, bytes, and names that were left to another's tensor."""
    kept, shared = _distinct(state)
    aside = path.with_name(path.name + ".partial")
    save_file(kept, aside, metadata={"format": "pt", **shared})
    with safe_open(aside, framework="pt") as file:
        for name, tensor in state.items():
            written = file.get_tensor(shared.get(name, name))
            if written.dtype != tensor.dtype or not _same(written, tensor):
                raise CheckpointError(f"{name} was not written as it was read; nothing was converted")
    os.replace(aside, path)
    return len(kept), path.stat().st_size, len(shared)


def _distinct(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors of their own memory, and for every name left out the one that it shares its tensor with.

    safetensors' rule: of names for the very same tensor the first is kept, the others stand in the metadata. Tensors
    that are different views of one memory are written apart.
    """
    names: dict[Any, list[str]] = defaultdict(list)
    for name, tensor in state.items():
        place = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        names[place if tensor.numel() else name].append(name)
    kept: dict[str, Tensor] = {}
    shared: dict[str, str] = {}
    storages: set[int] = set()
    for same in names.values():
        first, *others = sorted(same)
        tensor = state[first].contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in storages or storage.nbytes() != tensor.nbytes:
            tensor = tensor.clone()
        storages.add(storage.data_ptr())
        kept[first] = tensor
        shared.update(dict.fromkeys(others, first))
    return kept, shared


def _same(first: Tensor, second: Tensor) -> bool:
    """Equal bit for bit, so that NaN is NaN."""
    if first.shape != second.shape:
        return False
    a, b = (tensor.contiguous().flatten().view(torch.uint8) for tensor in (first, second))
    return torch.equal(a, b)


__all__ = ["Converted", "convert"]
