"""A checkpoint folder served in a test, and one question asked of it."""

from pathlib import Path
from typing import Any

from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.hub.load import loading
from heedmap.model.hub.served import HubModel
from heedmap.model.hub.tasks.registry import TASKS
from heedmap.model.trace.trace import Trace


def served(folder: Path, task: str) -> HubModel:
    """The folder's model under this task."""
    for_config = TASKS[task].for_config(loading.read_config(folder))
    return HubModel(loading.load(folder, for_config.auto_class), for_config)


def request(inputs: Any, target: str | None = None, **parameters: Any) -> Request:
    """A request with these parameters."""
    return Request(inputs, target, Parameters(**parameters))


def ask(model: HubModel, inputs: Any, target: str | None = None, **parameters: Any) -> Prediction:
    """The prediction, or the error raised."""
    [prediction] = model.predict([request(inputs, target, **parameters)])
    if isinstance(prediction, Exception):
        raise prediction
    return prediction


def trace(model: HubModel, inputs: Any, target: str | None = None, **parameters: Any) -> Trace:
    """The trace, or the error raised."""
    [traced] = model.trace([request(inputs, target, **parameters)])
    if isinstance(traced, Exception):
        raise traced
    return traced
