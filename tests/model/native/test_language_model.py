"""The language model beside transformers' Llama and Mistral, its cache, its windows and its rotations."""

import math

import pytest
import torch
import transformers

from heedmap.model.attention.positions import rotary_angles, rotate
from heedmap.model.native.language_model import LanguageModel, LanguageModelConfig
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.records import AttentionRecord

SHAPE = {"vocabulary": 30, "width": 32, "feed_forward": 48, "heads": 4, "kv_heads": 2}
NAMES = {
    "embedding": "model.embed_tokens",
    "norm": "model.norm",
    "attention_norm": "input_layernorm",
    "feed_forward_norm": "post_attention_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.output": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


def network(*windows: int | None) -> LanguageModel:
    torch.manual_seed(0)
    model = LanguageModel(LanguageModelConfig(language="en", windows=windows, **SHAPE)).eval()
    for parameter in model.parameters():
        parameter.data.mul_(5 if parameter.dim() > 1 else 1)
    return model


def theirs(model: LanguageModel, window: int | None) -> torch.nn.Module:
    shape = {
        "vocab_size": 30, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": model.config.layers,
        "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "tie_word_embeddings": True,
    }  # fmt: skip
    if window is None:
        other = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape))
    else:
        other = transformers.MistralForCausalLM(transformers.MistralConfig(sliding_window=window, **shape))
    tensors = {}
    for name, tensor in model.state_dict().items():
        parts = name.removesuffix(".weight").split(".", 2) if name.startswith("layers.") else [name[: -len(".weight")]]
        prefix = f"model.layers.{parts[1]}." if len(parts) == 3 else ""
        tensors[f"{prefix}{NAMES[parts[-1]]}.weight"] = tensor
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    other.load_state_dict(tensors)
    return other.eval()


@pytest.mark.parametrize("window", [None, 3])
def test_parity_with_transformers(window: int | None) -> None:
    model = network(window, window)
    ids = torch.randint(0, 30, (2, 11), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(model(ids), theirs(model, window)(ids).logits, atol=1e-5, rtol=1e-5)


def test_step_by_step_is_the_whole() -> None:
    model = network(None, 3, 5)
    ids = torch.randint(0, 30, (2, 11), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole, state = model(ids), model.start()
        parts = [model.decode(part, state) for part in (ids[:, :4], ids[:, 4:5], ids[:, 5:9], ids[:, 9:])]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("length", [7, 600])
def test_a_window_hides_the_distant_past_at_any_length(length: int) -> None:
    model = network(4, None)
    ids = torch.randint(0, 30, (1, length), generator=torch.Generator().manual_seed(1))
    recorder = Recorder()
    with torch.inference_mode():
        with_capture = model(ids, recorder)
        torch.testing.assert_close(with_capture, model(ids), atol=1e-4, rtol=1e-4)
    first, second = recorder.maps(0, {"decoder": (length, length)})["decoder"]
    index = torch.arange(length)
    offset = index[:, None] - index[None, :]
    assert not first.dense()[:, (offset < 0) | (offset >= 4)].any()
    assert (second.dense()[:, offset >= 4] > 0).any()
    for layer in (first, second):
        torch.testing.assert_close(layer.dense().sum(-1), torch.ones(4, length), atol=1e-4, rtol=0)
    certificate = recorder.certify(0, {"decoder": [first, second]})
    assert certificate.warning is None
    assert all(isinstance(record, AttentionRecord) for record in recorder.records["decoder"])


def test_rotations_worked_by_hand() -> None:
    angles = rotary_angles(torch.tensor([0, 1, 2]), 4, base=100.0)
    torch.testing.assert_close(angles, torch.tensor([[0.0, 0.0], [1.0, 0.1], [2.0, 0.2]]))
    turned = rotate(torch.tensor([[[1.0, 0.0, 0.0, 1.0]]]), torch.tensor([[math.pi / 2, math.pi]]))
    torch.testing.assert_close(turned, torch.tensor([[[0.0, 0.0, 1.0, -1.0]]]), atol=1e-6, rtol=0)


def test_a_product_of_rotated_vectors_depends_on_the_distance_alone() -> None:
    q, k = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(0))
    positions = torch.tensor([3, 10, 103, 110])
    a, b, c, d = rotary_angles(positions, 8).unsqueeze(1)
    near, far = (rotate(q, b) * rotate(k, a)).sum(), (rotate(q, d) * rotate(k, c)).sum()
    torch.testing.assert_close(near, far, atol=1e-5, rtol=1e-5)


def test_an_odd_head_cannot_turn() -> None:
    with pytest.raises(ValueError, match="even"):
        rotary_angles(torch.arange(3), 5)
