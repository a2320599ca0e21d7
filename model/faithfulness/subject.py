"""What is explained: an input with its output and objective settled, and the trace that measures rank its parts by."""

from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from heedmap.model.contract import Objective, Prediction, Request
from heedmap.model.errors import HeedmapError, ParameterError
from heedmap.model.faithfulness.values import SIMILARITY, Model
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never

CLASSIFIERS = ("text-classification", "image-classification", "zero-shot-image-classification")


@runtime_checkable
class HasStandIn(Protocol):
    """A model with a token that says nothing."""

    @property
    def stand_in(self) -> int | None:
        """The id of its mask token, or else of what it does not know; None where it has neither."""


def stand_in(model: Model) -> int:
    """What takes the place of a token that is removed.

    Raises:
        ParameterError: the model has no such token.
    """
    found = model.stand_in if isinstance(model, HasStandIn) else None
    if found is None:
        raise ParameterError(
            "this model has neither a mask token nor one for what it does not know: cut tokens instead", field="removal"
        )
    return found


def settled(model: Model, request: Request, stop: Stop = never) -> Request:
    """The request with what it leaves open: the output that the model gives, and an objective of it.

    By default that is the log-probability of the whole output, the logit of the class that is predicted, or the cosine
    to the nearest of compared sentences; a sentence by itself has none, since its embedding is compared with itself.

    Raises:
        HeedmapError: the input cannot be answered.
    """
    compares = not isinstance(request.inputs, str) and "source_sentence" in request.inputs
    if model.task in SIMILARITY and (request.objective is not None or not compares):
        return request
    answer = _one(model.predict([replace(request, objective=None)], stop))
    assert isinstance(answer, Prediction)
    if model.task in SIMILARITY:
        nearest = max(range(len(answer.output)), key=lambda place: answer.output[place])
        return replace(request, objective=Objective(label=nearest))
    if answer.tokens or answer.finish_reason is not None:  # it writes
        if not answer.text.strip():
            raise ParameterError("the model's answer is empty: there is no output to follow", field="inputs")
        request = replace(request, target=request.target or answer.text)
    if request.objective is not None:
        return request
    if model.task in CLASSIFIERS:
        return replace(request, objective=Objective(label=answer.text))
    return replace(request, objective=Objective(tokens="all"))


def traced(model: Model, request: Request, stop: Stop = never) -> Trace:
    """The trace of a settled request, with gradients of its objective where the model's family has any.

    Raises:
        HeedmapError: the input cannot be traced, or the objective is not of its output.
    """
    if model.describe().get("attention") == "eager":
        request = replace(request, objective=None)
    trace = _one(model.trace([request], stop))
    assert isinstance(trace, Trace)
    return trace


def _one(outcomes: list[Any]) -> Any:
    [outcome] = outcomes
    if isinstance(outcome, HeedmapError):
        raise outcome
    return outcome
