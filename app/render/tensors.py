"""Tensors of the Open Inference Protocol, in JSON or as Triton's bytes behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedmap.app.render.wire import to_json

LENGTH = 4  # bytes that say how long an element is


@dataclass(frozen=True, eq=False)
class Tensor:
    """An output.

    values: numbers as an array of the datatype; elements of BYTES as texts in one list.
    """

    name: str
    datatype: str
    shape: Sequence[int]
    values: NDArray[Any] | Sequence[str]
    binary: bool

    def raw(self) -> bytes:
        """Row-major, little-endian; an element of BYTES behind its length."""
        if isinstance(self.values, np.ndarray):
            return self.values.astype(self.values.dtype.newbyteorder("<"), copy=False).tobytes()
        parts = [text.encode() for text in self.values]
        return b"".join(len(part).to_bytes(LENGTH, "little") + part for part in parts)


def texts(name: str, values: Sequence[str], binary: bool) -> Tensor:
    """A tensor of texts."""
    return Tensor(name, "BYTES", [len(values)], values, binary)


def floats(name: str, values: NDArray[Any], binary: bool) -> Tensor:
    """A tensor of numbers."""
    return Tensor(name, "FP32", values.shape, np.ascontiguousarray(values, np.float32), binary)


def integers(name: str, values: Sequence[int], binary: bool) -> Tensor:
    """A tensor of whole numbers."""
    return Tensor(name, "INT64", [len(values)], np.array(values, np.int64), binary)


def to_body(head: Mapping[str, Any], tensors: Sequence[Tensor]) -> tuple[bytes, int | None]:
    """The body of an answer, and where its JSON ends where bytes follow."""
    outputs, behind = [], []
    for tensor in tensors:
        entry: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if tensor.binary:
            behind.append(tensor.raw())
            entry["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            values = tensor.values
            entry["data"] = values.reshape(-1) if isinstance(values, np.ndarray) else list(values)
        outputs.append(entry)
    body = to_json({**head, "outputs": outputs})
    return b"".join([body, *behind]), len(body) if behind else None
