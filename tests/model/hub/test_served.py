"""Checkpoints of every kind, served: predictions, traces, certificates, and what is refused."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file

from heedmap.model.contract import Parameters, Request, Served
from heedmap.model.errors import CheckpointError, InputError, InputTooLong, ModelFailure, TraceError, TraceTooLarge
from heedmap.model.hub import served
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.served import HubModel
from heedmap.model.hub.tasks.registry import TASKS
from heedmap.model.load import load
from heedmap.model.trace.identity import content_id
from heedmap.model.trace.trace import Trace, read_header
from tests.model.hub import checkpoints

SHORT = Parameters(max_new_tokens=5)


def folder_of(name: str, tmp_path: Path) -> Path:
    make: Any = getattr(checkpoints, name)
    folder: Path = make(tmp_path / name)
    return folder


@pytest.mark.parametrize(
    ("name", "sites"),
    [
        ("bert", {"encoder": ("tokens", "tokens")}),
        ("gpt2", {"decoder": ("tokens", "tokens")}),
        ("llama", {"decoder": ("tokens", "tokens")}),
        ("t5", {"encoder": ("source", "source"), "decoder": ("target", "prefix"), "cross": ("target", "source")}),
        ("marian", {"encoder": ("source", "source"), "decoder": ("target", "prefix"), "cross": ("target", "source")}),
    ],
)
def test_a_checkpoint_is_served_whatever_its_family(
    name: str, sites: dict[str, tuple[str, str]], tmp_path: Path
) -> None:
    model = load(folder_of(name, tmp_path))
    assert isinstance(model, Served)
    facts = model.describe()
    assert {site["name"]: (site["queries"], site["keys"]) for site in facts["sites"]} == sites
    assert facts["attention"] == "fused"
    assert facts["unrecorded"] == []
    assert facts["chat"] is False
    requests = [Request("Hello there", parameters=SHORT), Request("Where is the station?", parameters=SHORT)]
    answers, traces = model.predict(requests), model.trace(requests)
    for answer, trace in zip(answers, traces, strict=True):
        assert isinstance(trace, Trace)
        assert not isinstance(answer, InputError)
        assert trace.prediction.text == answer.text
        assert trace.certificate.warning is None
        assert trace.certificate.max_error is not None
        assert 0 < trace.certificate.max_error < 1e-4
        assert trace.certificate.versions["transformers"] == transformers.__version__
        for site in facts["sites"]:
            layers = trace.layers[site["name"]]
            assert len(layers) == site["layers"]
            shape = (len(trace.axes[site["queries"]]), len(trace.axes[site["keys"]]))
            for layer in layers:
                assert (layer.heads, layer.kv_heads, *layer.shape) == (site["heads"], site["kv_heads"], *shape)


@pytest.mark.parametrize("name", ["t5", "llama", "bert"])
def test_a_trace_file_gives_every_map_to_numpy_alone(name: str, tmp_path: Path) -> None:
    (trace,) = load(folder_of(name, tmp_path)).trace([Request("Where is the station?", parameters=SHORT)])
    assert isinstance(trace, Trace)
    path = tmp_path / "trace.safetensors"
    trace.save(path)
    import json

    tensors, summary = load_file(path), json.loads(read_header(path)["trace"])
    again = Trace.load(path)
    for site, entries in summary["layers"].items():
        for index, entry in enumerate(entries):
            q, k, lse = (tensors[f"{site}.{index}.{part}"] for part in ("q", "k", "lse"))
            scores = q @ np.repeat(k, len(q) // len(k), axis=0).transpose(0, 2, 1) * entry["scale"]
            rows, columns = np.indices(scores.shape[1:])
            if entry["bias"] is not None:
                assert entry["bias"]["kind"] == "toeplitz"
                scores = scores + tensors[f"{site}.{index}.bias"][:, columns - rows + entry["bias"]["queries"] - 1]
            weights = np.exp(scores - lse[..., None])
            if entry["mask"]["kind"] == "causal":
                weights = np.where(columns <= rows + entry["mask"]["offset"], weights, 0)
            else:
                assert entry["mask"]["kind"] == "full"
            np.testing.assert_allclose(weights, trace.map(site, index).dense(), atol=2e-6)
            np.testing.assert_array_equal(again.map(site, index).dense(), trace.map(site, index).dense())
    assert again.certificate == trace.certificate
    assert again.prediction == trace.prediction


def test_one_bad_input_does_not_spoil_the_others(tmp_path: Path) -> None:
    model = load(folder_of("bert", tmp_path))
    for run in (model.predict, model.trace):
        good, empty, long = run([Request("Hello"), Request(""), Request("word " * 500)])
        assert not isinstance(good, InputError)
        assert isinstance(empty, InputError)
        assert isinstance(long, InputTooLong)
        assert "64" in str(long)


def hub_model(model: Any, name: str, tmp_path: Path) -> HubModel:
    """A model of another family with the tokenizer of the tiny GPT-2."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoints.gpt2(tmp_path / "tokenizer"))
    return HubModel(Loaded(model.eval(), model.config, tokenizer, revision="r"), TASKS[name])


def tiny(cls: Any, config: Any) -> Any:
    torch.manual_seed(0)
    return cls._from_config(config, attn_implementation="eager")


def bloom() -> Any:
    config = transformers.BloomConfig(vocab_size=600, hidden_size=32, n_layer=2, n_head=4)
    return tiny(transformers.BloomForCausalLM, config)


def test_a_family_of_its_own_kind_gives_its_own_weights_and_says_so(tmp_path: Path) -> None:
    model = hub_model(bloom(), "text-generation", tmp_path)
    assert model.describe()["attention"] == "eager"
    (trace,) = model.trace([Request("Hello there", parameters=SHORT)])
    assert isinstance(trace, Trace)
    certificate = trace.certificate
    assert (certificate.kernel, certificate.max_error, certificate.rows_checked) == ("eager", None, 0)
    assert certificate.warning is not None
    assert "eager weights" in certificate.warning
    ids = torch.tensor([trace.axes["tokens"].ids])
    with torch.no_grad():
        expected = model.loaded.model(ids, output_attentions=True).attentions
    for layer, weights in zip(trace.layers["decoder"], expected, strict=True):
        torch.testing.assert_close(layer.dense(), weights[0], atol=1e-6, rtol=0)
    path = tmp_path / "eager.safetensors"
    trace.save(path)
    torch.testing.assert_close(Trace.load(path).map("decoder", 1).dense(), expected[1][0], atol=1e-6, rtol=0)


def test_dense_weights_have_a_limit_and_it_says_what_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = hub_model(bloom(), "text-generation", tmp_path)
    monkeypatch.setattr(served, "EAGER_BYTES", 4 * 2 * 4 * 20 * 20)  # twenty tokens in two layers of four heads
    few = Parameters(max_new_tokens=2)
    (short,) = model.trace([Request("He", parameters=few)])
    (long,) = model.trace([Request("Hello there, " * 6, parameters=few)])
    assert isinstance(short, Trace)
    assert isinstance(long, InputTooLong)
    assert "about 20 positions" in str(long)


@pytest.mark.parametrize("name", ["bert", "t5", "llama"])
def test_a_trace_over_the_limit_is_refused_and_it_says_what_fits(name: str, tmp_path: Path) -> None:
    model = load(folder_of(name, tmp_path))
    (trace,) = model.trace([Request("Hello there", parameters=SHORT)])
    assert isinstance(trace, Trace)
    model.trace_limit = trace.nbytes
    (again,) = model.trace([Request("Hello there", parameters=SHORT)])
    assert isinstance(again, Trace)
    model.trace_limit = trace.nbytes // 2
    (refused,) = model.trace([Request("Hello there", parameters=SHORT)])
    assert isinstance(refused, TraceTooLarge)
    assert "would fit" in str(refused)


def test_a_family_whose_two_attentions_disagree_is_refused(tmp_path: Path) -> None:
    config = transformers.FalconConfig(
        vocab_size=600, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, alibi=True, bos_token_id=0,
        eos_token_id=0,
    )  # fmt: skip
    network = tiny(transformers.FalconForCausalLM, config)
    for weight in network.parameters():
        weight.data.mul_(8)
    with pytest.raises(CheckpointError, match="disagree"):
        hub_model(network, "text-generation", tmp_path)


def test_a_family_that_hides_its_attention_is_refused(tmp_path: Path) -> None:
    config = transformers.MambaConfig(vocab_size=600, hidden_size=32, num_hidden_layers=2, state_size=4)
    with pytest.raises(CheckpointError, match="mamba cannot be shown"):
        hub_model(transformers.MambaForCausalLM(config), "text-generation", tmp_path)


def test_half_of_the_layers_is_refused_not_renumbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny(
        transformers.GPT2LMHeadModel, transformers.GPT2Config(vocab_size=600, n_embd=32, n_layer=2, n_head=4)
    )
    attention = network.transformer.h[1].attn

    def hidden(states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return torch.zeros_like(states), None

    monkeypatch.setattr(attention, "forward", hidden)
    with pytest.raises(CheckpointError, match="keep their attention to themselves"):
        hub_model(network, "text-generation", tmp_path)


def test_the_same_file_gives_the_same_id_and_another_file_another() -> None:
    ids = {content_id("r", Request({"image": data})) for data in (b"one", b"one", b"two")}
    assert len(ids) == 2
    assert content_id("r", Request({"image": b"a"})) != content_id("r", Request({"audio": b"a"}))
    with pytest.raises(TypeError):
        content_id("r", Request({"image": object()}))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_certified_within_its_own_tolerance(dtype: str, tmp_path: Path) -> None:
    model = load(f"{folder_of('llama', tmp_path)}?dtype={dtype}")
    (trace,) = model.trace([Request("Where is the station?", parameters=SHORT)])
    assert isinstance(trace, Trace)
    assert trace.certificate.dtype == dtype
    assert trace.certificate.warning is None
    assert trace.certificate.relative_error is not None
    assert math.isfinite(trace.certificate.relative_error)
    assert trace.certificate.relative_error > 1e-5  # rounding is there, and is told


def test_what_a_hand_changed_is_put_back(tmp_path: Path) -> None:
    model = load(folder_of("bert", tmp_path))
    assert isinstance(model, HubModel)
    (before,) = model.trace([Request("Hello")])
    model.loaded.model.set_attn_implementation("sdpa")  # a pass would be silent now
    (after,) = model.trace([Request("Hello")])
    assert isinstance(before, Trace)
    assert isinstance(after, Trace)
    torch.testing.assert_close(after.map("encoder", 0).dense(), before.map("encoder", 0).dense())


def test_a_recorder_that_heard_nothing_makes_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(folder_of("bert", tmp_path))
    assert isinstance(model, HubModel)
    monkeypatch.setattr(model.state, "restore", list)
    model.loaded.model.set_attn_implementation("sdpa")
    (actual,) = model.trace([Request("Hello")])
    assert isinstance(actual, ModelFailure)
    assert isinstance(actual.__cause__, TraceError)
    assert "nothing" in str(actual.__cause__)
