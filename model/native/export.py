"""Export of a Transformer checkpoint to the M2M100 layout of Hugging Face (Fan et al. 2021): the same weights, renamed.

The folder opens with `M2M100ForConditionalGeneration.from_pretrained` and `PreTrainedTokenizerFast.from_pretrained`,
and gives the same logits. Only files are written: nothing here needs transformers.
"""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from tokenizers import Tokenizer as Backend
from tokenizers import processors

from heedmap.model.errors import CheckpointError
from heedmap.model.native.checkpoint import Checkpoint
from heedmap.model.native.tokenizer import END, PAD, SPECIAL, START, UNKNOWN, Tokenizer
from heedmap.model.native.transformer import Transformer, TransformerConfig

M2M100_FIRST_POSITION = 2  # fixed there: the padding id (1) plus one

# Every module of a layer, ours to theirs. Modules that a tensor's name does not start with are errors, never skipped.
_LAYER = {
    "attention_norm": "self_attn_layer_norm",
    "attention": "self_attn",
    "cross_norm": "encoder_attn_layer_norm",
    "cross": "encoder_attn",
    "feed_forward_norm": "final_layer_norm",
    "feed_forward.up": "fc1",
    "feed_forward.down": "fc2",
}
_PROJECTION = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}


def export_m2m100(checkpoint: Checkpoint, folder: Path) -> None:
    """Write config, generation config, weights and tokenizer of `checkpoint` into `folder`.

    Raises:
        CheckpointError: M2M100 cannot hold this network: it is no Transformer, its key/value heads are grouped, its
            positions start elsewhere, or its dtype has no name there.
    """
    network = checkpoint.network
    if not isinstance(network, Transformer):
        raise CheckpointError(f"only a transformer exports to M2M100, not {network.config.architecture!r}")
    config = network.config
    if config.copying is not None:
        raise CheckpointError("M2M100 has no head that copies", field="copying")
    if config.kv_heads != config.heads:
        raise CheckpointError(
            f"M2M100 has no grouped key/value heads: heads {config.heads}, kv_heads {config.kv_heads}", field="kv_heads"
        )
    if config.first_position != M2M100_FIRST_POSITION:
        raise CheckpointError(
            f"M2M100 counts positions from {M2M100_FIRST_POSITION}, this network from {config.first_position}",
            field="first_position",
        )
    tensors = {rename(name): tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    dtype = str(network.output_weight.dtype).removeprefix("torch.")
    _write(folder / "config.json", describe(config, dtype))
    _write(folder / "generation_config.json", _generation(config))
    _write(folder / "tokenizer_config.json", _tokenizer_config(config))
    (folder / "tokenizer.json").write_text(_closing(checkpoint.tokenizer).to_str(), encoding="utf-8")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def rename(name: str) -> str:
    """M2M100's name of one of our tensors.

    Raises:
        CheckpointError: it has no counterpart there.
    """
    if name == "embedding.weight":
        return "model.shared.weight"  # tied: encoder, decoder and output projection share it
    stack, _, rest = name.partition(".")
    if stack in ("encoder_norm", "decoder_norm"):
        return f"model.{stack.removesuffix('_norm')}.layer_norm.{rest}"
    index, _, inner = rest.partition(".")
    module, _, parameter = inner.rpartition(".")
    parent, _, leaf = module.rpartition(".")
    if stack in ("encoder", "decoder") and index.isdigit():
        if module in _LAYER:
            return f"model.{stack}.layers.{index}.{_LAYER[module]}.{parameter}"
        if parent in ("attention", "cross") and leaf in _PROJECTION:
            return f"model.{stack}.layers.{index}.{_LAYER[parent]}.{_PROJECTION[leaf]}.{parameter}"
    raise CheckpointError(f"M2M100 has no counterpart of the tensor {name}")


def describe(config: TransformerConfig, dtype: str = "float32") -> dict[str, Any]:
    """The config.json of an M2M100 of this shape."""
    return {
        "architectures": ["M2M100ForConditionalGeneration"],
        "model_type": "m2m_100",
        "is_encoder_decoder": True,
        "vocab_size": config.vocabulary,
        "d_model": config.width,
        "encoder_layers": config.encoder_layers,
        "decoder_layers": config.decoder_layers,
        "encoder_attention_heads": config.heads,
        "decoder_attention_heads": config.heads,
        "encoder_ffn_dim": config.feed_forward,
        "decoder_ffn_dim": config.feed_forward,
        "activation_function": "relu",
        "scale_embedding": True,
        "tie_word_embeddings": True,
        "max_position_embeddings": config.max_positions,
        "dropout": config.dropout,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "use_cache": True,
        "dtype": dtype,
        **_token_ids(),
    }


def _token_ids() -> dict[str, int]:
    return {"bos_token_id": START, "pad_token_id": PAD, "eos_token_id": END, "decoder_start_token_id": END}


def _generation(config: TransformerConfig) -> dict[str, Any]:
    return {"max_length": config.max_positions, "num_beams": 1, "do_sample": False, **_token_ids()}


def _tokenizer_config(config: TransformerConfig) -> dict[str, Any]:
    names = {"bos_token": START, "pad_token": PAD, "eos_token": END, "unk_token": UNKNOWN}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.max_positions,
        "padding_side": "right",
        "clean_up_tokenization_spaces": False,
        **{name: SPECIAL[index] for name, index in names.items()},
    }


def _closing(tokenizer: Tokenizer) -> Backend:
    """The same tokenizer, which closes a text by itself: ours leaves that to the caller."""
    backend = Backend.from_str(tokenizer.backend.to_str())
    end = SPECIAL[END]
    backend.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, END)]
    )
    return backend


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
