"""Weights in 8-bit rows: codes and scales worked by hand, what is lost, and what does not fit is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from heedmap.app.cli import cli
from heedmap.model.errors import CheckpointError, CheckpointMismatch
from heedmap.model.native import checkpoint, storage

NAME = "encoder.0.attention.query.weight"


@pytest.fixture
def coded(tiny: Path, tmp_path: Path) -> Path:
    loaded = checkpoint.load(tiny)
    checkpoint.save(tmp_path / "coded", loaded.network, loaded.tokenizer, torch.int8)
    return tmp_path / "coded"


def test_rows_worked_by_hand() -> None:
    """The largest of a row is 127; a scale of 0.5 and one of 2^-9 are exact in float16."""
    codes, scale = storage.rows(torch.tensor([[63.5, -0.5, 0.2, 0.3], [0.0, 127 / 512, -127 / 512, 1 / 512]]))
    assert codes.tolist() == [[127, -1, 0, 1], [0, 127, -127, 1]]
    assert scale.tolist() == [0.5, 1 / 512]
    again = storage.read({"w": codes, "w.scale": scale})
    assert again["w"].tolist() == [[63.5, -0.5, 0.0, 0.5], [0.0, 127 / 512, -127 / 512, 1 / 512]]
    assert again.keys() == {"w"}


def test_a_row_of_zeros_and_more_dimensions() -> None:
    kernel = torch.zeros(2, 3, 2)
    kernel[1, 2, 1] = -127.0
    codes, scale = storage.rows(kernel)
    assert codes.shape == kernel.shape
    assert (scale > 0).all()
    assert torch.equal(storage.read({"w": codes, "w.scale": scale})["w"], kernel)


def test_no_weight_is_off_by_more_than_half_a_step(tiny: Path, coded: Path) -> None:
    before, after = checkpoint.load(tiny).network.state_dict(), checkpoint.load(coded).network.state_dict()
    files = load_file(coded / "model.safetensors")
    assert files[NAME].dtype == torch.int8
    assert files[NAME + ".scale"].dtype == files["encoder_norm.weight"].dtype == torch.float16
    for name, tensor in before.items():
        assert after[name].dtype == torch.float32
        if tensor.dim() == 2:
            step = tensor.abs().amax(dim=1, keepdim=True) / 127
            # 2^-11 of float16's rounding of the scale moves the largest weight, and the others less.
            assert ((after[name] - tensor).abs() <= step * (0.5 + 127 * 2**-11)).all()
        else:
            torch.testing.assert_close(after[name], tensor, rtol=1e-3, atol=1e-6)


def test_storing_what_was_stored_loses_nothing_more(coded: Path, tmp_path: Path) -> None:
    loaded = checkpoint.load(coded)
    checkpoint.save(tmp_path / "again", loaded.network, loaded.tokenizer, torch.int8)
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (coded / "model.safetensors").read_bytes()
    assert checkpoint.load(tmp_path / "again").revision == loaded.revision


def edit(folder: Path, change: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    scale = tensors[NAME + ".scale"]
    match change:
        case "no scale":
            del tensors[NAME + ".scale"]
        case "short":
            tensors[NAME + ".scale"] = scale[:-1].clone()
        case "float32":
            tensors[NAME + ".scale"] = scale.float()
        case "infinite":
            scale[0] = float("inf")
        case "zero":
            scale[0] = 0
        case "scale of nothing":
            tensors["encoder_norm.weight.scale"] = scale.clone()
        case "matrix missing":
            del tensors[NAME]
        case "vector":
            tensors["encoder_norm.weight"] = tensors["encoder_norm.weight"].to(torch.int8)
            tensors["encoder_norm.weight.scale"] = torch.ones(len(tensors["encoder_norm.weight"]), dtype=torch.float16)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no scale", rf"{NAME} is stored in 8-bit rows, and its scales are missing"),
        ("short", r"no float16 number for each row: \[31\], float16"),
        ("float32", r"no float16 number for each row: \[32\], float32"),
        ("infinite", "scales that are not positive numbers"),
        ("zero", "scales that are not positive numbers"),
        ("scale of nothing", r"unexpected tensors: encoder_norm\.weight\.scale"),
        ("matrix missing", rf"missing tensors: {NAME}; unexpected tensors: {NAME}\.scale"),
        ("vector", r"encoder_norm\.weight is stored in 8-bit rows of shape \[32\]"),
    ],
)
def test_what_does_not_fit_is_refused(coded: Path, change: str, message: str) -> None:
    edit(coded, change)
    with pytest.raises(CheckpointMismatch, match=message):
        checkpoint.load(coded)


def test_the_command_stores_a_checkpoint_otherwise(tiny: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(tiny, tmp_path / "source"))
    (source / "README.md").write_text("its card")
    (source / "training.safetensors").write_bytes(b"the state of a run")
    out = tmp_path / "small"
    done = CliRunner().invoke(cli, ["convert", str(source), "--out", str(out), "--storage", "int8"])
    assert done.exit_code == 0, done.output
    assert "as int8 in " in done.output
    assert (out / "README.md").read_text() == "its card"
    assert not (out / "training.safetensors").exists()
    assert json.loads((out / "config.json").read_text()) == json.loads((source / "config.json").read_text())
    assert (out / "model.safetensors").stat().st_size < (source / "model.safetensors").stat().st_size / 2
    assert checkpoint.load(out).network.output_weight.dtype == torch.float32
    with pytest.raises(CheckpointError, match="holds something already"):
        checkpoint.rewrite(source, out, torch.int8)
