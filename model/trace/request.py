"""What a trace was asked by, as JSON: so that its pass can be made again, with other edits."""

from collections.abc import Mapping
from typing import Any

from heedmap.model.contract import Inputs, Objective, Parameters, Request, check_edits
from heedmap.model.errors import InputError, TraceError


def request_to_json(request: Request) -> dict[str, Any]:
    """The request without its donors, and without inputs that hold a file, which traces do not keep."""
    content: dict[str, Any] = {} if _holds_bytes(request.inputs) else {"inputs": request.inputs}
    if request.target is not None:
        content["target"] = request.target
    if parameters := request.parameters.model_dump(mode="json", exclude_defaults=True):
        content["parameters"] = parameters
    if request.objective is not None:
        content["objective"] = request.objective.to_json()
    if request.edits:
        content["edits"] = [edit.to_json() for edit in request.edits]
    return content


def request_from_json(content: Mapping[str, Any], inputs: Inputs | None = None) -> Request:
    """The request that `request_to_json` wrote.

    Args:
        inputs: its own, where it holds none.

    Raises:
        TraceError: it is none.
    """
    try:
        objective = content.get("objective")
        return Request(
            content["inputs"] if inputs is None else inputs,
            content.get("target"),
            Parameters.model_validate(content.get("parameters", {})),
            None if objective is None else Objective.model_validate(objective),
            check_edits(content.get("edits", ())),
        )
    except (KeyError, TypeError, AttributeError, ValueError, InputError) as error:
        raise TraceError(f"what the trace was asked by does not read: {str(error)[:200]}") from error


def _holds_bytes(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_bytes(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_bytes(part) for part in value)
    return isinstance(value, bytes)
