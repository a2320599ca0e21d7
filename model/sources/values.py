"""The log-probability of a given answer under changes of the input or of the attention, in nats."""

import math
from collections.abc import Sequence
from dataclasses import replace

from heedmap.model.contract import AnyEdit, Prediction, Request, Served
from heedmap.model.errors import HeedmapError, ModelFailure
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop

PROBABILITY = "question-answering"  # whose score is a probability: start times end


def values(model: Served[Trace], request: Request, edits: Sequence[Sequence[AnyEdit]], stop: Stop) -> list[float]:
    """The value of a request's target under each list of edits: one teacher-forced pass each.

    Raises:
        HeedmapError: a pass failed. Cancelled: `stop` became true between two passes.
    """
    return values_of(model, [replace(request, edits=tuple(each)) for each in edits], stop)


def values_of(model: Served[Trace], requests: Sequence[Request], stop: Stop) -> list[float]:
    """The value of each request's target; those without edits share passes where they can.

    Raises:
        HeedmapError: a pass failed. Cancelled: `stop` became true between two passes.
    """
    return [value_of(outcome, model.task) for outcome in model.predict(requests, stop)]


def value_of(outcome: Prediction | HeedmapError, task: str) -> float:
    """The log-probability of the answer that was given: of all its tokens, or of its start and its end in a context.

    Raises:
        HeedmapError: the pass failed, or its value is no finite number.
    """
    if isinstance(outcome, HeedmapError):
        raise outcome
    score = outcome.score
    if score is not None and task == PROBABILITY:
        score = math.log(score) if score > 0 else -math.inf
    if score is None or not math.isfinite(score):
        raise ModelFailure("the answer's log-probability is no finite number under one of the changes", field="answer")
    return score
