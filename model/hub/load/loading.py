"""A checkpoint folder into memory: weights from safetensors alone, every one of them there, and no code but our own."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from heedmap.model.card import licence
from heedmap.model.errors import CheckpointError
from heedmap.model.hub.load import adapters, placement, quantisation, switches, weights
from heedmap.model.hub.load.safety import CONFIG, check, weight_files
from heedmap.model.hub.load.sources import Source, read_json, resolve, revision_of
from heedmap.model.hub.load.task_choice import choose_task
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.quiet import quiet_loading

T = TypeVar("T")

TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer.model"),
    *("spiece.model", "sentencepiece.bpe.model", "source.spm", "spm.model"),
)


def read_config(folder: Path, location: str | None = None) -> Any:
    """The transformers configuration of a folder that was found to be safe.

    Raises:
        UnsafeCheckpoint: it asks for code of its own, or its weights are pickles; `location` is what the user calls it.
        CheckpointError: it cannot be read, or transformers does not know its model type.
    """
    raw = check(folder, location)
    import transformers

    model_type = raw.get("model_type")
    if not isinstance(model_type, str):
        raise CheckpointError(f"{CONFIG} has no model_type, so nothing says what {folder.name} is")
    if model_type not in transformers.CONFIG_MAPPING:
        architectures = ", ".join(str(name) for name in raw.get("architectures") or []) or "unnamed"
        raise CheckpointError(
            f"transformers {transformers.__version__} knows no model type {model_type!r} (architecture {architectures})"
        )
    options = {"trust_remote_code": False, "local_files_only": True}
    with quiet_loading():
        return _attempt(CONFIG, lambda: switches.read(folder, raw, **options))


def load(
    folder: Path,
    auto_class: str,
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    attention: str = "eager",
    adapter: adapters.Adapter | None = None,
    device_map: placement.DeviceMap | None = None,
    quantize: str | None = None,
) -> Loaded:
    """Load a model with its head, and the processors that the folder has files of.

    Args:
        folder: the checkpoint.
        auto_class: the transformers class that knows the head: AutoModelForMaskedLM.
        device: where to run.
        dtype: of the weights; unless given the checkpoint's own on an accelerator, float32 on the CPU.
        attention: the name of the attention function, as transformers' AttentionInterface has it.
        adapter: what is merged into it.
        device_map: how accelerate spreads it over several devices, host memory and disk.
        quantize: how its weights are quantised as they come: int8.

    Raises:
        UnsafeCheckpoint: it asks for code of its own, or its weights are pickles.
        CheckpointMismatch: weights are missing or of another shape than the configuration says.
        CheckpointError: it cannot be read.
    """
    import transformers

    config = read_config(folder)
    quantised, further = quantisation.read(config), dict[str, Any]()
    if quantize is not None:
        quantised, further["quantization_config"] = quantisation.on_the_fly(quantize, quantised)
    elif quantised is not None:
        further = quantisation.loading_options(quantised)
    if adapter is not None:
        _refuse_merging(quantised, device_map)
        adapters.fit(config, adapter)
    files = weight_files(folder)
    patterns = weights.renamed(weights.names(files))
    device = torch.device(device)
    default = "auto" if device.type != "cpu" else torch.float32
    chosen = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    options = {"trust_remote_code": False, "local_files_only": True}
    if device_map is None and quantised is not None:  # packed weights are laid out for the device that they come to
        device_map = {"": device}

    def build(**places: Any) -> tuple[Any, dict[str, Any]]:
        built: tuple[Any, dict[str, Any]] = getattr(transformers, auto_class).from_pretrained(
            folder,
            config=config,
            **({"key_mapping": patterns} if patterns else {}),
            dtype=default if chosen is None else chosen,
            attn_implementation=attention,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # told below, with both shapes
            output_loading_info=True,
            **options,
            **further,
            **places,
        )
        return built

    spread = None if device_map is None else partial(placement.spread, device_map, device, build)
    with quiet_loading():
        try:
            model, info = _attempt(f"{config.model_type} as {auto_class}", spread or build)
        except CheckpointError as error:
            raise error if quantised is None else quantisation.explained(error, quantised, device) from error
        replaced = frozenset() if adapter is None else adapter.replaced
        if quantised is not None and quantised.known.spare is not None:
            info["unexpected_keys"] -= weights.zeros(files, info["unexpected_keys"], quantised.known.spare)
        unused = weights.check(model, info, bare=auto_class == "AutoModel", replaced=replaced)
        revision, licences, places = revision_of(folder), [licence(folder)], [folder]
        if adapter is not None:
            merging = adapter
            model = _attempt("the adapter", lambda: adapters.merge(model, merging))
            revision = adapter.revision(revision)
            licences.append(licence(adapter.folder))
            places.insert(0, adapter.folder)  # which may bring tokens of its own
        place = next((one for one in places if any((one / name).is_file() for name in TOKENIZER_FILES)), None)
        tokenizer = None
        if place is not None:
            arguments = {"config": config, **options}  # or it reads the file again, with what was taken out
            splitting: Any = transformers.AutoTokenizer
            tokenizer = _attempt("the tokenizer", lambda: splitting.from_pretrained(place, **arguments))
        image, audio = None, None
        kinds = _processors(folder)
        if "image" in kinds:
            automatic: Any = transformers.AutoImageProcessor
            image = _attempt("the image processor", lambda: automatic.from_pretrained(folder, backend="pil", **options))
        if "audio" in kinds:
            hearing: Any = transformers.AutoFeatureExtractor
            audio = _attempt("the feature extractor", lambda: hearing.from_pretrained(folder, **options))
        if spread is None:
            model = _attempt(f"the weights on {device}", lambda: model.to(device))
        else:
            placement.check_values(model)
            quantisation.check_shapes(model)
        model.eval().requires_grad_(False)
    terms = ", ".join(dict.fromkeys(name for name in licences if name)) or None
    kind = "" if quantised is None else str(quantised)
    return Loaded(model, model.config, tokenizer, image, audio, folder, revision, terms, unused, kind)


def _refuse_merging(quantised: quantisation.Quantisation | None, device_map: placement.DeviceMap | None) -> None:
    """An adapter is added into plain weights that are all in host memory.

    Raises:
        CheckpointError: they are not, or not there.
    """
    advice = "merge the two first (PEFT's merge_and_unload) and save the whole with save_pretrained"
    if quantised is not None:
        raise CheckpointError(f"an adapter cannot be merged into {quantised}: take the base as it was, or {advice}")
    if device_map is not None:
        raise CheckpointError(f"an adapter is merged into a base that stands whole in memory, not spread out: {advice}")


def _processors(folder: Path) -> set[str]:
    """Which processors the folder has files of: image, audio."""
    kinds: set[str] = set()
    for name in ("processor_config.json", "preprocessor_config.json"):
        settings = read_json(folder / name) if (folder / name).is_file() else {}
        if not isinstance(settings, dict):
            raise CheckpointError(f"{name} must be a JSON object")
        kinds |= {
            kind for key, kind in (("image_processor", "image"), ("feature_extractor", "audio")) if settings.get(key)
        }
        if name.startswith("pre") and settings and not kinds:
            is_audio = "sampling_rate" in settings and "image_processor_type" not in settings
            kinds.add("audio" if is_audio else "image")
    return kinds


def _attempt(what: str, action: Callable[[], T]) -> T:
    """Run transformers on files that others made: whatever it raises says that they cannot be used.

    Raises:
        CheckpointError: with the first lines of what it said.
    """
    try:
        return action()
    except CheckpointError:
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{what} cannot be loaded: {said[:400]}") from error


__all__ = [
    "Loaded",
    "Source",
    "choose_task",
    "load",
    "read_config",
    "resolve",
    "revision_of",
]
