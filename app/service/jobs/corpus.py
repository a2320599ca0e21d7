"""A corpus: what a model makes of many inputs, and what kind of head each is over all of them."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from heedmap.app.problems import problem
from heedmap.app.requests.inputs import check_input, check_text
from heedmap.app.requests.inputs import kind as kind_of_value
from heedmap.app.service.corpus import Item, Outcome, measured, summary
from heedmap.app.service.jobs.kind import JobRequest, Kind, Progress, Steps, Work
from heedmap.app.settings import FILE_BYTES
from heedmap.model.contract import Parameters
from heedmap.model.corpus.heads import Heads
from heedmap.model.corpus.running import Passage
from heedmap.model.errors import EmptyInput, HeedmapError, ParameterError

MOST_INPUTS = 2_000  # of one corpus: an hour of a CPU at a second each


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


def check_targets(value: Any) -> Any:
    """Texts, or nothing."""
    if value is None:
        return None
    if not isinstance(value, list) or not 0 < len(value) <= MOST_INPUTS:
        raise ParameterError(f"expected a list of 1 to {MOST_INPUTS:,} texts, got {kind_of_value(value)}")
    return [check_text(item, str(index)) for index, item in enumerate(value)]


Targets = Annotated[list[str] | None, BeforeValidator(check_targets)]


class CorpusRequest(JobRequest):
    """Many inputs to a model."""

    kind: Literal["corpus"] = "corpus"
    inputs: Inputs
    targets: Targets = Field(None, description="Of models that write: the output to each input; its own by default.")
    parameters: Parameters = Parameters()


class Corpus(Kind[CorpusRequest]):
    """Predictions of many inputs, and the statistics of every head over all of them."""

    name: ClassVar[str] = "corpus"
    description: ClassVar[str] = (
        "The prediction of each input, and of every head the mean over the rows of all inputs of entropy (nats), "
        "distance (tokens), sink, diagonal, max, whatever else GET /v1/traces/{id}/heads has of one, and of cross "
        "heads alignment, 0 to 1; null where no input has what it takes. `deviation` is between inputs, `kinds` what "
        "the head is by the literature's thresholds, `top` the numbers of the `passages` with most of each measure. A "
        "text that is too long is cut, and its prediction is a list of `parts`."
    )
    cost: ClassVar[str] = "a trace an input, none of which is kept"
    request = CorpusRequest

    def check(self, body: CorpusRequest, facts: Any) -> None:
        """Whether there are as many targets as inputs."""
        if body.targets is not None and len(body.targets) != len(body.inputs):
            raise ParameterError(
                f"{len(body.inputs)} inputs take as many targets, got {len(body.targets)}", field="targets"
            )

    def steps(self, body: CorpusRequest, work: Work) -> Steps:
        """Eight inputs a step; the result: predictions, or the problem of each input, and a row per head."""
        total, heads = len(body.inputs), Heads()
        answers: list[list[Any]] = [[] for _ in body.inputs]

        def told(item: Item, outcome: Outcome) -> None:
            index = item.passage.input
            if isinstance(outcome, HeedmapError):
                answers[index].append({"error": failed_input(outcome, index)})
            else:
                answers[index].append(outcome.to_json())

        for done in measured(work, self._items(body), body.parameters, heads, told):
            yield Progress(done, total, "inputs")
        predictions = [parts[0] if len(parts) == 1 else {"parts": parts} for parts in answers]
        return {"model": work.name, "inputs": total, "predictions": predictions, **summary(heads)}

    def _items(self, body: CorpusRequest) -> Iterator[Item]:
        targets: Sequence[str | None] = body.targets or [None] * len(body.inputs)
        for index, (inputs, target) in enumerate(zip(body.inputs, targets, strict=True)):
            yield Item(inputs, Passage(0, index, said(inputs)), target)


def said(inputs: Any) -> str:
    """The text of an input, as far as it has one."""
    if isinstance(inputs, str):
        return inputs
    texts = (part for name, part in inputs.items() if isinstance(part, str) and name not in FILE_BYTES)
    messages = (str(message["content"]) for message in inputs.get("messages", ()))
    return " \u00b7 ".join([*texts, *messages])


def failed_input(error: HeedmapError, index: int) -> dict[str, Any]:
    """The problem of one input of a list: its path says which."""
    body = problem(error)
    for entry in body.get("errors", []):
        head, _, rest = entry["path"].partition(".")
        if head == "inputs":
            entry["path"] = f"{head}.{index}" + (f".{rest}" if rest else "")
    return body
