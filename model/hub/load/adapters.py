"""PEFT's adapters: a base and what was learnt on top of it, served as the one model that they make when merged."""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from heedmap.model.errors import CheckpointError, CheckpointMismatch, UnsafeCheckpoint
from heedmap.model.files import refuse_damaged
from heedmap.model.hub.load.safety import ADAPTER, ADAPTER_WEIGHTS, check_code
from heedmap.model.hub.load.sources import (
    REVISION_CHARACTERS,
    Source,
    is_pickle,
    pickle_message,
    read_json,
    resolve,
    revision_of,
)

EXTRA = "pip install 'heedmap[peft]'"
# Kinds that peft adds into the weights of the base without a rest; the others change what is read (prompts, prefixes),
# choose among several at run time, or load further adapters by name.
MERGED = ("LORA", "ADALORA", "IA3", "LOHA", "LOKR", "OFT", "BOFT", "HRA", "VERA", "FOURIERFT", "LN_TUNING")
AT_RUN_TIME = ("alora_invocation_tokens", "arrow_config")  # of LoRAs that set in at a token, or choose among several
# peft's names of the heads that an adapter was trained with.
TASKS = {
    "SEQ_CLS": "text-classification",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
    "CAUSAL_LM": "text-generation",
    "FEATURE_EXTRACTION": "feature-extraction",
}
PREFIX = "base_model.model."  # before every name in an adapter's file
HEADS = ("score.weight", "classifier.weight", "classifier.out_proj.weight")  # a row a label
EMBEDDING = re.compile(r"(embed_tokens|wte|word_embeddings|shared)(\.base_layer|\.modules_to_save)?\.weight$")
ORIGINAL = ".original_module."  # the base's own weights, which some releases save beside what replaces them
LISTED = 5  # tensors that a message names


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder, what its adapter_config.json says, and the shapes of its tensors by their names."""

    folder: Path
    config: dict[str, Any]
    shapes: dict[str, list[int]]

    @property
    def task(self) -> str | None:
        """The task that it was trained for, where it says so."""
        return TASKS.get(str(self.config.get("task_type")))

    @property
    def replaced(self) -> frozenset[str]:
        """The weights of the base that it replaces as a whole: a head, embeddings."""
        return frozenset(self._base_shapes())

    @property
    def labels(self) -> int | None:
        """How many labels its head tells apart."""
        shapes = self._base_shapes()
        return next((shapes[name][0] for name in HEADS if name in shapes), None)

    @property
    def vocabulary(self) -> int | None:
        """The rows of its embeddings, where it brings its own."""
        return next((shape[0] for name, shape in self.shapes.items() if EMBEDDING.search(name)), None)

    def revision(self, base: str) -> str:
        """Of base and adapter together."""
        return hashlib.sha256(f"{base} {revision_of(self.folder)}".encode()).hexdigest()[:REVISION_CHARACTERS]

    def _base_shapes(self) -> dict[str, list[int]]:
        return {_base_name(name): shape for name, shape in self.shapes.items()}


def _base_name(name: str) -> str:
    """What the base calls a weight that an adapter replaces as a whole."""
    return name.removeprefix(PREFIX).replace(".modules_to_save.", ".").replace(".base_layer.", ".")


def is_adapter(folder: Path) -> bool:
    """Whether a folder is an adapter rather than a whole model."""
    return (folder / ADAPTER).is_file()


def find(source: Source) -> tuple[Path, Adapter | None]:
    """The folder of the base, and the adapter that goes onto it; downloaded where they are on a hub.

    Raises:
        UnsafeCheckpoint: the adapter is a pickle, or asks for code of its own.
        CheckpointError: one of them cannot be had, or the adapter is of a kind that cannot be merged.
    """
    if source.adapter is not None:
        other = Source.parse(source.adapter)
        if other != Source(other.location, other.revision):
            raise CheckpointError("an adapter has no options of its own; options read like ?adapter=PATH&task=...")
        folder = resolve(other)
        if not is_adapter(folder):
            raise CheckpointError(f"{source.adapter} is no adapter: it has no {ADAPTER}")
        return resolve(source), read(folder, other.location)
    folder = resolve(source)
    if not is_adapter(folder):
        return folder, None
    adapter = read(folder, source.location)
    name = adapter.config.get("base_model_name_or_path")
    command = f"name the base and the adapter: NAME=BASE?adapter={source.location}"
    if not isinstance(name, str) or not name:
        raise CheckpointError(f"{ADAPTER} does not say of which model it is the adapter; {command}")
    revision = adapter.config.get("revision")
    try:
        base = resolve(Source(name, revision if isinstance(revision, str) and not Path(name).is_dir() else None))
    except CheckpointError as error:
        raise type(error)(f"the base that {ADAPTER} names cannot be had ({error}); {command}") from error
    return base, adapter


def read(folder: Path, location: str | None = None) -> Adapter:
    """What is known of an adapter without its base.

    Args:
        folder: the adapter.
        location: what the user called it, for the command that converts it.

    Raises:
        UnsafeCheckpoint: it is a pickle, or asks for code of its own.
        CheckpointError: it cannot be read, or is of a kind that cannot be merged.
    """
    check_code(folder)
    config = read_json(folder / ADAPTER)
    kind = config.get("peft_type") if isinstance(config, dict) else None
    if kind not in MERGED:
        raise CheckpointError(
            f"{ADAPTER} is of the kind {str(kind)[:100]!r}, which cannot be merged into its base; "
            f"merged are {', '.join(MERGED)}"
        )
    for name in AT_RUN_TIME:
        if config.get(name):
            raise CheckpointError(
                f"{ADAPTER} sets {name}: what is added depends on the text, which no merged weights can follow; "
                "adapters that are always on are served"
            )
    if config.get("megatron_config"):
        raise UnsafeCheckpoint(f"{ADAPTER} asks for modules of Megatron (megatron_config), which are not loaded here")
    path = folder / ADAPTER_WEIGHTS
    if not path.is_file():
        pickles = sorted(part.name for part in folder.iterdir() if is_pickle(part.name))
        if pickles:
            raise UnsafeCheckpoint(pickle_message(pickles[0], location or str(folder)))
        raise CheckpointError(f"the adapter has no {ADAPTER_WEIGHTS}")
    refuse_damaged(path)
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{ADAPTER_WEIGHTS} is not a readable safetensors file: {error}") from error
    if find_spec("peft") is None:
        raise CheckpointError(f"adapters are merged by peft, which is not installed: {EXTRA}")
    return Adapter(folder, config, shapes)


def fit(config: Any, adapter: Adapter) -> None:
    """Give the base's configuration as many labels as the adapter's head has."""
    if adapter.labels is not None and adapter.labels != config.num_labels:
        config.num_labels = adapter.labels


def merge(model: Any, adapter: Adapter) -> Any:
    """The base with the adapter in its weights, every tensor of it.

    Raises:
        CheckpointMismatch: the adapter has tensors that the base has no place for, or lacks some.
    """
    peft: Any = import_module("peft")  # an extra, which the type checker may not have

    if adapter.vocabulary is not None and adapter.vocabulary != model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(adapter.vocabulary, mean_resizing=False)  # its rows are the adapter's own
    weights = {name for name, _ in model.named_parameters(remove_duplicate=False)}  # before peft wraps what it changes
    config = peft.PeftConfig.from_pretrained(str(adapter.folder))
    wrapped = peft.PeftModel.from_pretrained(model, str(adapter.folder), config=config, torch_device="cpu")
    _untie(wrapped)
    placed: dict[str, Tensor] = peft.get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    lost = [
        name
        for name in sorted(adapter.shapes.keys() - placed.keys())
        if not (EMBEDDING.search(name) or ORIGINAL in name or _base_name(name) in weights)
    ]
    lacking = sorted(placed.keys() - adapter.shapes.keys())
    for names, complaint in ((lost, "has tensors that its base has no place for"), (lacking, "lacks tensors")):
        if names:
            more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
            raise CheckpointMismatch(f"the adapter {complaint}: {', '.join(names[:LISTED])}{more}; is it of this base?")
    return wrapped.merge_and_unload(safe_merge=True)


def _untie(wrapped: Any) -> None:
    """Give each weight that an adapter changes to the one module that it changes it for.

    Embeddings are often the output's weights as well: merged into what both share, what was learnt for one would change
    the other, and what was learnt for both would be added twice.
    """
    changed = [module.get_base_layer() for module in wrapped.modules() if hasattr(module, "get_base_layer")]
    users = Counter(id(weight) for module in wrapped.modules() for weight in module._parameters.values())
    for module in changed:
        for name, weight in list(module._parameters.items()):
            if weight is not None and users[id(weight)] > 1:
                setattr(module, name, torch.nn.Parameter(weight.detach().clone(), weight.requires_grad))


def base_of(source: Source) -> Source:
    """The source without its adapter, as far as local folders tell: for what is said before anything is loaded."""
    folder = Path(source.location).expanduser()
    if source.adapter is not None or not is_adapter(folder):
        return replace(source, adapter=None)
    config = read_json(folder / ADAPTER)
    name = str(config.get("base_model_name_or_path")) if isinstance(config, dict) else ""
    task = source.task or (TASKS.get(str(config.get("task_type"))) if isinstance(config, dict) else None)
    return replace(source, location=name, task=task)
