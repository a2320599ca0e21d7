"""Which weights a checkpoint has and which its model needs: nothing made up, nothing dropped without a word."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from heedmap.model.errors import CheckpointError, CheckpointMismatch
from heedmap.model.hub.load.safety import CONFIG

# Weights that a forward pass outside training never reads, so that a checkpoint may lack them.
UNREAD = re.compile(r"(^|\.)(masked_spec_embed|position_ids)$")
# What a module computes by itself today, and older files hold; or what only training reads.
RECOMPUTED = re.compile(
    r"(^|\.)(position_ids|inv_freq|masked_bias|attn\.bias|attention\.bias|cos_cached|sin_cached|relative_position_index|"
    r"relative_coords_table|attn_mask|embed_positions\.weights?|_float_tensor|version|num_batches_tracked|mask_token|"
    r"masked_spec_embed)$"
)
# What wraps a network in training puts its own name before, or between, those of the weights.
WRAPPERS = ("_orig_mod.", "module.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
COMPILED = re.compile(r"(^|(?<=\.))(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
PARALLEL = "module."
# Names of what adapters add, wherever they add it.
ADAPTERS = re.compile(r"(^|[._])(lora|ia3|hada|lokr|oft|boft|vera|adapters?|prompt_encoder|base_layer)([._]|$)", re.I)
POOLER = "pooler."  # on top of a bare encoder; what is served of one are its hidden states
LISTED = 5  # tensors that a message names


def names(paths: Iterable[Path]) -> set[str]:
    """The names of all tensors in these files.

    Raises:
        CheckpointError: one is no safetensors file.
    """
    collected: set[str] = set()
    for path in paths:
        try:
            with safe_open(path, framework="pt") as file:
                collected.update(file.keys())
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path.name} is not a readable safetensors file: {error}") from error
    return collected


def zeros(paths: Iterable[Path], tensors: Iterable[str], pattern: re.Pattern[str]) -> set[str]:
    """Those of these tensors whose names match the pattern and which hold nothing but zeros."""
    wanted = {name for name in tensors if pattern.search(name)}
    if not wanted:
        return set()
    empty = set[str]()
    for path in paths:
        with safe_open(path, framework="pt") as file:
            empty |= {name for name in wanted & set(file.keys()) if not bool(file.get_tensor(name).any())}
    return empty


def renamed(tensors: set[str]) -> dict[str, str] | None:
    """The patterns that take away what a training wrapper put before the names; None where there is nothing.

    Raises:
        CheckpointMismatch: without it two weights would have one name.
    """
    patterns = {COMPILED.pattern: ""} if any(COMPILED.search(name) for name in tensors) else {}
    plain = {name: COMPILED.sub("", name) for name in tensors}
    if plain and all(name.startswith(PARALLEL) for name in plain.values()):
        patterns[r"^module\."] = ""
        plain = {name: short.removeprefix(PARALLEL) for name, short in plain.items()}
    if len(set(plain.values())) < len(plain):
        raise CheckpointMismatch(
            f"the weights hold some names with and without the prefix of a training wrapper ({', '.join(WRAPPERS)}); "
            "save the state_dict of the network itself"
        )
    return patterns or None


def check(model: Any, info: dict[str, Any], *, bare: bool, replaced: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Nothing may be made up, and nothing dropped that belongs to what runs; returns the parts that are not used.

    Args:
        model: the transformers model, loaded.
        info: what its loading told.
        bare: whether it was loaded without a head.
        replaced: weights that an adapter will bring.

    Raises:
        CheckpointMismatch: names what is missing, misshapen or left over.
    """
    misshapen = sorted(entry for entry in info["mismatched_keys"] if entry[0] not in replaced)
    if misshapen:
        details = "; ".join(
            f"{key} has shape {list(has)}, expected {list(needs)}" for key, has, needs in misshapen[:LISTED]
        )
        more = f"; and {len(misshapen) - LISTED} more" if len(misshapen) > LISTED else ""
        raise CheckpointMismatch(f"the weights do not fit {CONFIG}: {details}{more}")
    unexpected = sorted(info["unexpected_keys"])
    adapters = [name for name in unexpected if ADAPTERS.search(name)]
    if adapters:
        raise CheckpointMismatch(
            f"the weights hold an adapter that has not been merged into its model ({_few(adapters)}), and served "
            "without it they would be another model: merge the two (PEFT's merge_and_unload) and save the whole with "
            "save_pretrained, or serve the adapter's own folder (adapter_config.json)"
        )
    missing = sorted(name for name in info["missing_keys"] if not UNREAD.search(name) and name not in replaced)
    if bare and any(name.startswith(POOLER) for name in missing) and hasattr(model, "pooler"):
        model.pooler = None  # as `add_pooling_layer=False` would have it: random weights answer nobody
        missing = [name for name in missing if not name.startswith(POOLER)]
    if missing:
        raise CheckpointMismatch(
            f"the checkpoint lacks {len(missing)} weights that {type(model).__name__} needs: {_few(missing)}; they "
            f"would be random. {_reason(unexpected)}"
        )
    left = [name for name in unexpected if not RECOMPUTED.search(name)]
    inside = [name for name in left if _is_inside(model, name)]
    if inside:
        raise CheckpointMismatch(
            f"the checkpoint holds {len(inside)} weights that {type(model).__name__}, as {CONFIG} describes it, has no "
            f"place for: {_few(inside)}; without them it would be another model. Repair {CONFIG}, or save the model "
            "again with save_pretrained"
        )
    return tuple(sorted({_part(model, name) for name in left}))


def _reason(unexpected: list[str]) -> str:
    """Why weights may be missing, by what is there instead."""
    wrapped = next((prefix for prefix in WRAPPERS if any(name.startswith(prefix) for name in unexpected)), None)
    if wrapped is not None:
        return (
            f"Some of its names begin with {wrapped!r}, which a training wrapper puts there: save the state_dict of "
            "the network itself"
        )
    return "It was made for another task, name that one with ?task="


def _is_inside(model: Any, name: str) -> bool:
    """Whether a weight without a place belongs within what runs: a layer of a stack, or a module of weights alone.

    A part that hangs on the whole beside the stack (another task's head, a pooler) leaves what runs as it is.
    """
    from torch import nn

    modules = dict(model.named_modules())
    steps = name.split(".")
    last = max(at for at in range(len(steps)) if ".".join(steps[:at]) in modules)
    around = [modules[".".join(steps[:at])] for at in range(last + 1)]
    if any(isinstance(module, nn.ModuleList) for module in around):
        return True
    nearest = around[-1]
    return last > 0 and not list(nearest.children()) and any(True for _ in nearest.parameters(recurse=False))


def _part(model: Any, name: str) -> str:
    """The outermost module that the model does not have, of a weight without a place: `cls.seq_relationship`."""
    modules = {path for path, _ in model.named_modules()}
    steps = name.split(".")
    return next(".".join(steps[:at]) for at in range(1, len(steps) + 1) if ".".join(steps[:at]) not in modules)


def _few(tensors: list[str]) -> str:
    return ", ".join(tensors[:LISTED]) + (f" and {len(tensors) - LISTED} more" if len(tensors) > LISTED else "")
