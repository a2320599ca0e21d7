"""What a configuration says of quantised weights: how they are named, and what of it cannot be read here."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

from heedmap.model.errors import CheckpointError, CheckpointMismatch
from heedmap.model.hub.load import quantisation, weights
from heedmap.model.hub.load.loading import load as load_folder
from heedmap.model.load import load
from tests.model.hub import checkpoints
from tests.model.hub.load.test_quantisation import CAUSAL, QUERY, configured


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama."""
    return checkpoints.llama(tmp_path_factory.mktemp("plain") / "llama")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "nf4 (bitsandbytes)"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "fp4 (bitsandbytes)"),
        ({"load_in_8bit": True}, "int8 (bitsandbytes)"),
        ({"quant_method": "gptq", "bits": 3}, "int3 (gptq)"),
        ({"quant_method": "awq", "w_bit": 4}, "int4 (awq)"),
        ({"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": {"num_bits": 8, "type": "float"}}}},
         "float8 (compressed-tensors)"),
        ({"quant_method": "mxfp4"}, "dequantised (mxfp4)"),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int4WeightOnlyConfig", "_data": {}}}},
         "int4 (torchao)"),
        ({"quant_method": "torchao", "quant_type": {"default": {
            "_type": "IntxWeightOnlyConfig", "_data": {"weight_dtype": {"_type": "torch.dtype", "_data": "int3"}}}}},
         "int3 (torchao)"),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "FqnToConfig", "_data": {}}}},
         "FqnTo (torchao)"),
    ],
)  # fmt: skip
def test_weights_are_named(settings: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantisation, "find_spec", lambda name: True)
    config = transformers.LlamaConfig(quantization_config=settings)
    assert str(quantisation.read(config)) == f"weights {expected}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True},
         r"read with bitsandbytes, not installed here: pip install 'heedmap\[large\]' bitsandbytes"),
        ({"load_in_8bit": True}, "pip install .* bitsandbytes"),
        ({"quant_method": "gptq", "bits": 4}, "read with optimum and gptqmodel, .* optimum gptqmodel"),
        ({"quant_method": "awq", "bits": 4}, "read with gptqmodel, .*pip install .* gptqmodel"),
        ({"quant_method": "compressed-tensors"}, "pip install .* compressed-tensors"),
        ({"quant_method": "hqq"}, "by 'hqq', which is not served; served are torchao, bitsandbytes, gptq, awq, .*: "
         "serve the checkpoint that it was made from"),
        ({"quant_method": "banana"}, "by 'banana', which is not served"),
        ({"bits": 4}, "does not say how to read the weights"),
        ({}, "does not say how to read the weights"),
        ({"quant_method": "torchao"}, "does not say how to read the weights"),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "os.system", "_data": {}}}},
         "Failed to find class os.system"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_a_sentence(plain: Path, tmp_path: Path, settings: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load(configured(plain, tmp_path / "copy", settings))


def test_a_bias_of_zeros_is_nothing_and_another_is_something(plain: Path, tmp_path: Path) -> None:
    """What exporters of GPTQ and AWQ wrote for layers without one; the names are told of any checkpoint."""
    folder = shutil.copytree(plain, tmp_path / "copy")
    path, names = folder / "model.safetensors", (f"{QUERY}bias", f"{QUERY}weight")
    save_file({**load_file(path), names[0]: torch.zeros(32)}, path, metadata={"format": "pt"})
    assert weights.zeros([path], names, quantisation.ZERO_BIAS) == {names[0]}
    save_file({**load_file(path), names[0]: torch.ones(32)}, path, metadata={"format": "pt"})
    assert weights.zeros([path], names, quantisation.ZERO_BIAS) == set()
    with pytest.raises(CheckpointMismatch, match="no place for"):
        load_folder(folder, CAUSAL)


def test_packed_weights_count_as_what_they_stand_for() -> None:
    """As bitsandbytes packs (a parameter that knows its shape), and GPTQ and AWQ (a buffer of 32 bits each)."""
    network = nn.Module()
    network.packed = nn.Parameter(torch.zeros(32, 1, dtype=torch.uint8), requires_grad=False)
    network.packed.quant_state = torch.nn.Module()
    network.packed.quant_state.shape = torch.Size([8, 8])
    network.layer = nn.Module()
    network.layer.register_buffer("qweight", torch.zeros(4, 8, dtype=torch.int32))
    network.layer.bits = 4
    assert quantisation.parameter_count(network) == 8 * 8 + 4 * 8 * 8


@pytest.mark.parametrize(
    ("said", "device", "expected"),
    [
        ("GPU is required to run quantized model.", "cpu", "serve it with --device cuda, or serve the checkpoint that"),
        ("No GPU or XPU found", "meta", "^No GPU or XPU found$"),
        ("it is broken", "cpu", "^it is broken$"),
    ],
)
def test_what_needs_an_accelerator_says_so(said: str, device: str, expected: str) -> None:
    found = quantisation.Quantisation("gptq", "int4")
    error = quantisation.explained(CheckpointError(said), found, torch.device(device))
    with pytest.raises(CheckpointError, match=expected):
        raise error
