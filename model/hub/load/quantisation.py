"""Quantised weights: what is needed to read them, and what to call them. Attention itself is never quantised."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from heedmap.model.errors import CheckpointError, CheckpointMismatch
from heedmap.model.hub.load.placement import EXTRA
from heedmap.model.hub.load.safety import CONFIG

Settings = Mapping[str, Any]  # a configuration's quantization_config
UNFIT = "during automatic conversion of the weights"  # transformers' words; its report names the library's own steps
GPU = re.compile(r"\b(GPUs?|CUDA|XPU|accelerator)\b")
AS_IT_WAS = "serve the checkpoint that it was made from"


@dataclass(frozen=True)
class Method:
    """What is known of one way to quantise weights, by its `quant_method`.

    packages: that transformers reads it with, besides accelerate, by their import names. install: what pip is to
    install. weights: what became of the weights, in a word. spare: tensors that its older files hold though nothing
    reads them; they are let go where they are zero. dequantised: whether the weights are put back when they are loaded,
    as kernels that compute with them as they are would have to be fetched at run time.
    """

    packages: tuple[str, ...]
    install: str
    weights: Callable[[Settings], str]
    spare: re.Pattern[str] | None = None
    dequantised: bool = False


@dataclass(frozen=True)
class Quantisation:
    """How a model's weights are quantised; as a string, what a description and a certificate say of them."""

    method: str
    weights: str

    def __str__(self) -> str:
        return f"weights {self.weights} ({self.method})"

    @property
    def known(self) -> Method:
        """What is known of the method."""
        return METHODS[self.method]


def _torchao(settings: Settings) -> str:
    kind = settings["quant_type"]["default"]
    name = str(kind["_type"]).removesuffix("Config")
    whole = re.fullmatch(r"(?:(Int|Float)(\d+)DynamicActivation)?(Int|Float)(\d+|x)Weight(?:Only)?", name)
    if whole is None:
        return name
    number = whole[3].lower() + whole[4]
    if whole[4] == "x":
        dtype = kind.get("_data", {}).get("weight_dtype", {})
        number = str(dtype.get("_data", number) if isinstance(dtype, dict) else number)
    return number if whole[1] is None else f"{number}, activations {whole[1].lower()}{whole[2]}"


def _bitsandbytes(settings: Settings) -> str:
    return str(settings.get("bnb_4bit_quant_type") or "fp4") if settings.get("load_in_4bit") else "int8"


def _bits(settings: Settings) -> str:
    return f"int{settings.get('bits') or settings.get('w_bit') or 4}"


def _compressed(settings: Settings) -> str:
    groups = settings.get("config_groups") or {}
    kinds = {f"{w.get('type', 'int')}{w.get('num_bits', 8)}" for g in groups.values() if (w := g.get("weights"))}
    return " and ".join(sorted(kinds)) or "compressed"


ZERO_BIAS = re.compile(r"\.bias$")  # which exporters of old wrote for layers that have none
METHODS: Mapping[str, Method] = {
    "torchao": Method(("torchao",), EXTRA, _torchao),
    "bitsandbytes": Method(("bitsandbytes",), f"{EXTRA} bitsandbytes", _bitsandbytes),
    "gptq": Method(("optimum", "gptqmodel"), f"{EXTRA} optimum gptqmodel", _bits, ZERO_BIAS),
    "awq": Method(("gptqmodel",), f"{EXTRA} gptqmodel", _bits, ZERO_BIAS),
    "compressed-tensors": Method(("compressed_tensors",), f"{EXTRA} compressed-tensors", _compressed),
    "mxfp4": Method((), EXTRA, lambda _: "dequantised", dequantised=True),
    "fp8": Method((), EXTRA, lambda _: "dequantised", dequantised=True),
}


def read(config: Any) -> Quantisation | None:
    """How a checkpoint's weights are quantised, by its transformers configuration; None where they are not.

    Raises:
        CheckpointError: nothing says how, it is a way that is not served, or packages are missing.
    """
    settings = _settings(config)
    if settings is None:
        return None
    try:
        method = str(settings["quant_method"] if "quant_method" in settings else _of_old(settings))
        known = METHODS.get(method)
        found = None if known is None else Quantisation(method, known.weights(settings))
    except (AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{CONFIG} has a quantization_config that does not say how to read the weights; {AS_IT_WAS}"
        ) from error
    if known is None or found is None:
        raise CheckpointError(
            f"the weights are quantised by {method[:100]!r}, which is not served; served are {', '.join(METHODS)}: "
            f"{AS_IT_WAS}"
        )
    _require(method, known)
    return found


def on_the_fly(kind: str, already: Quantisation | None) -> tuple[Quantisation, Any]:
    """How to quantise weights as they are loaded, and transformers' configuration of it.

    Args:
        kind: int8, each row of a weight with a scale of its own.
        already: how the checkpoint's weights are quantised.

    Raises:
        CheckpointError: they are already, or torchao is missing.
    """
    if already is not None:
        raise CheckpointError(f"the checkpoint has {already} already: leave quantize={kind} out")
    _require("torchao", METHODS["torchao"])
    import transformers

    torchao: Any = import_module("torchao.quantization")  # an extra, which the type checker may not have
    by_row = torchao.Int8WeightOnlyConfig(version=2)  # the version that can be saved as safetensors
    return Quantisation("torchao", kind), transformers.TorchAoConfig(by_row)


def loading_options(quantisation: Quantisation) -> dict[str, Any]:
    """Further options for transformers, of a checkpoint that is quantised."""
    if not quantisation.known.dequantised:
        return {}
    from transformers.utils.quantization_config import FineGrainedFP8Config, Mxfp4Config

    kinds: dict[str, Any] = {"mxfp4": Mxfp4Config, "fp8": FineGrainedFP8Config}
    return {"quantization_config": kinds[quantisation.method](dequantize=True)}


def explained(error: CheckpointError, quantisation: Quantisation, device: torch.device) -> CheckpointError:
    """What the library's error at loading quantised weights means, and what to do about it."""
    said = str(error)
    if UNFIT in said:
        return CheckpointMismatch(
            f"the checkpoint's {quantisation} cannot be put together: tensors that belong to one weight are missing or "
            "left over; save the model again with save_pretrained"
        )
    if device.type == "cpu" and GPU.search(said):
        return CheckpointError(
            f"{said}; the checkpoint has {quantisation}, which this release reads on an accelerator alone: serve it "
            f"with --device cuda, or {AS_IT_WAS}"
        )
    return error


def check_shapes(model: nn.Module) -> None:
    """What the library puts together from several tensors it does not compare with the configuration.

    Raises:
        CheckpointMismatch: a weight has another shape than its layer.
    """
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear) or not hasattr(module.weight, "__tensor_flatten__"):
            continue
        needs = [module.out_features, module.in_features]
        if list(module.weight.shape) != needs:
            raise CheckpointMismatch(
                f"the weights do not fit {CONFIG}: {name}.weight has shape {list(module.weight.shape)}, "
                f"expected {needs}"
            )


def parameter_count(model: Any) -> int:
    """How many numbers the weights stand for: packed ones hold several in each element."""
    count = 0
    for parameter in model.parameters():
        shape = getattr(getattr(parameter, "quant_state", None), "shape", None)  # bitsandbytes packs two in a byte
        count += parameter.numel() if shape is None else shape.numel()
    for module in model.modules():  # GPTQ and AWQ pack into 32 bits, in a buffer
        packed = getattr(module, "qweight", None)
        if packed is not None and getattr(module, "bits", None):
            count += packed.numel() * packed.element_size() * 8 // module.bits
    return count


def _settings(config: Any) -> Settings | None:
    """What the configuration, or that of its text part, says; where transformers looks for it."""
    text = config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config
    both = (getattr(part, "quantization_config", None) for part in (config, text))
    settings = next((settings for settings in both if settings is not None), None)
    if settings is None:
        return None
    if not isinstance(settings, Mapping):
        raise CheckpointError(f"quantization_config in {CONFIG} must be a JSON object; {AS_IT_WAS}")
    return settings


def _of_old(settings: Settings) -> str:
    """The method of files from before it was written down."""
    if settings.get("load_in_4bit") or settings.get("load_in_8bit"):
        return "bitsandbytes"
    raise KeyError("quant_method")


def _require(method: str, known: Method) -> None:
    missing = [package for package in ("accelerate", *known.packages) if find_spec(package) is None]
    if missing:
        raise CheckpointError(
            f"weights quantised by {method} are read with {' and '.join(missing)}, not installed here: {known.install}"
        )
