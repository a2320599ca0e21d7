"""What a checkpoint folder must be before anything of it is opened: safetensors alone, and no code of its own."""

from pathlib import Path
from typing import Any

from heedmap.model.errors import CheckpointError, UnsafeCheckpoint
from heedmap.model.files import refuse_damaged
from heedmap.model.hub.load.sources import is_pickle, module_folders, pickle_message, read_json

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
ADAPTER, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
CONFIGS = (
    CONFIG,
    "tokenizer_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
)
# Further files that are read: whatever of them is there must be itself, not a pointer or a page.
READ = (
    *("tokenizer.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt"),
    *("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "source.spm", "target.spm", "spm.model", INDEX),
    *("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"),
)
KNOWN_MODULES = "sentence_transformers."  # the library's own modules; any other name is code in the folder


def check(folder: Path, location: str | None = None) -> dict[str, Any]:
    """Refuse a folder that asks for code of its own or has no weights in safetensors; returns its config.json.

    Args:
        folder: the checkpoint.
        location: what the user called it, for the command that converts it.

    Raises:
        UnsafeCheckpoint: remote code, or pickles alone.
        CheckpointError: config.json or the weights are missing or unreadable.
    """
    for name in (*CONFIGS, *READ):
        refuse_damaged(folder / name)
    if (folder / ADAPTER).is_file():
        raise CheckpointError(
            f"{ADAPTER} says that this is an adapter of another model, and no base for a further one: merge the two "
            "(PEFT's merge_and_unload) and save the whole with save_pretrained"
        )
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict):
        raise CheckpointError(f"{CONFIG} must be a JSON object")
    check_code(folder)
    explicit = config.get("transformers_weights")
    if explicit is not None and (not isinstance(explicit, str) or not explicit.endswith((".safetensors", INDEX))):
        raise UnsafeCheckpoint(f"{CONFIG} names weights {explicit!r}, which are not safetensors and are not read")
    for path in _weights(folder, explicit, location or str(folder)):
        _check_header(path)
    for part in module_folders(folder):
        pickles = sorted(path.name for path in part.iterdir() if is_pickle(path.name))
        if pickles and not any(part.glob("*.safetensors")):
            raise UnsafeCheckpoint(pickle_message(f"{part.name}/{pickles[0]}", location or str(folder)))
    return config


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold the weights of a folder that was found to be safe."""
    return _weights(folder, read_json(folder / CONFIG).get("transformers_weights"), folder.name)


def check_code(folder: Path) -> None:
    """Refuse a folder whose files ask for code that lies beside them.

    Raises:
        UnsafeCheckpoint: names the file and the code.
    """
    for name in CONFIGS:
        config = read_json(folder / name) if (folder / name).is_file() else {}
        auto_map = isinstance(config, dict) and (config.get("auto_map") or config.get("trust_remote_code"))
        if not auto_map:
            continue
        classes = _classes(auto_map) if isinstance(auto_map, dict) else ["its own"]
        foreign = [reference for reference in classes if not _is_ours(reference)]
        if foreign:  # some checkpoints still name the code that transformers took in: then its own classes serve
            raise UnsafeCheckpoint(
                f"{name} asks for code that comes with the checkpoint ({', '.join(foreign)[:200]}), which is never run"
            )
    if (folder / "custom_generate" / "generate.py").is_file():
        raise UnsafeCheckpoint("custom_generate/generate.py is code that comes with the checkpoint, and is never run")
    modules = read_json(folder / "modules.json") if (folder / "modules.json").is_file() else []
    for module in modules if isinstance(modules, list) else []:
        kind = str(module.get("type", "")) if isinstance(module, dict) else ""
        if not kind.startswith(KNOWN_MODULES):
            raise UnsafeCheckpoint(
                f"modules.json asks for code that comes with the checkpoint ({kind}), never run here"
            )


def _classes(auto_map: dict[str, Any]) -> list[str]:
    """The classes that an auto_map names; a tokenizer may name a slow and a fast one."""
    values = [value for entry in auto_map.values() for value in (entry if isinstance(entry, list) else [entry])]
    return [str(value) for value in values if value is not None]


def _is_ours(reference: str) -> bool:
    """Whether transformers itself has a class of this name, from a module of this name: `modeling_falcon.FalconModel`.

    It is that one which is loaded; what the checkpoint brings is not even looked at.
    """
    import transformers

    module, _, name = reference.rpartition("--")[2].rpartition(".")
    ours = getattr(transformers, name, None) if name.isidentifier() else None
    return ours is not None and str(getattr(ours, "__module__", "")).rpartition(".")[2] == module


def _weights(folder: Path, explicit: str | None, location: str) -> list[Path]:
    """The files of the weights, all of them there."""
    name = explicit or (WEIGHTS if (folder / WEIGHTS).is_file() else INDEX)
    if not (folder / name).is_file():
        pickles = sorted(path.name for path in folder.iterdir() if is_pickle(path.name))
        if pickles:
            raise UnsafeCheckpoint(pickle_message(pickles[0], location))
        others = sorted(path.name for path in folder.glob("*.safetensors"))
        raise CheckpointError(
            f"no {explicit or WEIGHTS} in {folder}" + (f", only {', '.join(others[:5])}" if others else "")
        )
    if not name.endswith(".index.json"):
        return [folder / name]
    index = read_json(folder / name)
    shards = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise CheckpointError(f"{name} has no weight_map")
    names = sorted({str(shard) for shard in shards.values()})
    for shard in names:
        if Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise UnsafeCheckpoint(f"{name} names {shard!r}, which is no safetensors file of this folder")
    missing = [shard for shard in names if not (folder / shard).is_file()]
    if missing:
        raise CheckpointError(f"{name} names {len(missing)} files that are not there: {', '.join(missing[:3])}")
    return [folder / shard for shard in names]


def _check_header(path: Path) -> None:
    """A safetensors file begins with the length of its header, 8 bytes, then the header's brace."""
    refuse_damaged(path)
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:] == b"{":
        return
    if head[:2] == b"PK" or head[:1] == b"\x80":
        raise UnsafeCheckpoint(f"{path.name} holds a pickle, which can run code when opened, and is not read")
    raise CheckpointError(f"{path.name} is not a readable safetensors file")
