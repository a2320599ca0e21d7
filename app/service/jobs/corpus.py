"""A corpus: what a model makes of many inputs, and what kind of head each is over all of them."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema

from heedmap.app.problems import problem
from heedmap.app.requests.inputs import check_input
from heedmap.app.service import maps
from heedmap.app.service.jobs.kind import JobRequest, Kind, Progress, Steps, Work
from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import EmptyInput, HeedmapError, ParameterError
from heedmap.model.trace.trace import Trace

MOST_INPUTS = 2_000  # of one corpus: an hour of a CPU at a second each
TOGETHER = 8  # inputs a step: about a second of a sentence model on a CPU
ROWS = 256  # of each map, spread evenly: means over a corpus need no more of one input
PLACE = ("site", "layer", "head")


def check_corpus(value: Any) -> list[Any]:
    """Inputs, each as a prediction takes it."""
    if not isinstance(value, list):
        raise ParameterError("expected a list of inputs")
    if not value:
        raise EmptyInput("the list of inputs is empty; give at least one")
    if len(value) > MOST_INPUTS:
        raise ParameterError(f"{len(value):,} inputs in one corpus, at most {MOST_INPUTS:,} are taken; send several")
    return [check_input(item, str(index)) for index, item in enumerate(value)]


Inputs = Annotated[
    list[Any],
    BeforeValidator(check_corpus),
    Field(examples=[["Wo ist der Bahnhof?", "Ich habe keine Zeit."]], description="Each as POST /v1/predict takes it."),
    WithJsonSchema({"type": "array", "items": {}, "minItems": 1, "maxItems": MOST_INPUTS}),
]


class CorpusRequest(JobRequest):
    """Many inputs to a model."""

    kind: Literal["corpus"] = "corpus"
    inputs: Inputs
    parameters: Parameters = Parameters()


class Corpus(Kind[CorpusRequest]):
    """Predictions of many inputs, and the statistics of every head over all of them."""

    name: ClassVar[str] = "corpus"
    description: ClassVar[str] = (
        "The prediction of each input, and of every head the mean over all inputs of entropy (nats), distance "
        "(tokens), sink, diagonal, max and whatever else GET /v1/traces/{id}/heads has of one; null where no input has "
        "what it takes."
    )
    cost: ClassVar[str] = "a trace an input, none of which is kept"
    request = CorpusRequest

    def steps(self, body: CorpusRequest, work: Work) -> Steps:
        """Eight inputs a step; the result: predictions, or the problem of each input, and a row per head."""
        requests = [Request(inputs, None, body.parameters) for inputs in body.inputs]
        predictions: list[Any] = []
        places: list[tuple[str, int, int]] = []
        known: dict[tuple[str, int, int], dict[str, list[float]]] = {}
        recorded = 0
        for start in range(0, len(requests), TOGETHER):
            for index, outcome in enumerate(work.record(requests[start : start + TOGETHER]), start):
                if not isinstance(outcome, Trace):
                    predictions.append({"error": failed_input(outcome, index)})
                    continue
                predictions.append(outcome.prediction.to_json())
                recorded += 1
                for layer in maps.heads(outcome, ROWS):
                    for row in layer:
                        place = row["site"], row["layer"], row["head"]
                        if place not in known:
                            places.append(place)
                            known[place] = {name: [] for name in row if name not in PLACE}
                        for name, values in known[place].items():
                            if row[name] is not None:  # as where no token stands twice
                                values.append(float(row[name]))
            yield Progress(min(start + TOGETHER, len(requests)), len(requests), "inputs")
        heads = [
            {**dict(zip(PLACE, place, strict=True)), **{name: _mean(values) for name, values in known[place].items()}}
            for place in places
        ]
        return {"model": work.name, "inputs": len(requests), "recorded": recorded, "predictions": predictions,
                "heads": heads}  # fmt: skip


def _mean(values: list[float]) -> np.float32 | None:
    """The mean over the inputs that have the statistic; None where none has."""
    return np.float32(np.mean(values)) if values else None


def failed_input(error: HeedmapError, index: int) -> dict[str, Any]:
    """The problem of one input of a list: its path says which."""
    body = problem(error)
    for entry in body.get("errors", []):
        head, _, rest = entry["path"].partition(".")
        if head == "inputs":
            entry["path"] = f"{head}.{index}" + (f".{rest}" if rest else "")
    return body
