"""Pickles to safetensors: the same tensors, nothing run, nothing overwritten."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from heedmap.model.errors import CheckpointError, UnsafeCheckpoint
from heedmap.model.hub.load.convert import convert
from heedmap.model.hub.load.loading import load
from tests.model.hub import checkpoints


def pickled(folder: Path, **options: Any) -> dict[str, torch.Tensor]:
    """Turn a folder's weights into a pickle, as the hub's older checkpoints have it; returns its tensors."""
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin", **options)
    return state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny BERT with a head for masked words."""
    folder = checkpoints.bert(tmp_path / "bert", "masked")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    return folder


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_the_tensors_stay_what_they_were(folder: Path, tmp_path: Path, zipped: bool) -> None:
    state = pickled(folder, _use_new_zipfile_serialization=zipped)
    done = convert(str(folder), tmp_path / "out")
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert written.keys() == state.keys()
    assert all(torch.equal(written[name], tensor) for name, tensor in state.items())
    assert (done.tensors, done.shared) == (len(state), 0)
    assert done.bytes == (tmp_path / "out" / "model.safetensors").stat().st_size
    loaded = load(tmp_path / "out", "AutoModelForMaskedLM")
    assert loaded.tokenizer("Wo")["input_ids"]
    assert loaded.licence == "mit"
    assert not list((tmp_path / "out").glob("*.bin"))


@pytest.mark.parametrize(
    ("build", "auto_class"),
    [
        (lambda folder, **more: checkpoints.bert(folder, "masked", **more), "AutoModelForMaskedLM"),
        (checkpoints.gpt2, "AutoModelForCausalLM"),
        (checkpoints.t5, "AutoModelForSeq2SeqLM"),
        (checkpoints.bart, "AutoModelForSeq2SeqLM"),
        (checkpoints.marian, "AutoModelForSeq2SeqLM"),
    ],
    ids=["bert", "gpt2", "t5", "bart", "marian"],
)
def test_tensors_under_several_names_are_written_once(build: Any, auto_class: str, tmp_path: Path) -> None:
    folder = build(tmp_path / "model", tie_word_embeddings=True)
    before = load(folder, auto_class).model.state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(before, folder / "pytorch_model.bin")  # with the tied names, as torch.save(model.state_dict()) has them
    done = convert(str(folder), tmp_path / "out")
    assert done.shared > 0
    assert done.tensors + done.shared == len(before)
    after = load(tmp_path / "out", auto_class).model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_views_of_one_memory_are_written_apart(folder: Path, tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    (folder / "model.safetensors").unlink()
    state = {
        "rows": whole[1:],
        "turned": whole.t(),
        "one": whole[0],
        "nan": torch.tensor([float("nan")]),
        "no": whole[3:],
    }
    torch.save(state, folder / "pytorch_model.bin")
    assert convert(str(folder), tmp_path / "out").shared == 0
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(written["rows"], whole[1:])
    assert torch.equal(written["turned"], whole.t())
    assert written["no"].shape == (0, 4)


def test_several_files_become_one(folder: Path, tmp_path: Path) -> None:
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(state)
    parts = {"pytorch_model-00001-of-00002.bin": names[:5], "pytorch_model-00002-of-00002.bin": names[5:]}
    for file, held in parts.items():
        torch.save({name: state[name] for name in held}, folder / file)
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    convert(str(folder), tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == state.keys()
    assert not list((tmp_path / "out").glob("*.index.json"))


def test_the_folders_of_further_modules_come_along(folder: Path, tmp_path: Path) -> None:
    modules = [{"path": "", "type": "sentence_transformers.models.Transformer"}]
    modules += [{"path": name, "type": f"sentence_transformers.models.{name[2:]}"} for name in ("1_Pooling", "2_Dense")]
    (folder / "modules.json").write_text(json.dumps(modules))
    for name in ("1_Pooling", "2_Dense"):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text("{}")
    torch.save({"linear.weight": torch.eye(2)}, folder / "2_Dense" / "pytorch_model.bin")
    convert(str(folder), tmp_path / "out")
    assert torch.equal(load_file(tmp_path / "out" / "2_Dense" / "model.safetensors")["linear.weight"], torch.eye(2))
    assert (tmp_path / "out" / "1_Pooling" / "config.json").is_file()
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


class Runs:
    """What it runs when it is unpickled would leave a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda mark: {"weight": Runs(mark)}, "holds more than tensors"),
        (lambda mark: {"weight": torch.eye(2), "epoch": 3}, r"more than plain tensors \(epoch\)"),
        (lambda mark: {"state_dict": {"weight": torch.eye(2)}}, r"more than plain tensors \(state_dict\)"),
        (lambda mark: {"weight": torch.eye(2).to_sparse()}, "more than plain tensors"),
        (lambda mark: [torch.eye(2)], "no table of named tensors"),
    ],
    ids=["code", "numbers", "nested", "sparse", "list"],
)
def test_a_pickle_of_more_than_tensors_is_refused(folder: Path, tmp_path: Path, content: Any, message: str) -> None:
    mark = tmp_path / "mark"
    (folder / "model.safetensors").unlink()
    torch.save(content(mark), folder / "pytorch_model.bin")
    with pytest.raises(UnsafeCheckpoint, match=message):
        convert(str(folder), tmp_path / "out")
    assert not mark.exists()
    assert not (tmp_path / "out").exists(), "nothing is left behind"


def test_what_cannot_be_converted(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has safetensors already"):
        convert(str(folder), tmp_path / "out")
    pickled(folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    with pytest.raises(CheckpointError, match="holds something already"):
        convert(str(folder), tmp_path / "full")
    (folder / "pytorch_model.bin").write_bytes(b"not a pickle")
    with pytest.raises((UnsafeCheckpoint, CheckpointError)):
        convert(str(folder), tmp_path / "out")
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(CheckpointError, match="must have one pickle of weights"):
        convert(str(folder), tmp_path / "out")
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        convert(str(folder), tmp_path / "out")
    with pytest.raises(CheckpointError, match="is not there"):
        convert(str(tmp_path / "gone"), tmp_path / "out")
