"""Where checkpoints come from: a local folder as it is, or a hub id whose safe files are downloaded at one revision."""

import hashlib
import json
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from heedmap.model.errors import CheckpointError, UnsafeCheckpoint
from heedmap.model.files import refuse_damaged

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")
DTYPES = ("float32", "bfloat16", "float16")
REVISION_CHARACTERS = 32  # of the SHA-256 that is a local folder's revision

PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
# What is read of a checkpoint besides its weights; never code, never pickles.
SIDE_FILES = ("*.json", "*.txt", "*.model", "*.spm", "*.tiktoken", "*.jinja")
# Weights in formats of other tools, often as large again.
FOREIGN = ("original/*", "onnx/*", "openvino/*", "consolidated*", "*.index.json.bak")
# What a training run leaves beside its weights.
TRAINING = re.compile(r"(training_args|optimizer|scheduler|scaler|rng_state|random_states)")


OPTIONS = ("task", "dtype", "adapter", "generator", "device_map", "quantize")
# Options that take one of a few words.
CHOICES = {
    "dtype": DTYPES,
    "device_map": ("auto", "balanced", "balanced_low_0", "sequential"),  # accelerate's ways to spread a model
    "quantize": ("int8",),
}


@dataclass(frozen=True)
class Source:
    """A model as the command line names it: PATH_OR_HUB_ID[@REVISION][?task=...&dtype=...&adapter=...].

    And &generator=URL, of an OpenAI-compatible API that has the same checkpoint, which then writes; &device_map=auto,
    which spreads it over all devices, host memory and disk; &quantize=int8, which quantises its weights as they come.
    """

    location: str
    revision: str | None = None
    task: str | None = None
    dtype: str | None = None
    adapter: str | None = None  # PATH_OR_HUB_ID[@REVISION] of a PEFT folder
    generator: str | None = None  # of an OpenAI-compatible API that has the same checkpoint
    device_map: str | None = None
    quantize: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Source":
        """Read a source.

        Raises:
            CheckpointError: an option is unknown or has a value that makes no sense.
        """
        location, _, query = text.strip().partition("?")
        options = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)  # a path may hold a plus
        if query and not options:
            raise CheckpointError(f"{query!r} is no option; options read like ?task=fill-mask&dtype=bfloat16")
        settings: dict[str, str] = {}
        for name, value in options:
            if name not in OPTIONS or name in settings or not value:
                raise CheckpointError(f"{name}={value} is no option; options read like ?task=fill-mask&dtype=bfloat16")
            settings[name] = value
        for name, choices in CHOICES.items():
            if settings.get(name) not in (None, *choices):
                raise CheckpointError(f"there is no {name} {settings[name]!r}; there is {', '.join(choices)}")
        before, at, revision = location.rpartition("@")
        if at and HUB_ID.fullmatch(before):  # elsewhere an @ is a part of a folder's name
            location = before
            if not revision:
                raise CheckpointError(f"{text!r} names no revision after the @")
        if not location:
            raise CheckpointError(f"{text!r} names no folder and no hub id")
        return cls(location, revision if at and location == before else None, *map(settings.get, OPTIONS))


def resolve(source: Source) -> Path:
    """The folder of a checkpoint, downloaded where it is on a hub and not in the cache.

    Raises:
        UnsafeCheckpoint: the hub has pickles alone; the message has the command that converts them.
        CheckpointError: there is no such folder, or the hub has no such checkpoint or cannot be asked.
    """
    folder = Path(source.location).expanduser()
    if source.revision is not None:
        beside = folder.with_name(f"{folder.name}@{source.revision}")
        if beside.is_dir():
            return beside
    elif folder.is_dir():
        return folder
    if not HUB_ID.fullmatch(source.location):
        kind = "is a file, and" if folder.is_file() else "is not there:"
        raise CheckpointError(
            f"{source.location} {kind} a checkpoint is a folder with config.json, model.safetensors and tokenizer "
            "files, or a hub id such as Helsinki-NLP/opus-mt-de-en"
        )
    snapshot = download(source, ("*.safetensors", *SIDE_FILES, "README.md"))
    if not any(snapshot.glob("*.safetensors")):
        pickles = [name for name in _listed(source.location, snapshot) if is_pickle(name)]
        if pickles:
            raise UnsafeCheckpoint(pickle_message(pickles[0], source.location))
    return snapshot


def download(source: Source, patterns: tuple[str, ...]) -> Path:
    """A snapshot of a hub repository's matching files, from the cache where it is complete there.

    Raises:
        CheckpointError: the hub cannot be asked, or has no such repository or revision, or keeps it closed.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():  # a bar that moves is for people; in a log it is a thousand lines
        disable_progress_bars()
    try:
        return Path(
            snapshot_download(
                source.location,
                revision=source.revision,
                allow_patterns=list(patterns),
                ignore_patterns=list(FOREIGN),
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError) as error:
        _refuse(source, error)


def _refuse(source: Source, error: Exception) -> NoReturn:
    """What the hub's error means, and what to do about it."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    name = source.location + (f"@{source.revision}" if source.revision else "")
    command = f"hf download {source.location}" + (f" --revision {source.revision}" if source.revision else "")
    match error:
        case GatedRepoError():
            why = "its owner has to grant access: ask for it on its page, then log in with `hf auth login`"
        case RepositoryNotFoundError():
            why = "there is no such folder here and no such repository on the hub, or it is private: `hf auth login`"
        case RevisionNotFoundError():
            why = f"the repository has no revision {source.revision!r}; name a commit, branch or tag"
        case _ if constants.HF_HUB_OFFLINE:
            why = (
                "it is not in the hub's cache and HF_HUB_OFFLINE is set: give a local folder, or download it first "
                f"where there is a network: {command}"
            )
        case _:
            cause = error.__cause__ or error  # the library wraps what the network said
            first = str(cause).strip().splitlines()[:1]
            why = (
                f"there is no such folder here and the hub cannot be asked ({type(cause).__name__}"
                f"{': ' + first[0][:200] if first else ''}): give a local folder, or download it first: {command}"
            )
    raise CheckpointError(f"{name} cannot be had: {why}") from error


def _listed(repository: str, snapshot: Path) -> list[str]:
    """The files that the repository has at the snapshot's revision, as far as the cache knows."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        return sorted(file.path for file in get_cached_repo_tree(repository, revision=snapshot.name))
    except (CachedRepoTreeNotFoundError, OSError, ValueError):
        return sorted(path.name for path in snapshot.iterdir())


def is_pickle(name: str) -> bool:
    """Whether a file of this name is a pickle of weights, by its name alone."""
    path = Path(name)
    return path.suffix in PICKLES and TRAINING.match(path.name) is None


def pickle_message(name: str, location: str) -> str:
    """Why a pickle is not read, and the command that converts it."""
    out = f"{Path(location).name}-safetensors" if HUB_ID.fullmatch(location) else f"{location.rstrip('/')}-safetensors"
    return (
        f"{name} is a pickle, which can run code when opened, and is not read; convert it once: "
        f"heedmap convert {shlex.quote(location)} --out {shlex.quote(out)}"
    )


def revision_of(folder: Path) -> str:
    """The commit of a hub snapshot; of any other folder the SHA-256 over names and contents of what is read, cut short.

    What is read: configuration, tokenizer and processor files and safetensors, those of modules.json's folders too.
    """
    if COMMIT.fullmatch(folder.name) and folder.parent.name == "snapshots":
        return folder.name
    digest = hashlib.sha256()
    for part in (folder, *module_folders(folder)):
        for pattern in sorted((*SIDE_FILES, "*.safetensors")):
            for path in sorted(part.glob(pattern)):
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:REVISION_CHARACTERS]


def module_folders(folder: Path) -> list[Path]:
    """The folders of a sentence-transformers checkpoint's further modules, in order; none for other checkpoints."""
    modules = read_json(folder / "modules.json") if (folder / "modules.json").is_file() else []
    names = [str(module.get("path") or "") for module in modules if isinstance(module, dict)]
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in names):
        raise CheckpointError("modules.json names a folder outside the checkpoint")
    return [folder / name for name in names if name and (folder / name).is_dir()]


def read_json(path: Path) -> Any:
    """A JSON file of a checkpoint.

    Raises:
        CheckpointError: it is missing or no JSON.
    """
    refuse_damaged(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"no {path.name} in {path.parent}: a checkpoint is a folder with config.json, model.safetensors and "
            "tokenizer files"
        ) from error
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path.name} is not JSON: {error}") from error
