"""What a body asks of a model."""

from collections.abc import Sequence

from heedmap.app.requests.schemas import InputRequest, TraceRequest
from heedmap.model.contract import Request
from heedmap.model.errors import ParameterError


def requests_of(body: InputRequest) -> list[Request]:
    """The model's requests that a body asks for: one, or one for each of a list of inputs.

    Raises:
        ParameterError: inputs and target do not go together.
    """
    objective = body.objective if isinstance(body, TraceRequest) else None
    if not isinstance(body.inputs, list):
        if isinstance(body.target, list):
            raise ParameterError("one input takes one target, not a list", field="target")
        return [Request(body.inputs, body.target, body.parameters, objective, body.edits)]
    targets: Sequence[str | None] = body.target if isinstance(body.target, list) else [None] * len(body.inputs)
    if isinstance(body.target, str) or len(targets) != len(body.inputs):
        raise ParameterError(f"{len(body.inputs)} inputs take a list of as many targets", field="target")
    return [
        Request(text, target, body.parameters, edits=body.edits)
        for text, target in zip(body.inputs, targets, strict=True)
    ]
