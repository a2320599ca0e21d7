"""Files and arrays in the JSON that a client sends."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def as_json(value: Any) -> Any:
    """A value with the files in it, bytes, as base64; arrays and everything else stay what they are."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {name: as_json(part) for name, part in value.items()}
    return [as_json(part) for part in value] if isinstance(value, list | tuple) else value


def to_body(value: Any) -> bytes:
    """A value as the body of a request: arrays are lists, and null stands for what JSON has no number for, as NaN.

    Raises:
        ValueError: a number outside an array is NaN or infinite.
        TypeError: something in it is neither JSON nor of numpy.
    """
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"{type(value).__name__} is nothing that JSON can hold")
    numbers = np.asarray(value)
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        finite = np.isfinite(numbers)
        numbers = numbers.astype(object)
        numbers[~finite] = None
    return numbers.tolist()
