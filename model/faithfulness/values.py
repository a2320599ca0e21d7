"""What an objective is worth under edits: the one place where faithfulness has passes made."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from heedmap.model.contract import AnyEdit, Objective, Prediction, Request, Served
from heedmap.model.errors import HeedmapError, ModelFailure, ParameterError
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never, raise_if_cancelled

TOGETHER = 16  # passes between two looks at who still waits: about a fifth of a second of a sentence model on a CPU
SIMILARITY = ("feature-extraction", "sentence-similarity")

Model = Served[Trace]
Read = Callable[[Sequence[Request], Stop], list[float]]


@runtime_checkable
class Batching(Protocol):
    """A model that has many edits of one pass in one batch."""

    def values_under(
        self, request: Request, prediction: Prediction, sets: Sequence[Sequence[AnyEdit]], cancelled: Stop = never
    ) -> Iterator[list[float]]:
        """The objective of the request as it is, then under each set of edits, a batch at a time."""


def values(model: Model, request: Request, edits: Sequence[Sequence[AnyEdit]], stop: Stop = never) -> list[float]:
    """The objective of a request in one pass for each list of edits, in order.

    Of a given output (`target`) its log-probability under teacher forcing; of a classifier a logit; of a sentence
    encoder the cosine of the embedding to that of the sentence as it is, or, where the request has others to compare it
    with, to that which is the objective's label: these are never edited.

    Args:
        request: with an objective, unless it is of a sentence encoder; what it edits itself is edited in every pass.

    Raises:
        InputError: the objective or an edit is none of this model, or of this output.
        ModelFailure: it is no finite number. Cancelled: `stop` became true.
    """
    read = _reader(model, request, stop)
    result: list[float] = []
    if isinstance(model, Batching) and model.task not in SIMILARITY:  # where only one of several sentences is edited
        raise_if_cancelled(stop)
        [answer] = _outcomes(model.predict([request], stop))
        result += chain.from_iterable(model.values_under(request, answer, edits, stop))
        result = result[1:]
    else:
        for start in range(0, len(edits), TOGETHER):
            raise_if_cancelled(stop)
            some = edits[start : start + TOGETHER]
            result += read([replace(request, edits=(*request.edits, *each)) for each in some], stop)
    if not all(map(math.isfinite, result)):
        raise ModelFailure("under edits the objective is no finite number; a model in float16 may do with float32")
    return result


def _reader(model: Model, request: Request, stop: Stop) -> Read:
    """How the objective is read from a pass: from its prediction where that says it, else from a trace."""
    objective = request.objective
    if model.task in SIMILARITY:
        return _cosine(model, request, stop)
    if objective is None:
        raise ParameterError(f"{model.task} has no objective but one that is named", field="objective")
    if objective.tokens is not None and request.target is None:
        raise ParameterError(
            f"{model.task} chooses its answer anew in every pass, so that no output can be followed through edits: "
            "take a model that writes, chooses among classes or compares sentences",
            field="objective.tokens",
        )
    if objective.tokens == "all" and objective.minus is None:
        return lambda some, cancelled: [_score(p) for p in _predicted(model, some, cancelled)]
    labels = (objective.label, *(objective.minus or ()))
    if model.task == "text-classification" and all(isinstance(label, str) for label in labels):
        return lambda some, cancelled: [_logit(objective, p) for p in _predicted(model, _bare(some), cancelled)]
    return lambda some, cancelled: [_value(t) for t in _outcomes(model.trace(some, cancelled))]


def _predicted(model: Model, requests: Sequence[Request], stop: Stop) -> list[Prediction]:
    return _outcomes(model.predict([replace(request, objective=None) for request in requests], stop))


def _outcomes(outcomes: Sequence[Any]) -> list[Any]:
    """All of them, or the first error."""
    for outcome in outcomes:
        if isinstance(outcome, HeedmapError):
            raise outcome
    return list(outcomes)


def _score(prediction: Prediction) -> float:
    assert prediction.score is not None, "a given output has a log-probability"
    return prediction.score


def _value(trace: Trace) -> float:
    assert trace.objective is not None, "it was asked for"
    return float(trace.objective["value"])


def _bare(requests: Sequence[Request]) -> list[Request]:
    """The requests with all logits for an answer."""
    changes = {"function_to_apply": "none", "top_k": 0}
    return [replace(request, parameters=request.parameters.model_copy(update=changes)) for request in requests]


def _logit(objective: Objective, prediction: Prediction) -> float:
    logits = {entry["label"]: float(entry["score"]) for entry in prediction.output}
    labels = [(objective.label, "objective.label"), *((label, "objective.minus.0") for label in objective.minus or ())]
    for label, field in labels:
        if label not in logits:
            raise ParameterError(f"there is no class {label!r}: this model knows {', '.join(logits)}", field=field)
    return logits[objective.label] - sum(logits[label] for label, _ in labels[1:])


def _cosine(model: Model, request: Request, stop: Stop) -> Read:
    """The cosine to what the sentence is compared with, itself as it is unless there are others."""
    inputs, objective = request.inputs, request.objective
    plain = replace(request, objective=None)
    others: list[Request] = []
    if not isinstance(inputs, str) and "source_sentence" in inputs:
        plain = replace(plain, inputs=inputs["source_sentence"])
        places = [_place(label, list(inputs["sentences"])) for label in _labels(objective)]
        others = [replace(plain, inputs=inputs["sentences"][place], edits=()) for place in places]
    elif objective is not None:
        raise ParameterError(
            "the embedding of one sentence is compared with itself as it is, and has no other objective: give "
            '{"source_sentence", "sentences"} and a label, or leave it out',
            field="objective",
        )
    first, *rest = (_unit(p) for p in _predicted(model, others or [plain], stop))
    direction = first - sum(rest, np.zeros_like(first))

    def read(some: Sequence[Request], cancelled: Stop) -> list[float]:
        edited = [replace(plain, edits=each.edits) for each in some]
        return [float(_unit(p) @ direction) for p in _predicted(model, edited, cancelled)]

    return read


def _labels(objective: Objective | None) -> list[int | str]:
    if objective is None or objective.label is None:
        raise ParameterError('compared sentences have labels: {"label": 0} is the first of them', field="objective")
    return [objective.label, *(objective.minus or ())]


def _place(label: int | str, sentences: list[str]) -> int:
    if isinstance(label, int) and 0 <= label < len(sentences):
        return label
    if label in sentences:
        return sentences.index(str(label))
    raise ParameterError(
        f"there is no sentence {str(label)[:60]!r}: there are {len(sentences)}, 0 to {len(sentences) - 1}",
        field="objective.label",
    )


def _unit(prediction: Prediction) -> NDArray[np.float64]:
    """An embedding of length 1: that of a sentence, or the mean of those of its tokens."""
    embedding = np.asarray(prediction.output, np.float64)
    embedding = embedding.reshape(-1, embedding.shape[-1]).mean(axis=0)
    length = float(np.linalg.norm(embedding))
    return np.asarray(embedding / length if length else embedding)
