"""The one file that knows native and transformers' models."""

from pathlib import Path
from typing import get_args

import pytest

from heedmap import model
from heedmap.model.errors import CheckpointError
from heedmap.model.hub.load.loading import read_config
from heedmap.model.hub.tasks.registry import TASKS
from heedmap.model.load import NATIVE, is_native, load, peek
from heedmap.model.native import checkpoint
from tests.model.hub import checkpoints


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny BERT with a head for masked words."""
    return checkpoints.bert(tmp_path / "bert", "masked")


def test_our_own_folders_are_told_from_theirs(tiny: Path, tiny_gru: Path, folder: Path, tmp_path: Path) -> None:
    assert [is_native(path) for path in (tiny, tiny_gru, folder, tmp_path)] == [True, True, False, False]
    assert read_config(folder).hidden_size == 32


def test_every_architecture_of_our_own_is_known() -> None:
    assert {config.model_fields["architecture"].default for config in get_args(checkpoint.Config)} == set(NATIVE)


@pytest.mark.parametrize(
    "option", ["dtype=bfloat16", "generator=http://localhost:1/v1", "device_map=auto", "quantize=int8"]
)
def test_our_own_models_stand_whole_on_one_device(option: str, tiny: Path) -> None:
    with pytest.raises(CheckpointError, match=f"{option} is for models of transformers' layout.*leave the option out"):
        load(f"{tiny}?{option}")


def test_our_own_models_have_one_task(tiny: Path) -> None:
    assert load(f"{tiny}?task=translation").task == "translation"
    with pytest.raises(CheckpointError, match="is for translation, not for fill-mask"):
        load(f"{tiny}?task=fill-mask")


def test_what_is_known_without_loading(tiny: Path, folder: Path, tmp_path: Path) -> None:
    native = {"task": "translation", "architecture": "transformer"}
    assert peek(str(tiny)) == {**native, "languages": {"source": "de", "target": "en"}}
    writer = peek(str(Path(model.__file__).with_name("weights") / "shakespeare"))
    assert writer["task"] == "text-generation"
    assert [len(text) for text in writer["examples"]] == sorted(len(text) for text in writer["examples"])
    assert len(writer["examples"]) == 2
    facts = {"architecture": "BertForMaskedLM", "family": "bert"}
    assert peek(str(folder)) == {"task": "fill-mask", **facts}
    assert peek(f"{folder}?task=feature-extraction") == {
        "task": "feature-extraction",
        **facts,
        "examples": [TASKS["feature-extraction"].example],
    }
    assert peek("org/name?task=translation") == {"task": "translation"}
    assert [peek(text) for text in ("org/name", str(tmp_path / "gone"), str(tmp_path), "a?b=c")] == [{}] * 4
