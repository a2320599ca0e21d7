"""What is known of model types stands in one record each, and nowhere else."""

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import CONFIG_MAPPING, AutoConfig

from heedmap.model.errors import CheckpointError
from heedmap.model.hub.axes.image import before, halves
from heedmap.model.hub.families import FAMILIES, UNKNOWN, Family, family_of, supported
from heedmap.model.hub.load.task_choice import choose_task, tasks_for
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.image_to_text import ImageToText
from heedmap.model.hub.tasks.registry import TASKS

HUB = Path(__file__).resolve().parents[3] / "model" / "hub"


def of_type(model_type: str) -> SimpleNamespace:
    """As much of a configuration as a look-up reads."""
    return SimpleNamespace(model_type=model_type)


def names_in(source: str) -> set[str]:
    """The model types of transformers that a module names, each as a whole string, docstrings and messages aside."""
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and text in CONFIG_MAPPING}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_record_is_of_a_model_type_and_says_something(name: str) -> None:
    assert name in CONFIG_MAPPING, f"transformers knows no model type {name!r}"
    assert family_of(of_type(name)) is FAMILIES[name] != UNKNOWN


def test_nothing_else_names_a_model_type() -> None:
    modules = [path for path in HUB.rglob("*.py") if path != HUB / "families.py"]
    assert len(modules) > 30
    assert {str(path): names for path in modules if (names := names_in(path.read_text(encoding="utf-8")))} == {}


def test_a_module_that_names_a_model_type_would_be_seen() -> None:
    source = (
        'def siglip(config):\n    """As blip."""\n    return config.model_type in ("whisper", *["git"]) or {"t5": 1}'
    )
    assert names_in(source) == {"whisper", "git", "t5"}
    assert names_in((HUB / "families.py").read_text(encoding="utf-8")) >= FAMILIES.keys()


def test_a_family_without_a_record_has_the_defaults() -> None:
    assert family_of(of_type("bert")) is UNKNOWN == Family()


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.task])
def test_the_task_of_a_family_is_one_that_is_offered(name: str) -> None:
    assert FAMILIES[name].task in tasks_for(name)
    assert FAMILIES[name].task in TASKS


def test_whatever_writes_captions_here_is_chosen_to() -> None:
    writing = {name for name, family in FAMILIES.items() if family.captions}
    assert writing == {"vision-encoder-decoder", "blip"}
    assert all(FAMILIES[name].task == "image-to-text" for name in writing)
    assert not any(FAMILIES[name].picture_prompt for name in writing)


@pytest.mark.parametrize(
    ("name", "architecture"), [("git", "GitForCausalLM"), ("pix2struct", "Pix2StructForConditionalGeneration")]
)
def test_a_captioner_that_is_not_served_is_refused_as_one(tmp_path: Path, name: str, architecture: str) -> None:
    config = AutoConfig.for_model(name, architectures=[architecture])
    assert choose_task(tmp_path, config, None) == "image-to-text"
    with pytest.raises(CheckpointError, match=f"how {name} writes about a picture is not known; known are vision-enc"):
        ImageToText(Loaded(model=None, config=config))


def test_a_tower_whose_layers_cut_windows_is_the_one_that_halves_its_grid() -> None:
    windowed = {name for name, family in FAMILIES.items() if family.windowed_layer}
    assert windowed == {name for name in FAMILIES if halves(of_type(name))} == {"swin", "donut-swin"}
    assert all(before(of_type(name)) == () for name in windowed), "windows hold patches alone"


def test_a_message_lists_what_is_known() -> None:
    assert supported("recording").split(", ") == [
        *("whisper", "wav2vec2", "wav2vec2-conformer", "hubert", "wavlm", "unispeech", "unispeech-sat"),
        *("data2vec-audio", "speecht5"),
    ]
    assert supported("picture_prompt") == "llava, qwen2_vl"
