"""What errors look like to clients of other protocols: the same problem, in the body that each of them reads.

Routes of the Open Inference Protocol answer `{"error": "..."}`, those of OpenAI's an object with a message and a code,
whoever refuses: a route, the gate, or the door.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MEDIA_TYPE = "application/problem+json"
JSON = "application/json"
OPENAI_PATH = re.compile(r"/v1/(?:chat/)?completions/?")
OPEN_INFERENCE_PATH = re.compile(r"/v2(?:/.*)?", re.DOTALL)  # an address may hold a line break
Problem = Mapping[str, Any]

CODES = {  # of OpenAI's own, by which clients tell causes
    "input-too-long": "context_length_exceeded",
    "trace-too-large": "context_length_exceeded",
    "unauthorized": "invalid_api_key",
    "rate-limited": "rate_limit_exceeded",
    "quota-exceeded": "insufficient_quota",
}
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
NAMES = {"max_new_tokens": "max_tokens"}  # of fields that have another name there


@dataclass(frozen=True, eq=False)
class Dialect:
    """How a protocol says no.

    statuses: those that it has other ones for.
    """

    media_type: str
    body: Callable[[Problem, str], Problem]
    schema: Mapping[str, Any]
    statuses: Mapping[int, int]

    def status(self, status: int) -> int:
        """The status that stands for one of ours."""
        return self.statuses.get(status, status)


def dialect_of(path: str) -> Dialect:
    """The dialect of an address, without the prefix that a proxy strips."""
    if OPENAI_PATH.fullmatch(path):
        return OPENAI
    return OPEN_INFERENCE if OPEN_INFERENCE_PATH.fullmatch(path) else HOUSE


def _open_inference(problem: Problem, _path: str) -> Problem:
    return {"error": problem["detail"]}


def _openai(problem: Problem, path: str) -> Problem:
    status, kind = problem["status"], problem["type"].rpartition(":")[2]
    fields = [entry["path"] for entry in problem.get("errors", ())]
    missing = kind == "not-found" and fields == ["model"]
    return {
        "error": {
            "message": problem["detail"],
            "type": TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": parameter(fields[0], path) if fields else None,
            "code": "model_not_found" if missing else CODES.get(kind) or (kind.replace("-", "_") if fields else None),
        }
    }


def parameter(field: str, path: str) -> str:
    """The name in OpenAI's body of a field of ours."""
    first, _, rest = field.partition(".")
    if first == "inputs":
        name, chat = ("messages" if "/chat/" in path else "prompt"), rest.removeprefix("messages").removeprefix(".")
        return f"{name}.{chat}" if chat else name
    return NAMES.get(rest, rest) if first == "parameters" and rest else field


TEXT, MAYBE = {"type": "string"}, {"type": ["string", "null"]}
HOUSE = Dialect(MEDIA_TYPE, lambda problem, _: problem, {"$ref": "#/components/schemas/ProblemDetails"}, {})
OPEN_INFERENCE = Dialect(
    JSON,
    _open_inference,
    {
        "type": "object",
        "required": ["error"],
        "properties": {"error": TEXT},
        "additionalProperties": False,
    },
    {},
)
OPENAI = Dialect(
    JSON,
    _openai,
    {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {"message": TEXT, "type": TEXT, "param": MAYBE, "code": MAYBE},
                "additionalProperties": False,
            }
        },
        "additionalProperties": False,
    },
    {415: 400, 422: 400},  # what is wrong with a request is 400 there: clients raise a BadRequestError
)
