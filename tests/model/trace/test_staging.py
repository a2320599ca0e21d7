"""Bytes that leave an accelerator piece by piece are those of the tensor."""

from pathlib import Path

import pytest
import torch

from heedmap.model.trace import tensor_file
from heedmap.model.trace.staging import staged

TENSORS = [torch.arange(90.0).view(9, 10).T, torch.arange(5, dtype=torch.bfloat16)[None], torch.ones(())]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("piece", [1, 7, 64, 4096])
@pytest.mark.parametrize(
    "tensor", [torch.arange(90.0).view(9, 10).T, torch.arange(5, dtype=torch.bfloat16)[None], torch.ones(())]
)
def test_the_pieces_are_the_whole(tensor: torch.Tensor, piece: int, device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    expected = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    pieces = [bytes(part) for part in staged(tensor.to(device), piece)]
    assert b"".join(pieces) == expected
    assert max(map(len, pieces)) <= piece


def test_nothing_has_no_pieces() -> None:
    assert list(staged(torch.empty(0, 3), 8)) == []


def test_a_file_written_from_elsewhere_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an accelerator's tensors take, taken by the host's."""
    tensors = {"a": torch.arange(40.0).view(8, 5).T, "b": torch.arange(7, dtype=torch.int64), "c": torch.empty(0)}
    with (tmp_path / "plain").open("wb") as file:
        tensor_file.write_sealed(file, tensors, {"x": "y"})

    def write(file: tensor_file.Sink, tensor: torch.Tensor) -> None:
        for piece in staged(tensor, 16):
            file.write(piece)

    monkeypatch.setattr(tensor_file, "_write", write)
    with (tmp_path / "piecewise").open("wb") as file:
        tensor_file.write_sealed(file, tensors, {"x": "y"})
    assert (tmp_path / "piecewise").read_bytes() == (tmp_path / "plain").read_bytes()
