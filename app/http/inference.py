"""What an inference request of the Open Inference Protocol asks of a model, and the tensors of its answer."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from heedmap.app.render.tensors import Tensor, floats, integers, texts
from heedmap.app.requests.open_inference import InferRequest, Output
from heedmap.app.requests.schemas import ECHOED, PredictRequest, parse_head
from heedmap.model.errors import ParameterError
from heedmap.model.prediction import Prediction

MAP = re.compile(r"attention\.(?P<site>[^.]+)\.(?P<layer>-?\d{1,9})\.(?P<head>-?\d{1,9}|mean|max|all)")
RAGGED = ("tokens", "ids")  # outputs that have a length of their own for each input
OUTPUTS = {
    "text": "BYTES", "score": "FP32", "prediction": "BYTES", "axes": "BYTES", "tokens": "BYTES", "ids": "INT64"
}  # fmt: skip


def body_of(request: InferRequest, model: str) -> tuple[PredictRequest, list[Output]]:
    """What the request asks as POST /v1/predict has it, and its outputs.

    Raises:
        ParameterError: an output that there is not, or one that inputs cannot share.
    """
    outputs = request.outputs or [Output(name, request.binary) for name in ("text", "score")]
    wanted = []
    for index, output in enumerate(outputs):
        match = MAP.fullmatch(output.name)
        if match is None and output.name not in OUTPUTS:
            raise ParameterError(
                f"there is no output {output.name[:ECHOED]!r}; there is {', '.join(OUTPUTS)} and "
                "attention.{site}.{layer}.{head}, such as attention.cross.1.2, a head being a number, mean, max or all",
                field=f"outputs.{index}.name",
            )
        if len(request.inputs) > 1 and (match is not None or output.name in RAGGED):
            raise ParameterError(
                f"the inputs of a batch differ in length, so that {output.name} is an output of one input: send "
                "requests of one input each, which are answered together",
                field=f"outputs.{index}.name",
            )
        if match is not None:
            wanted.append({**match.groupdict(), "layer": int(match["layer"]), "head": parse_head(match["head"])})
    fields = {"model": model, "inputs": request.inputs, "parameters": dict(request.parameters), "attention": wanted}
    if "target" in request.tensors:
        fields["target"] = request.tensors["target"]
    return PredictRequest.model_validate(fields), outputs


def tensors_of(results: Sequence[Mapping[str, Any]], outputs: Sequence[Output], chosen: bool) -> list[Tensor]:
    """The outputs of these results; without a choice of the caller's, those that all of them have."""
    maps = iter(results[0].get("attention", ()))
    predictions = [Prediction.from_json(result["prediction"], {}) for result in results]
    tensors = []
    for output in outputs:
        name, binary = output.name, output.binary
        match name:
            case "text":
                tensors.append(texts(name, [one.text for one in predictions], binary))
            case "score":
                scores = [one.score for one in predictions]
                if chosen or None not in scores:
                    tensors.append(floats(name, np.array(scores, np.float32), binary))
            case "prediction" | "axes":
                tensors.append(texts(name, [to_json_text(result[name]) for result in results], binary))
            case "tokens":
                tensors.append(texts(name, predictions[0].tokens, binary))
            case "ids":
                axes = results[0]["axes"]
                axis = axes.get("target") or axes.get("tokens") or next(iter(axes.values()))
                tensors.append(integers(name, axis["ids"][-len(predictions[0].tokens) :], binary))
            case _:
                tensors.append(floats(name, next(maps)["weights"], binary))
    return tensors


def to_json_text(value: Any) -> str:
    """JSON, as a text."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()
