"""Checkpoints: a folder of config.json, model.safetensors and tokenizer.json, strict about every key.

Nothing is ever unpickled. Weights may be stored in half precision or in 8-bit rows (see `storage`); they are
served in float32 unless asked otherwise.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor

from heedmap.model.errors import CheckpointError, CheckpointMismatch, UnsafeCheckpoint
from heedmap.model.files import refuse_damaged
from heedmap.model.native import storage
from heedmap.model.native.feature_transformer import FeatureTransformer, FeatureTransformerConfig
from heedmap.model.native.language_model import LanguageModel, LanguageModelConfig
from heedmap.model.native.recurrent import Recurrent, RecurrentConfig
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.native.transformer import Transformer, TransformerConfig

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
STATES = ("training.safetensors", "*.partial")  # of a run under way: no part of the checkpoint
STORAGES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "int8": torch.int8}
Config = TransformerConfig | RecurrentConfig | LanguageModelConfig | FeatureTransformerConfig
Network = Transformer | Recurrent | LanguageModel | FeatureTransformer
_ADAPTER: TypeAdapter[Config] = TypeAdapter(Annotated[Config, Field(discriminator="architecture")])


@dataclass(frozen=True)
class Checkpoint:
    """A network with its tokenizer, and the revision: the SHA-256 of config, weights and tokenizer together."""

    network: Network
    tokenizer: Tokenizer
    revision: str


def build(config: Config) -> Network:
    """A freshly initialised network of this shape."""
    if isinstance(config, LanguageModelConfig):
        return LanguageModel(config)
    if isinstance(config, FeatureTransformerConfig):
        return FeatureTransformer(config)
    return Transformer(config) if isinstance(config, TransformerConfig) else Recurrent(config)


def save(folder: Path, network: Network, tokenizer: Tokenizer, dtype: torch.dtype = torch.float32) -> None:
    """Write a checkpoint folder, its weights cast to `dtype`; torch.int8 stores matrices in 8-bit rows with scales."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(network.config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    tokenizer.save(folder / TOKENIZER)
    save_file(storage.stored(network.state_dict(), dtype), folder / WEIGHTS, metadata={"format": "pt"})


def load(folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Checkpoint:
    """Read a checkpoint folder into a network that is ready to serve.

    Raises:
        UnsafeCheckpoint: the weights are a pickle.
        CheckpointMismatch: a tensor is missing, unexpected or of another shape than the config says, or a matrix in
            8-bit rows lacks its scales.
        CheckpointError: a file is missing or unreadable.
    """
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        refuse_damaged(folder / name)
    config = _read_config(folder)
    data = _read_weights(folder)
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    if len(tokenizer) != config.vocabulary:
        raise CheckpointMismatch(f"{TOKENIZER} has {len(tokenizer)} entries, {CONFIG} says {config.vocabulary}")
    try:
        tensors = storage.read(load_tensors(data))
    except SafetensorError as error:
        raise CheckpointError(f"{WEIGHTS} is not a readable safetensors file: {error}") from error
    network = build(config)
    check_keys(network.state_dict(), tensors)
    network.load_state_dict(tensors, strict=True)
    digest = hashlib.sha256(data)
    for name in (CONFIG, TOKENIZER):
        digest.update((folder / name).read_bytes())
    return Checkpoint(network.to(device=device, dtype=dtype).eval(), tokenizer, digest.hexdigest())


def rewrite(source: Path, out: Path, dtype: torch.dtype) -> int:
    """Write a checkpoint once more, its weights stored otherwise, with all that lies beside them; the bytes of these.

    Raises:
        CheckpointError: `source` is no sound checkpoint, or `out` holds something already.
    """
    loaded = load(source)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f"{out} holds something already; name a new folder with --out")
    shutil.copytree(source, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(WEIGHTS, *STATES))
    save(out, loaded.network, loaded.tokenizer, dtype)
    return (out / WEIGHTS).stat().st_size


def check_keys(expected: dict[str, Tensor], actual: dict[str, Tensor]) -> None:
    """Compare two sets of named tensors.

    Raises:
        CheckpointMismatch: names every tensor that is missing, unexpected or misshapen (the first few of each).
    """
    problems = []
    missing, unexpected = sorted(expected.keys() - actual.keys()), sorted(actual.keys() - expected.keys())
    if missing:
        problems.append(f"missing tensors: {_few(missing)}")
    if unexpected:
        problems.append(f"unexpected tensors: {_few(unexpected)}")
    problems += [
        f"{name} has shape {list(actual[name].shape)}, expected {list(expected[name].shape)}"
        for name in sorted(expected.keys() & actual.keys())
        if expected[name].shape != actual[name].shape
    ]
    if problems:
        raise CheckpointMismatch(f"{WEIGHTS} does not fit {CONFIG}: " + "; ".join(problems[:8]))


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _read_config(folder: Path) -> Config:
    path = folder / CONFIG
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(f"no {CONFIG} in {folder}: a checkpoint is a folder with {CONFIG}, {WEIGHTS} and "
                              f"{TOKENIZER}") from error  # fmt: skip
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "config"
        raise CheckpointError(f"{CONFIG}: {field}: {first['msg']}") from error
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{CONFIG} is not JSON: {error}") from error


def _read_weights(folder: Path) -> bytes:
    path = folder / WEIGHTS
    if not path.is_file():
        pickles = [p.name for p in folder.iterdir() if p.suffix in {".bin", ".pt", ".pth", ".ckpt", ".pkl"}]
        if pickles:
            raise UnsafeCheckpoint(
                f"{pickles[0]} is a pickle, which can run code when opened, and is not read; convert it with "
                f"safetensors.torch.save_file to {WEIGHTS}"
            )
        raise CheckpointError(f"no {WEIGHTS} in {folder}")
    data = path.read_bytes()
    if data[8:9] != b"{" and (data[:2] == b"PK" or data[:1] == b"\x80"):  # those may begin a header's length too
        raise UnsafeCheckpoint(f"{WEIGHTS} holds a pickle, which can run code when opened, and is not read")
    return data
