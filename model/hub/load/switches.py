"""What config.json says of how to run rather than of what the model is: decided here, so taken out before loading."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CONFIG = "config.json"
# Each with the reason why a checkpoint's value must not come through; its class's own default holds instead.
_REASONS = {
    "outputs are read by their names": ("return_dict", "use_return_dict", "torchscript", "return_loss"),
    "attention is recorded where it happens, and what nobody reads is not kept": (
        *("output_attentions", "output_hidden_states", "output_router_logits", "output_past", "return_last_states"),
    ),
    "generation keeps keys and values, a single pass does not": ("use_cache",),
    "attention goes through our own function, and the serving machine chooses its kernels": (
        *("attn_implementation", "_attn_implementation", "_attn_implementation_internal"),
        *("_attn_implementation_autoset", "experts_implementation", "_experts_implementation"),
        *("use_flash_attn", "use_flash_attention_2", "_flash_attn_2_enabled", "deterministic_flash_attn"),
    ),
    "nothing is compiled or fetched at run time": ("reference_compile", "use_mamba_kernels", "use_mambapy"),
    "the same sums in parts, for texts alone whose length they divide": (
        *("chunk_size_feed_forward", "chunk_size_lm_head"),
    ),
    "for training, or for other machines": (
        *("gradient_checkpointing", "use_bfloat16", "use_tpu_fourier_optimizations"),
    ),
    "no code of a checkpoint is run": ("auto_map", "trust_remote_code"),
    "this configuration is the one that was checked": ("configuration_files",),
}
SWITCHES = {name: reason for reason, names in _REASONS.items() for name in names}
DTYPES = ("dtype", "torch_dtype")
PARTS = ("encoder", "decoder", "generator", "question_encoder")  # configurations within one, besides `*_config`
OPAQUE = ("quantization_config",)  # of the weights


def without_switches(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without run-time switches, those of its parts neither."""
    kept: dict[str, Any] = {}
    for name, value in config.items():
        if name in SWITCHES or (name in DTYPES and not _is_dtype(value)):
            continue
        part = isinstance(value, dict) and (name in PARTS or name.endswith("_config")) and name not in OPAQUE
        kept[name] = without_switches(value) if part else value
    return kept


def _is_dtype(value: Any) -> bool:
    """Whether PyTorch has it; "fp16" or "auto" in a file say nothing that the weights do not."""
    import torch

    return isinstance(value, str) and isinstance(getattr(torch, value, None), torch.dtype)


def read(folder: Path, raw: dict[str, Any], **options: Any) -> Any:
    """transformers' configuration of a folder whose config.json holds `raw`, without switches."""
    import transformers

    cleaned = without_switches(raw)
    if cleaned == raw:
        return transformers.AutoConfig.from_pretrained(folder, **options)
    with TemporaryDirectory() as aside:  # the library reads folders, and repairs old files while it does
        (Path(aside) / CONFIG).write_text(json.dumps(cleaned), encoding="utf-8")
        config = transformers.AutoConfig.from_pretrained(aside, **options)
    config._name_or_path = str(folder)
    return config
