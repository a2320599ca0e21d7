"""Writing a safetensors file tensor by tensor: the library's own writer first copies all of them into memory.

The format: eight bytes, the header's length; the header, JSON, filled up with spaces to a multiple of eight; the
tensors' bytes in the order of the header. https://github.com/huggingface/safetensors#format

A sealed file has its own digest as the first entry of its metadata: `sha256`, of the whole file as it reads with zeros
in the digest's 64 places. Nothing in it can then change unseen, the directory of tensors and the metadata included.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO, Protocol, runtime_checkable

import torch
from torch import Tensor

from heedmap.model.trace.staging import staged

KINDS = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
DIGEST = "sha256"
BLANK = b"0" * 64  # what stands in the digest's place while the digest is made
OPENING = b'{"__metadata__":{"sha256":"'
DIGEST_AT = 8 + len(OPENING)  # where the digest's hexadecimal digits stand in every sealed file
BUFFER = 1 << 24  # bytes of one write: what is held twice of a tensor that is not in one piece


@runtime_checkable
class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: Any, /) -> int:
        """Take these bytes."""


def write_tensors(file: Sink, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> int:
    """Write tensors with their names, the widest kinds first, so that each is aligned; returns the bytes.

    Raises:
        KeyError: a tensor is of a kind that the format does not have.
    """
    ordered = sorted(tensors.items(), key=lambda item: -item[1].element_size())
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    place = 0
    for name, tensor in ordered:
        stop = place + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": KINDS[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [place, stop]}
        place = stop
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    file.write(len(head).to_bytes(8, "little"))
    file.write(head)
    for _, tensor in ordered:
        _write(file, tensor.detach())
    return 8 + len(head) + place


def write_sealed(file: BinaryIO | BytesIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> int:
    """Write tensors as `write_tensors` does, from the start of an empty file, with the digest in its header.

    Returns the bytes.

    Raises:
        KeyError: a tensor is of a kind that the format does not have.
    """
    hashing = _Hashing(file)
    size = write_tensors(hashing, tensors, {DIGEST: BLANK.decode(), **metadata})
    file.seek(DIGEST_AT)
    file.write(hashing.digest.hexdigest().encode())
    file.seek(0, os.SEEK_END)
    return size


class _Hashing:
    """Passes bytes on, and hashes them on the way: they are read from memory once."""

    def __init__(self, file: Sink) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def write(self, data: Any, /) -> int:
        self.digest.update(data)
        return self.file.write(data)


def _write(file: Sink, tensor: Tensor) -> None:
    """A tensor's bytes, row-major, piece by piece where it does not lie so, or not in this memory."""
    size = tensor.numel() * tensor.element_size()
    if tensor.device.type != "cpu":
        for piece in staged(tensor, BUFFER):
            file.write(piece)
        return
    if tensor.is_contiguous() or size <= BUFFER or tensor.dim() == 0:
        if size:
            file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return
    step = max(1, BUFFER // (size // tensor.shape[0]))
    for start in range(0, tensor.shape[0], step):
        _write(file, tensor[start] if step == 1 else tensor[start : start + step])
