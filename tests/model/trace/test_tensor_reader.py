"""The reader beside the safetensors library; damage of every kind is a TraceError, and never the end of the process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load_file

from heedmap.model.errors import TraceError
from heedmap.model.trace import tensor_reader
from heedmap.model.trace.tensor_file import KINDS, write_sealed, write_tensors
from heedmap.model.trace.tensor_reader import TensorFile
from tests.live import environment

TENSORS = {
    "q": torch.arange(24.0).view(2, 3, 4),
    "half": torch.arange(6).to(torch.bfloat16),
    "none": torch.zeros(3, 0),
    "number": torch.tensor(7),
}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sealed") / "a"
    with path.open("w+b") as file:
        write_sealed(file, TENSORS, {"name": "Wörter"})
    return path.read_bytes()


@pytest.fixture(params=["in memory", "mapped"])
def mapped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "mapped":
        monkeypatch.setattr(tensor_reader, "IN_MEMORY", 0)
        monkeypatch.setattr(tensor_reader, "CHUNK", 100)
    return bool(request.param == "mapped")


def written(folder: Path, data: bytes) -> Path:
    path = folder / "a.safetensors"
    path.write_bytes(data)
    return path


def headed(header: Any, data: bytes = b"") -> bytes:
    """A file of this header, as JSON unless it is bytes already."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + data


def test_it_reads_what_the_library_reads(tmp_path: Path, mapped: bool) -> None:
    tensors = {str(kind): (torch.arange(60).view(3, 4, 5) % 2).to(kind) for kind in KINDS} | TENSORS
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        write_tensors(file, tensors, {"a": "b"})
    file = TensorFile(path)
    assert (file.metadata, file.mapped, file.nbytes) == ({"a": "b"}, mapped, path.stat().st_size)
    ours, theirs = file.tensors(), load_file(path)
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        assert ours[name].equal(tensor)


def test_one_flipped_bit_anywhere_is_an_error(tmp_path: Path, sealed: bytes, mapped: bool) -> None:
    path = written(tmp_path, sealed)
    assert TensorFile(path).tensors()["q"].equal(TENSORS["q"])
    for place in range(len(sealed)):
        data = bytearray(sealed)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        try:
            file = TensorFile(path)
            named = "sha256" in file.metadata
            file.tensors()
        except TraceError:
            continue
        assert not named, f"the bit at byte {place} went unseen"
        # Its name is damaged, so this file says nothing of a digest. A trace's summary does: `Trace.load` refuses it.


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_it_takes_the_library_takes_too(
    tmp_path_factory: pytest.TempPathFactory, sealed: bytes, data: st.DataObject
) -> None:
    content = bytearray(sealed)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    path = written(tmp_path_factory.mktemp("any"), bytes(content[:cut]))
    try:
        tensors = TensorFile(path).tensors(verify=False)
    except TraceError as error:
        assert str(path.parent) not in str(error)  # noqa: PT017  # most examples raise nothing
        return
    theirs = load_file(path)
    assert {name: tensor.shape for name, tensor in tensors.items()} == {n: t.shape for n, t in theirs.items()}


@settings(max_examples=100, deadline=None)
@given(head=st.binary(max_size=40) | st.text(alphabet='{}[]":,0123456789-eE null', max_size=60).map(str.encode))
def test_a_garbage_header_is_an_error(tmp_path_factory: pytest.TempPathFactory, head: bytes) -> None:
    path = written(tmp_path_factory.mktemp("any"), headed(head))
    try:
        TensorFile(path).tensors()
    except TraceError:
        return
    assert load_file(path) == {}


ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (b"", b""),
        (b"[" * 100_000, b""),
        (b'{"a":' * 100_000, b""),
        (b'{"a":1' + b"0" * 5000 + b"}", b""),
        ([], b""),
        ({"a": ENTRY}, b""),
        ({"a": ENTRY}, b"\0" * 5),
        ({"a": ENTRY, "b": ENTRY}, b"\0" * 4),
        ({"a": {**ENTRY, "data_offsets": [4, 8]}}, b"\0" * 8),
        ({"a": {**ENTRY, "data_offsets": [4, 0]}}, b"\0" * 4),
        ({"a": {**ENTRY, "data_offsets": [False, 4]}}, b"\0" * 4),
        ({"a": {**ENTRY, "shape": [-1]}}, b"\0" * 4),
        ({"a": {**ENTRY, "shape": [1.0]}}, b"\0" * 4),
        ({"a": {**ENTRY, "shape": "1"}}, b"\0" * 4),
        ({"a": {**ENTRY, "shape": [1] * 9}}, b"\0" * 4),
        ({"a": {**ENTRY, "shape": [2**62, 2**62, 0], "data_offsets": [0, 0]}}, b""),
        ({"a": {**ENTRY, "shape": [2**70, 0], "data_offsets": [0, 0]}}, b""),
        ({"a": {**ENTRY, "dtype": "C64"}}, b"\0" * 4),
        ({"a": {**ENTRY, "dtype": []}}, b"\0" * 4),
        ({"__metadata__": {"a": 1}}, b""),
        ({"__metadata__": ["a"]}, b""),
        (b'{"__metadata__":{},"__metadata__":{}}', b""),
        (b'{"\xff":1}', b""),
    ],
)
def test_a_header_that_cannot_be_is_an_error(tmp_path: Path, header: Any, data: bytes) -> None:
    with pytest.raises(TraceError, match=r"a\.safetensors"):
        TensorFile(written(tmp_path, headed(header, data))).tensors()


def test_a_header_is_never_longer_than_the_format_allows(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.write((tensor_reader.HEADER_BYTES + 1).to_bytes(8, "little"))
        file.truncate(tensor_reader.HEADER_BYTES + 100)
    with pytest.raises(TraceError, match="header cannot be 100,000,001 bytes"):
        TensorFile(path)
    with pytest.raises(SafetensorError):
        load_file(path)


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "empty"])
def test_what_is_no_file_is_an_error_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.safetensors"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "empty":
            path.touch()
    with pytest.raises(TraceError, match=r"^a\.safetensors is not a readable trace"):
        TensorFile(path).tensors()


def test_the_file_that_was_opened_is_read_whatever_takes_its_place(tmp_path: Path, sealed: bytes, mapped: bool) -> None:
    path = written(tmp_path, sealed)
    file = TensorFile(path)
    written(tmp_path / "..", b"other").replace(path)
    tensors = file.tensors()
    file.check()
    assert tensors["q"].equal(TENSORS["q"])


@pytest.mark.parametrize("harm", ["cut", "written over"])
def test_a_file_that_changes_in_place_is_an_error(tmp_path: Path, sealed: bytes, mapped: bool, harm: str) -> None:
    path = written(tmp_path, sealed)
    file = TensorFile(path)
    tensors = file.tensors()
    if harm == "cut":
        os.truncate(path, 10)
    else:
        path.write_bytes(sealed[:-1] + b"\1")
    os.utime(path, (1, 1))
    if mapped:
        with pytest.raises(TraceError, match="changed while it was open"):
            file.check()
    else:
        file.check()
        assert tensors["q"].equal(TENSORS["q"])


def test_a_file_that_shrinks_between_header_and_tensors_is_an_error(
    tmp_path: Path, sealed: bytes, mapped: bool
) -> None:
    path = written(tmp_path, sealed)
    file = TensorFile(path)
    os.truncate(path, len(sealed) - 10)
    with pytest.raises(TraceError):
        file.tensors()


SURVIVOR = """
import os, shutil, sys
from pathlib import Path
from heedmap.model.errors import TraceError
from heedmap.model.trace import tensor_reader
for tensor_reader.IN_MEMORY in (tensor_reader.IN_MEMORY, 0):
    path = Path(shutil.copy(sys.argv[1], sys.argv[1] + ".copy"))
    file = tensor_reader.TensorFile(path)
    tensors = file.tensors()
    os.truncate(path, 0)
    try:
        file.check()
        print(float(tensors["a"].sum()))
    except TraceError:
        print("refused")
"""


def test_a_process_outlives_the_truncation_of_what_it_has_open(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("w+b") as file:
        write_sealed(file, {"a": torch.ones(100_000)}, {})
    command = [sys.executable, "-c", SURVIVOR, str(path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "100000.0\nrefused\n"), done.stderr
