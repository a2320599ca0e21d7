"""From the hidden states of a sentence's tokens to its embedding, as the folder of a sentence encoder says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from heedmap.model.errors import CheckpointError, UnsafeCheckpoint
from heedmap.model.hub.load.sources import read_json

MODULES = "modules.json"
LEGACY = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
ACTIVATIONS = {"Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid"}
ENCODERS = ("sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json")


@dataclass(frozen=True, eq=False)
class SentenceHead:
    """What follows the encoder, in the order of `modules.json`, and how the encoder is to be used.

    modes: of pooling; the results of several are joined. dense: layers with their activation, after pooling.
    normalize: whether the embedding has unit length. limit: the most tokens, if fewer than the encoder has positions
    for. lower: of the text. prompt: what is put before each text. pool_prompt: whether its tokens are pooled, too.
    """

    modes: tuple[str, ...] = ("mean",)
    dense: tuple[nn.Module, ...] = ()
    normalize: bool = False
    limit: int | None = None
    lower: bool = False
    prompt: str = ""
    pool_prompt: bool = True

    def __call__(self, hidden: Float[Tensor, "Q M"], skipped: int, normalize: bool | None = None) -> Float[Tensor, "N"]:
        """The embedding of one sentence.

        Args:
            hidden: of its own tokens, without padding.
            skipped: how many tokens at its beginning are the prompt's, the class token among them.
            normalize: to unit length; as the folder says if None.
        """
        hidden = hidden.float()
        first = 0 if self.pool_prompt else skipped
        embedding = torch.cat([pooled(hidden, mode, first) for mode in self.modes])
        for layer in self.dense:
            embedding = layer.to(embedding.device)(embedding)
        if self.normalize if normalize is None else normalize:
            embedding = torch.nn.functional.normalize(embedding, dim=0)
        return embedding


def pooled(hidden: Float[Tensor, "Q M"], mode: str, first: int = 0) -> Float[Tensor, "M"]:
    """One vector for several tokens (Reimers and Gurevych 2019); those before `first` are left out.

    `weightedmean` gives later tokens more weight, in proportion to their place (Muennighoff 2022).
    """
    vectors = hidden[first:]
    if mode == "cls":
        return vectors[0]
    if mode == "max":
        return vectors.amax(dim=0)
    if mode == "lasttoken":
        return vectors[-1]
    if mode == "weightedmean":
        weights = torch.arange(first + 1, len(hidden) + 1, device=hidden.device, dtype=hidden.dtype)[:, None]
        return (vectors * weights).sum(dim=0) / weights.sum()
    return vectors.sum(dim=0) / (len(vectors) ** 0.5 if mode == "mean_sqrt_len_tokens" else len(vectors))


def sentence_head(folder: Path | None) -> SentenceHead | None:
    """The head that a folder describes; None if it is none of a sentence encoder.

    Raises:
        CheckpointError: it asks for a module that is not known here.
    """
    if folder is None or not (folder / MODULES).is_file():
        return None
    options: dict[str, Any] = {"modes": (), "dense": (), **_encoder(folder)}
    for module in read_json(folder / MODULES):
        kind, place = str(module["type"]).rpartition(".")[2], folder / str(module["path"])
        if kind in ("Transformer", "Dropout"):
            continue
        if kind == "Normalize":
            options["normalize"] = True
        elif kind == "Pooling" and not options["modes"]:
            config = read_json(place / "config.json")
            options["modes"], options["pool_prompt"] = _modes(config), bool(config.get("include_prompt", True))
        elif kind == "Dense" and options["modes"] and not options.get("normalize"):
            options["dense"] += (_dense(place),)
        else:
            raise CheckpointError(
                f"{MODULES} asks for {kind} here, and a sentence encoder can be served as Transformer, Pooling, Dense "
                "and Normalize in this order"
            )
    if not options["modes"]:
        raise CheckpointError(f"{MODULES} has no Pooling: nothing says how tokens become one embedding")
    return SentenceHead(**options)


def _encoder(folder: Path) -> dict[str, Any]:
    """How the folder wants its encoder used."""
    options: dict[str, Any] = {}
    for name in ENCODERS:
        if (folder / name).is_file():
            config = read_json(folder / name)
            options |= {"limit": config.get("max_seq_length"), "lower": bool(config.get("do_lower_case", False))}
            break
    path = folder / "config_sentence_transformers.json"
    if path.is_file():
        config = read_json(path)
        options["prompt"] = str((config.get("prompts") or {}).get(config.get("default_prompt_name")) or "")
    return options


def _modes(config: dict[str, Any]) -> tuple[str, ...]:
    value = config.get("pooling_mode")
    if value is None:
        value = [mode for name, mode in LEGACY.items() if config.get(name)] or ["mean"]
    modes = (value,) if isinstance(value, str) else tuple(str(mode) for mode in value)
    unknown = sorted(set(modes) - set(LEGACY.values()))
    if unknown:
        raise CheckpointError(f"pooling {unknown[0]!r} is not known: there is {', '.join(LEGACY.values())}")
    return modes


def _dense(folder: Path) -> nn.Module:
    config = read_json(folder / "config.json")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh")).rpartition(".")[2]
    residual = " and a residual" if config.get("use_residual") else ""
    if activation not in ACTIVATIONS or residual:
        raise CheckpointError(
            f"{folder.name} is a dense layer with {activation}{residual}; known are {', '.join(sorted(ACTIVATIONS))}, "
            "without a residual"
        )
    path = folder / "model.safetensors"
    if not path.is_file():
        raise UnsafeCheckpoint(f"{folder.name} has no model.safetensors; weights are read from safetensors alone")
    layer = nn.Linear(config["in_features"], config["out_features"], bias=bool(config.get("bias", True)))
    try:
        state = load_file(path)
        layer.load_state_dict({name.removeprefix("linear."): tensor.float() for name, tensor in state.items()})
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"the weights of {folder.name} do not fit its config.json: {error}") from error
    return nn.Sequential(layer, getattr(nn, activation)()).eval().requires_grad_(False)
