"""Quantised weights: served as the dequantised model run eagerly would be, and named; never read by half."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchao.quantization import Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig

from heedmap.model.contract import Request
from heedmap.model.errors import CheckpointError, UnsafeCheckpoint
from heedmap.model.hub.load import placement, quantisation
from heedmap.model.hub.proof import AGREEMENT
from heedmap.model.hub.quiet import quiet_loading
from heedmap.model.load import load
from heedmap.model.trace.certificate import TOLERANCES
from tests.model.hub import checkpoints
from tests.model.hub.serving import ask, trace

CAUSAL, TEXT_TO_TEXT = "AutoModelForCausalLM", "AutoModelForSeq2SeqLM"
TEXT = "The girl is reading a beautiful book."
QUERY = "model.layers.0.self_attn.q_proj."


def quantised(folder: Path, auto_class: str, kind: Any, out: Path) -> Path:
    """A folder's model, quantised by torchao and saved by transformers."""
    with quiet_loading():
        settings = transformers.TorchAoConfig(kind)
        model = getattr(transformers, auto_class).from_pretrained(folder, quantization_config=settings)
        model.save_pretrained(out)
        transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(out)
    return out


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama."""
    return checkpoints.llama(tmp_path_factory.mktemp("plain") / "llama")


@pytest.fixture(scope="module")
def llama(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Llama, quantised."""
    return quantised(plain, CAUSAL, Int8WeightOnlyConfig(version=2), tmp_path_factory.mktemp("quantised") / "llama")


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5, quantised."""
    folder = tmp_path_factory.mktemp("t5")
    plain = checkpoints.t5(folder / "plain")
    return quantised(plain, TEXT_TO_TEXT, Int8WeightOnlyConfig(version=2), folder / "quantised")


def eager(folder: Path, auto_class: str, dtype: str) -> Any:
    """transformers' own model of a folder, run eagerly on the numbers that the quantised ones stand for."""
    with quiet_loading():
        model = getattr(transformers, auto_class).from_pretrained(
            folder, dtype=getattr(torch, dtype), attn_implementation="eager"
        )
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if hasattr(weight, "dequantize") and hasattr(weight, "__tensor_flatten__"):
            module.weight = nn.Parameter(weight.dequantize().to(model.dtype), requires_grad=False)
    assert not any(hasattr(weight, "__tensor_flatten__") for weight in model.parameters())
    return model


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("options", ["", "&device_map=auto"])
def test_a_decoder_is_the_dequantised_one_run_eagerly(llama: Path, dtype: str, options: str) -> None:
    model = load(f"{llama}?dtype={dtype}{options}")
    traced = trace(model, TEXT, max_new_tokens=6)
    ids = torch.tensor([traced.axes["tokens"].ids])
    reference = eager(llama, CAUSAL, dtype)
    with torch.no_grad():
        outputs = reference(ids, output_attentions=True)
    distances = [
        float((layer.dense() - weights[0].float()).abs().max())
        for layer, weights in zip(traced.layers["decoder"], outputs.attentions, strict=True)
    ]
    assert max(distances) < {"float32": 1e-5, "bfloat16": 3e-2}[dtype]
    assert traced.certificate.warning is None
    assert traced.certificate.dtype == f"{dtype}, weights int8 (torchao)"
    assert traced.certificate.tolerance == TOLERANCES[dtype]
    assert model.describe()["dtype"] == f"{dtype}, weights int8 (torchao)"
    if dtype == "float32":  # in half precision, greedy choices may part at a tie
        start = ids[:, :-6]
        written = reference.generate(start, attention_mask=torch.ones_like(start), max_new_tokens=6, do_sample=False)
        assert ask(model, TEXT, max_new_tokens=6).tokens == traced.prediction.tokens
        assert written.tolist() == ids.tolist()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_encoder_with_decoder_is_the_dequantised_one_run_eagerly(t5: Path, dtype: str) -> None:
    model = load(f"{t5}?dtype={dtype}")
    traced = trace(model, TEXT, target="Where is the station?")
    source, prefix = (torch.tensor([traced.axes[name].ids]) for name in ("source", "prefix"))
    with torch.no_grad():
        outputs = eager(t5, TEXT_TO_TEXT, dtype)(source, decoder_input_ids=prefix, output_attentions=True)
    for site in ("encoder", "decoder", "cross"):
        weights = getattr(outputs, f"{site}_attentions")
        for layer, expected in zip(traced.layers[site], weights, strict=True):
            difference = (layer.dense() - expected[0].float()).abs().max()
            assert difference < {"float32": 1e-5, "bfloat16": AGREEMENT[torch.bfloat16]}[dtype], site
    assert traced.certificate.warning is None
    assert traced.certificate.dtype == f"{dtype}, weights int8 (torchao)"


def test_weights_are_quantised_as_they_come(plain: Path, llama: Path) -> None:
    model, saved = load(f"{plain}?quantize=int8"), load(llama)
    facts = model.describe()
    assert facts["dtype"] == saved.describe()["dtype"] == "float32, weights int8 (torchao)"
    assert ask(model, TEXT).tokens == ask(saved, TEXT).tokens
    whole = load(plain)
    assert facts["parameter_count"] == whole.describe()["parameter_count"]
    bytes_of = [placement.weight_bytes(each.loaded.model) for each in (model, saved, whole)]
    assert bytes_of[0] == bytes_of[1] < bytes_of[2]
    rows = sum(m.weight.shape[0] for n, m in whole.loaded.model.named_modules() if n.endswith("_proj"))
    cells = sum(m.weight.numel() for n, m in whole.loaded.model.named_modules() if n.endswith("_proj"))
    assert bytes_of[2] - bytes_of[0] == 3 * cells - 5 * rows, "a byte a number; a scale and a zero point a row"


def test_what_is_quantised_is_not_quantised_again(llama: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has weights int8 \(torchao\) already: leave quantize=int8 out"):
        load(f"{llama}?quantize=int8")


def test_activations_that_are_quantised_are_named_too(plain: Path, tmp_path: Path) -> None:
    folder = quantised(plain, CAUSAL, Int8DynamicActivationInt8WeightConfig(version=2), tmp_path)
    assert load(folder).describe()["dtype"] == "float32, weights int8, activations int8 (torchao)"


def configured(folder: Path, out: Path, settings: Any) -> Path:
    """A copy of the folder with this quantization_config."""
    shutil.copytree(folder, out)
    path = out / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": settings}))
    return out


@pytest.mark.parametrize(("package", "source"), [("torchao", "llama"), ("accelerate", "llama"), ("torchao", "plain")])
def test_a_package_that_is_missing_is_named(
    package: str, source: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(quantisation, "find_spec", lambda name: None if name == package else real(name))
    option = "?quantize=int8" if source == "plain" else ""
    with pytest.raises(CheckpointError, match=rf"with {package}, not installed here: pip install 'heedmap\[large\]'"):
        load(f"{request.getfixturevalue(source)}{option}")


@pytest.fixture
def rewritten(llama: Path, tmp_path: Path) -> Callable[[dict[str, Tensor | None]], Path]:
    """A copy of the quantised Llama with other tensors: None takes one out."""

    def rewrite(changes: dict[str, Tensor | None]) -> Path:
        folder = tmp_path / "copy"
        shutil.copytree(llama, folder)
        path = folder / "model.safetensors"
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        tensors = {**load_file(path), **changes}
        save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, path, metadata=metadata)
        return folder

    return rewrite


UNFIT = "cannot be put together: tensors that belong to one weight are missing or left over"
PARTS = ("_weight_qdata", "_weight_scale", "_weight_zero_point")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_weight_scale": None}, UNFIT),
        ({"_weight_qdata": None}, UNFIT),
        (dict.fromkeys(PARTS), r"lacks 1 weights .*q_proj\.weight"),
        ({"_weight_act_pre_scale": torch.ones(32)}, UNFIT),
        ({"_weight_more": torch.ones(2)}, r"has no place for: .*q_proj\._weight_more"),
        ({"weight": torch.ones(32, 32)}, UNFIT),
        ({"bias": torch.zeros(32)}, r"has no place for: .*q_proj\.bias"),
        ({"_weight_scale": torch.ones(16, 1)}, "fails on an example of its own task"),
        ({"_weight_qdata": torch.ones(16, 32, dtype=torch.int8)},
         r"q_proj.weight has shape \[16, 32\], expected \[32, 32\]"),
    ],
)  # fmt: skip
def test_no_part_of_a_weight_is_lost_or_made_up(rewritten: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load(rewritten({QUERY + name: tensor for name, tensor in changes.items()}))


def test_pickles_stay_unread_whoever_quantised_them(llama: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(llama, tmp_path / "copy")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsafeCheckpoint, match="is a pickle"):
        load(folder)


def test_eight_bit_floats_are_dequantised(plain: Path, tmp_path: Path) -> None:
    folder = configured(plain, tmp_path / "fp8", {"quant_method": "fp8", "weight_block_size": [128, 128]})
    path, tensors, expected = folder / "model.safetensors", dict[str, Tensor](), dict[str, Tensor]()
    for name, tensor in load_file(path).items():
        tensors[name] = tensor
        if name.endswith("_proj.weight"):
            scale = tensor.abs().max() / 448  # the format's largest number
            tensors[name] = (tensor / scale).to(torch.float8_e4m3fn)
            tensors[f"{name}_scale_inv"] = scale.reshape(1, 1)
            expected[name] = tensors[name].float() * scale
    save_file(tensors, path, metadata={"format": "pt"})
    model = load(folder)
    weights = dict(model.loaded.model.named_parameters())
    for name, tensor in expected.items():
        assert torch.equal(weights[name], tensor)
    assert model.describe()["dtype"] == "float32, weights dequantised (fp8)"
    assert trace(model, TEXT).certificate.warning is None


def test_an_adapter_is_not_merged_into_quantised_weights(llama: Path, plain: Path, tmp_path: Path) -> None:
    import peft

    from tests.model.hub.load.test_adapters import train

    model = transformers.AutoModelForCausalLM.from_pretrained(plain)
    train(model, peft.LoraConfig(r=2, target_modules=["q_proj"]), tmp_path)
    for source in (f"{llama}?adapter={tmp_path}", f"{plain}?adapter={tmp_path}&quantize=int8"):
        with pytest.raises(CheckpointError, match=r"cannot be merged into weights int8 \(torchao\)"):
            load(source)


def test_several_requests_share_a_pass(llama: Path) -> None:
    model = load(llama)
    texts = [TEXT, "Where is the station?"]
    together = model.predict([Request(text) for text in texts])
    assert [each.tokens for each in together] == [ask(model, text).tokens for text in texts]
