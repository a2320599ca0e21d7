"""Files in JSON: base64."""

import base64
from collections.abc import Mapping
from typing import Any


def as_json(value: Any) -> Any:
    """A value with the files in it, bytes, as base64; arrays and everything else stay what they are."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {name: as_json(part) for name, part in value.items()}
    return [as_json(part) for part in value] if isinstance(value, list | tuple) else value
