"""What names a trace: the version of its file's format, and the id that equal requests share."""

import hashlib
import json
from typing import Any

from heedmap.model.contract import Request

FORMAT = "1"


def content_id(revision: str, request: Request, owner: str = "") -> str:
    """The trace's id, 32 hexadecimal characters: equal revision, request and owner give equal ids."""
    parameters = request.parameters.model_dump(exclude_defaults=True)
    content: list[Any] = [FORMAT, revision, request.inputs, request.target, parameters, owner]
    if request.objective is not None:  # ids of requests without one are those of before there were any
        content.append({"objective": request.objective.to_json()})
    if request.edits:
        content.append({"edits": [edit.to_json() for edit in request.edits]})
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_digest).encode()).hexdigest()[:32]


def _digest(value: Any) -> str:
    """A file among the inputs, as its hash; never equal to a text."""
    if not isinstance(value, bytes):
        raise TypeError(f"inputs hold texts and files, not {type(value).__name__}")
    return f"\0sha256:{hashlib.sha256(value).hexdigest()}"
