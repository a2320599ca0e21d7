"""Sliding windows without their matrix: the same outputs and maps, little memory, and no model taken on trust."""

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers.masking_utils import chunked_causal_mask_function, sliding_window_causal_mask_function

from heedmap.model.attention.masks import Both
from heedmap.model.hub.attention import bands
from heedmap.model.hub.attention.bands import band_of, banded, mask
from heedmap.model.hub.attention.recorder import prepare, record
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.served import HubModel
from heedmap.model.hub.tasks.registry import TASKS
from tests.model.hub import checkpoints

SHAPE = {
    "vocab_size": 600, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 4096,
}  # fmt: skip


def built(cls: Any, config: Any) -> Any:
    torch.manual_seed(0)
    model = cls._from_config(config, attn_implementation="eager").eval()
    for name, weight in model.named_parameters():
        if "q_proj" in name or "k_proj" in name:
            weight.data.mul_(10)
    return model


def mistral() -> Any:
    return built(transformers.MistralForCausalLM, transformers.MistralConfig(sliding_window=5, **SHAPE))


def gemma() -> Any:
    layers = ["sliding_attention", "full_attention"]
    config = transformers.Gemma3TextConfig(sliding_window=5, head_dim=8, layer_types=layers, **SHAPE)
    return built(transformers.Gemma3ForCausalLM, config)


def oss() -> Any:
    layers = ["sliding_attention", "full_attention"]
    rope = {"rope_type": "default", "rope_theta": 1e4}
    settings = {
        "sliding_window": 5,
        "head_dim": 8,
        "layer_types": layers,
        "num_local_experts": 4,
        "rope_parameters": rope,
    }
    config = transformers.GptOssConfig(**settings, **SHAPE)
    return built(transformers.GptOssForCausalLM, config)


@pytest.mark.parametrize("build", [mistral, gemma, oss])
def test_bands_change_neither_outputs_nor_maps(build: Any) -> None:
    model = build()
    ids = torch.randint(5, 600, (2, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(ids, output_attentions=True)
        wiring = prepare(model)
        with banded("long"):
            torch.testing.assert_close(model(ids).logits, expected.logits, atol=1e-4, rtol=1e-4)
            with record(wiring) as recorder:
                torch.testing.assert_close(model(ids).logits, expected.logits, atol=1e-4, rtol=1e-4)
    assert len(bands._bands) > 0
    for row in range(2):
        maps = recorder.maps(row, {"decoder": (40, 40)})["decoder"]
        for layer, weights in zip(maps, expected.attentions, strict=True):
            torch.testing.assert_close(layer.dense(), weights[row], atol=1e-5, rtol=0)
        assert isinstance(maps[0].mask, Both)


def call(length: int, function: Any, size: int, padding: Tensor | None = None) -> Tensor | None:
    return mask(1, length, length, mask_function=function, local_size=size, attention_mask=padding)


def test_a_band_is_one_byte_and_is_found_through_slices() -> None:
    with banded("long"):
        mask = call(50_000, sliding_window_causal_mask_function(100), 100)
    assert mask is not None
    assert mask.shape == (1, 1, 50_000, 50_000)
    assert mask.untyped_storage().nbytes() == 1
    assert band_of(mask) is not None
    assert band_of(mask[:, :, 100:, :-7].expand(3, -1, -1, -1)) is not None
    assert not mask.any()  # who computes with it sees nothing, and is found out
    assert band_of(torch.zeros(1, 1, 1, 1, dtype=torch.bool).expand(1, 1, 9, 9)) is None


@pytest.mark.parametrize("what", ["never", "short", "padded", "chunked", "another size"])
def test_anything_else_is_a_mask_of_cells(what: str) -> None:
    window, size, length, padding = sliding_window_causal_mask_function(4), 4, 30, None
    if what == "short":
        length = 8
    if what == "padded":
        padding = torch.ones(1, 30, dtype=torch.bool)
        padding[0, 25:] = False
    if what == "chunked":
        window = chunked_causal_mask_function(4, torch.zeros(1, dtype=torch.int))
    if what == "another size":
        size = 5
    with banded("never" if what == "never" else "long"):
        mask = call(length, window, size, padding)
    assert mask is not None
    assert band_of(mask) is None
    assert mask.any()


def test_a_model_that_computes_with_its_mask_gets_cells(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoints.gpt2(tmp_path / "tokenizer"))

    def served(model: Any) -> HubModel:
        return HubModel(Loaded(model, model.config, tokenizer, revision="r"), TASKS["text-generation"])

    assert served(mistral()).bands == "long"
    model = mistral()
    attention = model.model.layers[0].self_attn
    forward = attention.forward

    def computing(*args: Any, **kwargs: Any) -> Any:
        mask = kwargs.get("attention_mask")
        if isinstance(mask, Tensor) and mask.dtype == torch.bool:
            kwargs["attention_mask"] = mask & torch.ones_like(mask)
        return forward(*args, **kwargs)

    monkeypatch.setattr(attention, "forward", computing)
    assert served(model).bands == "never"
