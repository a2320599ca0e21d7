"""A language model over static buffers: its own logits, whatever window, border or hypothesis."""

from pathlib import Path
from typing import Any

import pytest
import torch

from heedmap.model.contract import Parameters, Request
from heedmap.model.load import load
from heedmap.model.native.language_model import LanguageModel, LanguageModelConfig
from heedmap.model.native.static_language_model import StaticArrangement, StaticLanguageModel
from heedmap.model.native.text_generator import TextGenerator
from tests.model.native.rehearsing import Rehearsing, alike, with_and_without

ROOT = Path(__file__).resolve().parents[3]


def network(windows: tuple[int | None, ...], **shape: int) -> LanguageModel:
    torch.manual_seed(2)
    config = LanguageModelConfig(
        language="en", vocabulary=64, width=32, feed_forward=48, heads=4, windows=windows, max_positions=600, **shape
    )
    built = LanguageModel(config).eval()
    for parameter in built.parameters():
        parameter.data.mul_(8 if parameter.dim() > 1 else 1)
    return built


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("read", [0, 1, 7, 40])
def test_a_language_models_logits_are_its_own(kv_heads: int, read: int) -> None:
    """Windows under, at and over the borders of the buckets, rings that turn, and hypotheses that change places."""
    plain = network((4, 33, 100, None), kv_heads=kv_heads)
    text = torch.randint(4, 64, (3, 90))
    text[:, :read] = text[:1, :read]
    replay = Rehearsing()
    static = StaticLanguageModel(StaticArrangement(plain), 4, 128, replay)
    order = torch.arange(3)
    with torch.inference_mode():
        state = plain.start()
        if read:
            plain.decode(text[:1, :read], state)
        static.begin(state)
        static.reorder(torch.zeros(3, dtype=torch.long))
        for cache in state.caches:
            cache.room = [part.expand(3, -1, -1, -1).clone() for part in cache.room]
        for at in range(read, 90):
            tokens = text[order, at][:, None]
            torch.testing.assert_close(static.decode(tokens, static), plain.decode(tokens, state), atol=2e-4, rtol=0)
            if at % 20 == 19:
                swap = torch.tensor([2, 0, 1])
                static.reorder(swap)
                state.reorder(swap)
                order = order[swap]
    assert {key[2] for key in replay.keys} >= {64, 128}


@pytest.mark.parametrize("parameters", [{}, {"beam_size": 3}, {"do_sample": True, "seed": 2, "top_k": 9}])
def test_shakespeare_goes_on_alike(parameters: dict[str, Any]) -> None:
    model = load(ROOT / "model" / "weights" / "shakespeare")
    assert isinstance(model, TextGenerator)
    replay = Rehearsing()
    model.reserve = StaticArrangement(model.network).reserve(lambda: replay)
    request = Request("ROMEO:\nBut soft, what light" * 4, None, Parameters(max_new_tokens=40, **parameters))
    (got,), (expected,) = with_and_without(model, lambda: model.predict([request]))
    alike(got, expected)
    assert {key[2] for key in replay.keys} >= {128, 256}, "it grew over a border, and over a window"
