"""The writer beside the safetensors library, which reads what it wrote, and beside literal bytes."""

import hashlib
import io
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from heedmap.model.trace import tensor_file
from heedmap.model.trace.tensor_file import DIGEST_AT, KINDS, write_sealed, write_tensors


@pytest.mark.parametrize("buffer", [1 << 24, 64])
def test_the_library_reads_every_kind_of_tensor(tmp_path: Path, buffer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_file, "BUFFER", buffer)
    tensors = {str(kind): (torch.arange(60).view(3, 4, 5) % 2).to(kind) for kind in KINDS}
    tensors |= {"turned": torch.randn(7, 9, 4).transpose(0, 2), "empty": torch.zeros(3, 0), "one": torch.tensor(2.5)}
    tensors["shared"] = tensors["turned"][1:]
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        size = write_tensors(file, tensors, {"über": "世界"})
    assert size == path.stat().st_size
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"über": "世界"}
        assert set(file.keys()) == set(tensors)
        for name, tensor in tensors.items():
            assert torch.equal(file.get_tensor(name), tensor)
            assert file.get_tensor(name).dtype == tensor.dtype


def test_the_bytes_are_the_formats() -> None:
    buffer = io.BytesIO()
    write_tensors(buffer, {"b": torch.tensor([1], dtype=torch.uint8), "a": torch.tensor([1.0])}, {})
    head = (
        b'{"__metadata__":{},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}'
    )
    head += b" " * (-len(head) % 8)
    assert buffer.getvalue() == bytes([len(head), 0, 0, 0, 0, 0, 0, 0]) + head + b"\x00\x00\x80\x3f" + b"\x01"


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        write_tensors(io.BytesIO(), {"a": torch.zeros(1, dtype=torch.complex64)}, {})


def test_a_sealed_file_holds_the_digest_of_itself_with_zeros_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("w+b") as file:
        size = write_sealed(file, {"a": torch.randn(3, 5), "b": torch.randn(4, 6).T}, {"über": "世界"})
        assert file.tell() == size
    data = path.read_bytes()
    assert len(data) == size
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    digest = data[DIGEST_AT : DIGEST_AT + 64].decode()
    assert metadata == {"sha256": digest, "über": "世界"}
    assert hashlib.sha256(data.replace(digest.encode(), b"0" * 64)).hexdigest() == digest
