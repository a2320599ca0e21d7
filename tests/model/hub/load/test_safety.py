"""What a folder must be before anything of it is opened."""

import json
import pickle
import shlex
from pathlib import Path
from typing import Any

import pytest

from heedmap.model.errors import CheckpointError, UnsafeCheckpoint
from heedmap.model.hub.load.safety import check
from tests.model.hub import checkpoints

MARK = "ran"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound tiny checkpoint."""
    return checkpoints.bert(tmp_path / "bert", "masked")


def edit(path: Path, **changes: Any) -> None:
    config = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**config, **changes}))


def test_a_sound_folder_passes(folder: Path) -> None:
    assert check(folder)["model_type"] == "bert"


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("entry", [{"auto_map": {"AutoModel": "modeling_mine.Mine"}}, {"trust_remote_code": True}])
def test_code_of_its_own_is_never_run(folder: Path, name: str, entry: dict[str, Any]) -> None:
    (folder / "modeling_mine.py").write_text(f"open({str(folder / MARK)!r}, 'w')")
    edit(folder / name, **entry)
    with pytest.raises(UnsafeCheckpoint, match=rf"{name} asks for code .* never run"):
        check(folder)
    assert not (folder / MARK).exists()


def test_code_that_transformers_took_in_is_left_alone_and_its_own_is_used(folder: Path) -> None:
    """Falcon's checkpoints still name the files that they once came with."""
    (folder / "modeling_falcon.py").write_text(f"open({str(folder / MARK)!r}, 'w')")
    edit(folder / "config.json", auto_map={"AutoConfig": "x/y--configuration_falcon.FalconConfig"})
    check(folder)
    edit(folder / "config.json", auto_map={"AutoModel": "modeling_falcon.FalconModel"})
    check(folder)
    assert not (folder / MARK).exists()
    for foreign in ("modeling_mine.FalconModel", "modeling_falcon.Mine", "FalconModel", "modeling_falcon."):
        edit(folder / "config.json", auto_map={"AutoModel": foreign})
        with pytest.raises(UnsafeCheckpoint, match=r"never run"):
            check(folder)


def test_an_empty_map_asks_for_nothing(folder: Path) -> None:
    edit(folder / "config.json", auto_map={})
    check(folder)


def test_other_ways_to_bring_code(folder: Path) -> None:
    (folder / "modules.json").write_text(json.dumps([{"path": "", "type": "custom_st.Transformer"}]))
    with pytest.raises(UnsafeCheckpoint, match=r"custom_st\.Transformer"):
        check(folder)
    (folder / "modules.json").unlink()
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text("")
    with pytest.raises(UnsafeCheckpoint, match="custom_generate"):
        check(folder)


def test_an_adapter_is_no_model(folder: Path) -> None:
    edit(folder / "adapter_config.json", base_model_name_or_path="org/base")
    with pytest.raises(CheckpointError, match="adapter of another model"):
        check(folder)


def test_pickles_alone_name_the_command(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeCheckpoint) as caught:
        check(folder)
    assert f"heedmap convert {shlex.quote(str(folder))} --out {shlex.quote(str(folder))}-safetensors" in str(
        caught.value
    )
    with pytest.raises(UnsafeCheckpoint, match="heedmap convert org/name --out name-safetensors"):
        check(folder, "org/name")


def test_pickles_beside_safetensors_do_no_harm(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"\x80")
    check(folder)


def test_training_leftovers_are_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "training_args.bin").write_bytes(b"\x80")
    (folder / "optimizer.pt").write_bytes(b"\x80")
    with pytest.raises(CheckpointError, match=r"no model\.safetensors in"):
        check(folder)


def test_a_pickle_by_another_name(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(pickle.dumps({"weight": [1.0] * 9}))
    with pytest.raises(UnsafeCheckpoint, match="holds a pickle"):
        check(folder)


@pytest.mark.parametrize("data", [b"\x10\x00", b"version https://git-lfs", b"\x00" * 64])
def test_what_is_no_safetensors_file(folder: Path, data: bytes) -> None:
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        check(folder)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        ({"weight_map": {"a": "../other.safetensors"}}, UnsafeCheckpoint, "no safetensors file of this folder"),
        ({"weight_map": {"a": "pytorch_model.bin"}}, UnsafeCheckpoint, "no safetensors file of this folder"),
        ({"weight_map": {"a": "one.safetensors"}}, CheckpointError, "1 files that are not there: one.safetensors"),
        ({"weight_map": {}}, CheckpointError, "has no weight_map"),
        ([], CheckpointError, "has no weight_map"),
    ],
)
def test_an_index_names_files_of_its_folder(folder: Path, index: Any, error: type[Exception], message: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(error, match=message):
        check(folder)


def test_weights_that_the_config_names(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "mine.safetensors")
    with pytest.raises(CheckpointError, match=r"no model\.safetensors .* only mine\.safetensors"):
        check(folder)
    edit(folder / "config.json", transformers_weights="mine.safetensors")
    check(folder)
    edit(folder / "config.json", transformers_weights="adapter_model.bin")
    with pytest.raises(UnsafeCheckpoint, match=r"adapter_model\.bin"):
        check(folder)


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[]", "must be a JSON object")])
def test_a_config_that_is_none(folder: Path, text: str, message: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        check(folder)


def test_no_config(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json in"):
        check(tmp_path)
