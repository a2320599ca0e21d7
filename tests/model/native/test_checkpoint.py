"""Checkpoints are strict: every key, every shape, and nothing pickled."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from heedmap.model.errors import CheckpointError, CheckpointMismatch, UnsafeCheckpoint
from heedmap.model.native import checkpoint


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["tiny", "tiny_gru"])
def test_saved_and_loaded(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    first = checkpoint.load(request.getfixturevalue(name))
    checkpoint.save(tmp_path / "again", first.network, first.tokenizer)
    again = checkpoint.load(tmp_path / "again")
    assert again.revision == first.revision
    for key, tensor in first.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[key], tensor)


def test_half_precision_weights_are_served_in_float32(tiny: Path, tmp_path: Path) -> None:
    first = checkpoint.load(tiny)
    checkpoint.save(tmp_path / "half", first.network, first.tokenizer, torch.float16)
    assert {t.dtype for t in load_file(tmp_path / "half" / "model.safetensors").values()} == {torch.float16}
    assert checkpoint.load(tmp_path / "half").network.output_weight.dtype == torch.float32


def edit(folder: Path, change: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    match change:
        case "missing":
            del tensors["encoder.0.attention.query.weight"]
        case "unexpected":
            tensors["extra"] = torch.zeros(1)
        case "shape":
            tensors["decoder_norm.weight"] = torch.zeros(7)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"missing tensors: encoder\.0\.attention\.query\.weight"),
        ("unexpected", "unexpected tensors: extra"),
        ("shape", r"decoder_norm\.weight has shape \[7\], expected \[32\]"),
    ],
)
def test_tensors_that_do_not_fit_are_named(folder: Path, change: str, message: str) -> None:
    edit(folder, change)
    with pytest.raises(CheckpointMismatch, match=message):
        checkpoint.load(folder)


class Bomb:
    """Unpickling this leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("place", ["beside", "inside", "torch"])
def test_a_pickle_is_refused_and_never_opened(folder: Path, tmp_path: Path, place: str) -> None:
    trigger = tmp_path / "exploded"
    weights = folder / "model.safetensors"
    weights.unlink()
    if place == "torch":
        torch.save({"x": torch.zeros(1)}, weights)
    else:
        target = weights if place == "inside" else folder / "pytorch_model.bin"
        target.write_bytes(pickle.dumps(Bomb(trigger)))
    with pytest.raises(UnsafeCheckpoint, match="pickle"):
        checkpoint.load(folder)
    assert not trigger.exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("harm", ["missing", "truncated"])
def test_a_missing_or_truncated_file_is_named(folder: Path, name: str, harm: str) -> None:
    path = folder / name
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("architecture", "perceptron", "perceptron"),
        ("heads", 0, "heads"),
        ("layers", 3, "layers"),
        ("vocabulary", 201, r"tokenizer\.json has \d+ entries, config\.json says 201"),
    ],
)
def test_a_config_that_makes_no_sense_is_explained(folder: Path, field: str, value: object, message: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {field: value}))
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(folder)
