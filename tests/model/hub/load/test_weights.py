"""The weights of a checkpoint against those of its model: what is left is refused, told, or known to be nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from heedmap.model.errors import CheckpointMismatch
from heedmap.model.hub.load.loading import load
from tests.model.hub import checkpoints

MASKED = "AutoModelForMaskedLM"
QUERY = "bert.encoder.layer.0.attention.self.query"
Change = Callable[[dict[str, Tensor]], dict[str, Tensor]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny BERT with a head for masked words."""
    return checkpoints.bert(tmp_path / "bert", "masked")


def change(folder: Path, how: Change) -> None:
    path = folder / "model.safetensors"
    save_file(how(load_file(path)), path, metadata={"format": "pt"})


def with_(name: str) -> Change:
    return lambda tensors: {**tensors, name: torch.ones(2, 2)}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{QUERY}.lora_A.default.weight", r"an adapter that has not been merged .*lora_A.*merge_and_unload"),
        (f"{QUERY}.lora_B.weight", "an adapter that has not been merged"),
        ("bert.encoder.layer.1.output.adapters.x.down.weight", "an adapter that has not been merged"),
        (f"{QUERY}.scales", "no place for: .*query.scales; without them it would be another model"),
        ("bert.encoder.layer.2.attention.self.query.weight", "no place for: .*layer.2"),
        ("bert.embeddings.LayerNorm.gamma2", "no place for"),
    ],
)
def test_what_would_change_what_runs_is_refused(folder: Path, name: str, message: str) -> None:
    change(folder, with_(name))
    with pytest.raises(CheckpointMismatch, match=message):
        load(folder, MASKED)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("cls.seq_relationship.weight", "cls.seq_relationship"),
        ("bert.pooler.dense.weight", "bert.pooler"),
        ("classifier.weight", "classifier"),
    ],
)
def test_a_part_that_this_task_does_not_run_is_told(folder: Path, name: str, part: str) -> None:
    change(folder, with_(name))
    assert load(folder, MASKED).unused == (part,)


def test_what_a_module_computes_itself_is_nothing(folder: Path) -> None:
    assert load(folder, MASKED).unused == ()
    change(folder, with_("bert.embeddings.position_ids"))
    assert load(folder, MASKED).unused == ()


def test_the_head_of_another_task_is_told(folder: Path) -> None:
    assert load(folder, "AutoModel").unused == ("cls",)


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module.{name}",
        lambda name: f"module._orig_mod.{name}",
        lambda name: f"_orig_mod.module.{name}",
        lambda name: name.replace("layer.0.", "layer.0._orig_mod."),
    ],
)
def test_the_names_of_training_wrappers_are_taken_away(folder: Path, rename: Callable[[str], str]) -> None:
    plain = load(folder, MASKED).model.state_dict()
    change(folder, lambda tensors: {rename(name): tensor for name, tensor in tensors.items()})
    loaded = load(folder, MASKED)
    assert all(torch.equal(tensor, plain[name]) for name, tensor in loaded.model.state_dict().items())
    assert loaded.unused == ()


def test_names_that_would_meet_are_refused(folder: Path) -> None:
    change(folder, with_(f"_orig_mod.{QUERY}.weight"))
    with pytest.raises(CheckpointMismatch, match="with and without the prefix of a training wrapper"):
        load(folder, MASKED)


def test_a_prefix_of_some_names_is_named(folder: Path) -> None:
    change(
        folder,
        lambda tensors: {f"module.{n}" if n.startswith("bert.") else n: tensor for n, tensor in tensors.items()},
    )
    with pytest.raises(CheckpointMismatch, match=r"begin with 'module\.', which a training wrapper puts there"):
        load(folder, MASKED)
