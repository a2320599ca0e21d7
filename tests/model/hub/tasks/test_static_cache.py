"""transformers' static cache: the same outputs as with the dynamic one, where it fits; a trial makes the choice."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers.generation.configuration_utils import CompileConfig

from heedmap.model.hub.load import loading
from heedmap.model.hub.served import HubModel
from heedmap.model.hub.tasks.static_cache import Choice, StaticCache, candidate, longest, proven
from heedmap.model.load import load
from tests.model.hub import checkpoints, media_checkpoints
from tests.model.hub.serving import ask, request, served
from tests.model.watching import Notes

SPEECH = {"audio": media_checkpoints.as_wav(media_checkpoints.speech())}
FAMILIES: dict[str, tuple[Any, str, Any]] = {
    "llama": (checkpoints.llama, "text-generation", "Where is the station?"),
    "gpt2": (checkpoints.gpt2, "text-generation", "Where is the station?"),
    "t5": (checkpoints.t5, "text2text-generation", "Where is the station?"),
    "whisper": (media_checkpoints.whisper, "automatic-speech-recognition", SPEECH),
}
needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def caches(model: HubModel) -> list[str]:
    """The kinds of cache that `generate` makes from now on."""
    kinds: list[str] = []
    prepare = model.loaded.model._prepare_cache_for_generation

    def noting(config: Any, *arguments: Any, **more: Any) -> Any:
        kinds.append(config.cache_implementation or "dynamic")
        return prepare(config, *arguments, **more)

    model.loaded.model._prepare_cache_for_generation = noting
    return kinds


@pytest.mark.parametrize("family", FAMILIES)
def test_a_static_cache_writes_the_same(tmp_path: Path, family: str) -> None:
    make, task, inputs = FAMILIES[family]
    model = served(make(tmp_path / family), task)
    expected = ask(model, inputs, max_new_tokens=9)
    kinds = caches(model)
    model.runner.cache = Choice(StaticCache(64, compiled=False))
    got = ask(model, inputs, max_new_tokens=9)
    assert "static" in kinds
    assert (got.text, got.axes, got.finish_reason) == (expected.text, expected.axes, expected.finish_reason)
    assert got.score == pytest.approx(expected.score, abs=1e-4)


def test_what_does_not_fit_or_is_watched_has_the_dynamic_one(tmp_path: Path) -> None:
    model = served(checkpoints.llama(tmp_path / "llama"), "text-generation")
    kinds = caches(model)
    model.runner.cache = Choice(StaticCache(16, compiled=False))
    ask(model, "Where is the station?", max_new_tokens=16)
    ask(model, "Where is it?", max_new_tokens=2, beam_size=2)
    model.predict([request("Where is it?", max_new_tokens=2), request("Who is it?", max_new_tokens=2)])
    model.predict([request("Where is it?", max_new_tokens=2)], Notes())
    assert kinds == ["dynamic"] * 4
    model.predict([request("Where is it?", max_new_tokens=2)])
    assert kinds[4:] == ["static"]


def test_a_step_is_one_graph_and_texts_of_other_lengths_share_it(tmp_path: Path) -> None:
    model = served(checkpoints.llama(tmp_path / "llama"), "text-generation")
    texts = ["Where is the station?", "The train", "I don't know where it is."]
    expected = [ask(model, text, max_new_tokens=6).axes for text in texts]
    graphs: list[int] = []

    def backend(module: Any, _inputs: Any, **_: Any) -> Any:
        graphs.append(1)
        return module.forward

    options = CompileConfig(fullgraph=True, backend=backend, mode=None)
    options._compile_all_devices = True
    model.runner.cache = Choice(StaticCache(64, options=options))
    assert [ask(model, text, max_new_tokens=6).axes for text in texts] == expected
    assert len(graphs) == 1


def test_the_longest_cache_within_memory() -> None:
    text = SimpleNamespace(num_attention_heads=8, num_key_value_heads=2, hidden_size=64, num_hidden_layers=3)
    config = SimpleNamespace(get_text_config=lambda decoder: text)
    token = 3 * 2 * 2 * 8 * 2
    assert longest(config, torch.bfloat16, 4096, token * 4096) == 4096
    assert longest(config, torch.bfloat16, 4096, token * 4096 - 1) == 2048
    assert longest(config, torch.bfloat16, 1000, token * 4096) == 512
    assert longest(config, torch.bfloat16, 4096, token - 1) == 0
    text.head_dim = 16
    assert longest(config, torch.bfloat16, 4096, token * 4096) == 2048
    del text.num_attention_heads
    assert longest(config, torch.bfloat16, 4096, token * 4096) == 0, "whose attention is of another shape has none"


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda cache: "a", None),
        (lambda cache: "a" if cache is None else "b", "other tokens"),
        (lambda cache: cache.length, "could not be compiled"),
    ],
)
def test_the_trial_decides(write: Any, reason: str | None) -> None:
    cache = StaticCache(64, compiled=False)
    choice = proven(cache, write)
    assert choice.cache == (cache if reason is None else None)
    if reason is not None:
        assert reason in str(choice.to_json()["reason"])


def test_what_is_no_faster_is_not_kept() -> None:
    assert proven(StaticCache(64), lambda cache: sum(range(10 if cache is None else 1_000_000)) * 0).cache is None


def test_the_description_says_which(tmp_path: Path) -> None:
    folder = checkpoints.llama(tmp_path / "llama")
    described = load(folder).describe()["generation"]["cache"]
    assert described == {"kind": "dynamic", "reason": "a static cache is for accelerators"}
    assert candidate(loading.load(folder, "AutoModelForCausalLM"), 64).cache is None
    assert Choice(StaticCache(256)).to_json()["kind"] == "static"


@needs_card
@pytest.mark.cuda
def test_a_choice_on_a_card_is_the_same_tokens(tmp_path: Path) -> None:
    folder = checkpoints.llama(tmp_path / "llama", max_position_embeddings=512)
    model = load(folder, "cuda")
    described = model.describe()["generation"]["cache"]
    assert described["reason"]
    got = ask(model, "Where is the station?", max_new_tokens=30)
    model.runner.cache = Choice()
    expected = ask(model, "Where is the station?", max_new_tokens=30)
    assert (got.text, got.axes) == (expected.text, expected.axes)
