"""Run-time switches in config.json: whatever they say, the answer is the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from heedmap.model.contract import Parameters, Request, Served
from heedmap.model.hub.load.loading import read_config
from heedmap.model.hub.load.switches import SWITCHES, without_switches
from heedmap.model.load import load
from tests.model.hub import checkpoints

TEXT = "Where is the [MASK]?"
ODD: dict[str, Any] = {
    "return_dict": False,
    "torchscript": True,
    "output_attentions": True,
    "output_hidden_states": True,
    "use_cache": False,
    "_attn_implementation": "flash_attention_2",
    "attn_implementation": "no such kernel",
    "chunk_size_feed_forward": 7,
    "gradient_checkpointing": True,
    "use_bfloat16": True,
    "dtype": "fp16",
    "torch_dtype": "auto",
    "configuration_files": ["config.9.0.0.json"],
    "output_past": False,
}


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def answers(model: Served, text: str) -> Any:
    parameters = Parameters(max_new_tokens=6)
    [trace] = model.trace([Request(text, None, parameters)])
    return trace.prediction.to_json()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A tiny BERT, and its answer."""
    folder = checkpoints.bert(tmp_path_factory.mktemp("switches") / "bert", "masked")
    return folder, answers(load(folder), TEXT)


@pytest.mark.parametrize("name", ODD)
def test_a_switch_changes_no_answer(masked: tuple[Path, Any], name: str) -> None:
    folder, expected = masked
    kept = (folder / "config.json").read_text()
    try:
        edit(folder, **{name: ODD[name]})
        assert answers(load(folder), TEXT) == expected
    finally:
        (folder / "config.json").write_text(kept)


@pytest.mark.parametrize("bring", ["with generation_config.json", "without"])
def test_switches_change_no_generated_text(tmp_path: Path, bring: str) -> None:
    folder = checkpoints.gpt2(tmp_path / "gpt2")
    expected = answers(load(folder), "Where is")
    odd = {"return_dict": False, "output_attentions": True, "output_hidden_states": True, "use_cache": False}
    edit(folder, **odd, torchscript=True)
    if bring == "without":
        (folder / "generation_config.json").unlink(missing_ok=True)
    model = load(folder)
    assert answers(model, "Where is") == expected
    assert model.loaded.config.use_cache  # type: ignore[attr-defined]


def test_the_parts_of_a_configuration_have_switches_too() -> None:
    raw = {
        "text_config": {"use_cache": False, "hidden_size": 8, "dtype": "fp16"},
        "encoder": {"return_dict": False, "decoder": {"torchscript": True, "layers": 2}},
        "id2label": {"0": "use_cache"},
        "label2id": {"use_cache": 0},
        "quantization_config": {"use_cache": False},
        "dtype": "float16",
    }
    assert without_switches(raw) == {
        "text_config": {"hidden_size": 8},
        "encoder": {"decoder": {"layers": 2}},
        "id2label": {"0": "use_cache"},
        "label2id": {"use_cache": 0},
        "quantization_config": {"use_cache": False},
        "dtype": "float16",
    }


def test_what_the_model_is_stays(masked: tuple[Path, Any]) -> None:
    folder, _ = masked
    config = read_config(folder)
    assert (config.hidden_size, config.tie_word_embeddings) == (32, True)
    assert not set(SWITCHES) & {"tie_word_embeddings", "is_decoder", "hidden_act", "problem_type", "dtype"}
    assert all(SWITCHES.values()), "each has its reason"
