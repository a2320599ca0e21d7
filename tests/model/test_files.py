"""Files that are not what their names say: each gets a sentence of its own, in every kind of checkpoint."""

import shutil
from pathlib import Path

import pytest

from heedmap.model.errors import CheckpointError
from heedmap.model.files import refuse_damaged
from heedmap.model.load import load
from tests.model.hub import checkpoints

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12\n"
PAGE = b"\n<!DOCTYPE html><html><body>Not found</body></html>"
BAD = [
    (POINTER, r"is a Git LFS pointer.*git lfs pull"),
    (PAGE, r"is a web page, not the file"),
    (b"<?xml version='1.0'?><Error/>", r"is a web page, not the file"),
    (b"", r"is empty \(0 bytes\)"),
    (b" \n", r"is empty \(2 bytes\)"),
]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5 of transformers' layout, with files that it does not need."""
    folder = checkpoints.t5(tmp_path_factory.mktemp("files") / "t5")
    (folder / "spiece.model").write_bytes(b"\x00")
    return folder


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "spiece.model"])
@pytest.mark.parametrize(("data", "message"), BAD)
def test_a_checkpoint_of_others(theirs: Path, tmp_path: Path, name: str, data: bytes, message: str) -> None:
    folder = Path(shutil.copytree(theirs, tmp_path / "copy"))
    (folder / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{name} {message}"):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize(("data", "message"), BAD)
def test_a_checkpoint_of_our_own(tiny: Path, tmp_path: Path, name: str, data: bytes, message: str) -> None:
    from heedmap.model.native import checkpoint

    folder = Path(shutil.copytree(tiny, tmp_path / "copy"))
    (folder / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{name} {message}"):
        checkpoint.load(folder)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_weights_that_are_cut_short(tiny: Path, theirs: Path, tmp_path: Path, share: float) -> None:
    for at, source in enumerate((tiny, theirs)):
        folder = Path(shutil.copytree(source, tmp_path / str(at)))
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(CheckpointError, match=r"model\.safetensors is cut short: it has [\d,]+ bytes of [\d,]+"):
            load(folder)


def test_whole_files_pass(tiny: Path, theirs: Path) -> None:
    for path in (*tiny.iterdir(), *theirs.iterdir(), tiny / "not there"):
        refuse_damaged(path)
