"""Faithfulness: whether what a measure names is what the model's answer depends on, beside random orders."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from heedmap.app.service.finite import fault
from heedmap.app.service.jobs.corpus import Inputs, Targets, failed_input
from heedmap.app.service.jobs.kind import JobRequest, Kind, Progress, Steps, Work
from heedmap.model.contract import Objective, Parameters, Request
from heedmap.model.errors import Cancelled, EmptyInput, HeedmapError, InputError, ParameterError
from heedmap.model.faithfulness.curves import FRACTIONS, LEAST_SEEDS, STEPS, Curves, Plan, random_order
from heedmap.model.faithfulness.orders import By, Removal, defaults, evaluated, named, scored, units_of
from heedmap.model.faithfulness.subject import settled, traced
from heedmap.model.faithfulness.table import table
from heedmap.model.faithfulness.units import Scores, ordered
from heedmap.model.faithfulness.values import Model
from heedmap.model.measures.base import Measure

MOST_PASSES = 200_000  # of all inputs and orders: an hour of a sentence model, whose pass takes a fiftieth of a second


Fraction = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class FaithfulnessRequest(JobRequest):
    """Inputs, and the measures that are to explain the model's answers to them."""

    kind: Literal["faithfulness"] = "faithfulness"
    inputs: Inputs
    targets: Targets = Field(
        None,
        description="Of models that write: the output to each input that is explained; the model's own by default.",
    )
    measures: Annotated[list[str], Field(min_length=1, max_length=50)] | None = Field(
        None, description="By name, of cells or of traces; by default all that rank what is removed, but flow."
    )
    by: By = Field("tokens", description="What is removed: tokens of the input, or cells of the maps.")
    removal: Removal = Field(
        "cut",
        description="cut: nothing else sees it. replace: the model's mask token takes its place, or its token for what "
        "it does not know; tokens only.",
    )
    seeds: int = Field(10, ge=LEAST_SEEDS, le=50, description="Random orders of each input.")
    steps: int = Field(STEPS, ge=2, le=50, description="Of the deletion and insertion curves.")
    fractions: Annotated[list[Fraction], Field(min_length=1, max_length=20)] = Field(
        list(FRACTIONS), description="Of comprehensiveness and sufficiency."
    )
    objective: Objective | None = Field(
        None, description="By default the whole output, the predicted class, or the nearest of compared sentences."
    )
    parameters: Parameters = Parameters()


@dataclass(eq=False)
class Outcome:
    """What came of all inputs: curves by measure and input, those of random orders, and what was not possible."""

    measures: dict[str, dict[int, Curves]]
    random: dict[int, list[Curves]] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)
    undefined: dict[str, str] = field(default_factory=dict)
    orders: dict[str, list[int]] = field(default_factory=dict)
    units: list[dict[str, Any]] = field(default_factory=list)
    first: HeedmapError | None = None


class Faithfulness(Kind[FaithfulnessRequest]):
    """Curves of the objective as parts are removed in the order of each measure."""

    name: ClassVar[str] = "faithfulness"
    description: ClassVar[str] = (
        "Tokens or edges are removed in the order in which each measure ranks them, and the objective is watched: "
        "comprehensiveness and sufficiency (DeYoung et al. 2020), deletion and insertion curves with their areas "
        "(Petsiuk et al. 2018), with confidence intervals over inputs, and how many deviations better than random "
        "orders each measure is."
    )
    cost: ClassVar[str] = "two passes a step for each input and order: some 20 for a measure or a seed"
    request = FaithfulnessRequest

    def check(self, body: FaithfulnessRequest, facts: Any) -> None:
        """Whether measures exist, inputs are filled, and there is not too much to do in all."""
        measures = named(body.measures or defaults(body.by), body.by)
        for index, inputs in enumerate(body.inputs):
            if isinstance(inputs, str) and not inputs.strip():
                raise EmptyInput("an empty text has nothing to remove", field=f"inputs.{index}")
        if body.targets is not None and len(body.targets) != len(body.inputs):
            raise ParameterError(
                f"{len(body.inputs)} inputs take as many targets, got {len(body.targets)}", field="targets"
            )
        if body.by == "edges" and body.removal == "replace":
            raise ParameterError("an edge is cut, and has nothing to be replaced by: go by tokens", field="removal")
        if body.removal == "cut" and facts.get("attention") == "eager":
            raise ParameterError(
                "this model's family computes attention by itself, where nothing can be cut: replace tokens",
                field="removal",
            )
        passes = len(body.inputs) * (len(measures) + body.seeds) * 2 * (body.steps + len(body.fractions))
        if passes > MOST_PASSES:
            raise ParameterError(
                f"this is up to {passes:,} passes, at most {MOST_PASSES:,} are made: give fewer inputs, measures, "
                "steps or seeds",
                field="inputs",
            )

    def steps(self, body: FaithfulnessRequest, work: Work) -> Steps:
        """A few passes a step, an input after the other.

        Raises:
            HeedmapError: that of the first input, where none can be used.
        """
        measures = named(body.measures or defaults(body.by), body.by)
        outcome = Outcome({measure.name: {} for measure in measures})
        orders = len(measures) + body.seeds
        for number in range(len(body.inputs)):
            try:
                for done in _input(body, work, number, measures, outcome):
                    yield Progress(number * orders + done, len(body.inputs) * orders, "orders")
            except Cancelled:
                raise
            except HeedmapError as error:
                for curves in outcome.measures.values():
                    curves.pop(number, None)
                outcome.random.pop(number, None)
                blamed = _blamed(error)
                outcome.refused.append({"input": number, "error": failed_input(blamed, number)})
                outcome.first = outcome.first or _placed(blamed, number)
            yield Progress((number + 1) * orders, len(body.inputs) * orders, "orders")
        if not outcome.random:
            assert outcome.first is not None, "there is one input at least"
            raise outcome.first
        single = {"units": outcome.units, "orders": outcome.orders} if len(body.inputs) == 1 else {}
        grid = np.linspace(0, 1, body.steps + 1)
        return {
            "model": work.name,
            "by": body.by,
            "removal": body.removal,
            "inputs": len(body.inputs),
            "seeds": body.seeds,
            "refused": outcome.refused,
            "undefined": [{"measure": name, "detail": why} for name, why in outcome.undefined.items()],
            **table(outcome.measures, outcome.random, grid),
            **single,
        }


def _input(
    body: FaithfulnessRequest, work: Work, number: int, measures: list[Measure], outcome: Outcome
) -> Generator[int]:
    """All orders of one input: yields how many are done.

    Raises:
        HeedmapError: it cannot be used. Cancelled: the job is over.
    """
    target = None if body.targets is None else body.targets[number]
    model: Model = work.model
    request = settled(model, Request(body.inputs[number], target, body.parameters, body.objective), work.stop)
    yield 0
    trace = traced(model, request, work.stop)
    if failure := fault(trace):
        raise failure
    units = units_of(model, trace, body.by, body.removal)
    yield 0
    ranked: dict[str, list[int]] = {}
    scores: dict[str, Scores] = {}
    for measure in measures:
        try:
            scores[measure.name] = scored(model, request, units, measure, work.stop)
            ranked[measure.name] = ordered(measure, scores[measure.name])
        except InputError as lacks:
            outcome.undefined[measure.name] = str(lacks)
        yield 0
    if not ranked:
        name, why = next(iter(outcome.undefined.items()))
        raise ParameterError(why if why.startswith(name) else f"{name}: {why}", field="measures")
    plan = Plan.of(len(units), body.steps, body.fractions)
    random = [random_order(len(units), seed, number) for seed in range(body.seeds)]
    sets = {removed: None for order in (*ranked.values(), *random) for removed in plan.sets(order)}
    known: dict[frozenset[int], float] = {}
    for known in evaluated(model, request, units, sets, work.stop):
        yield (len(measures) + body.seeds) * len(known) // len(sets)
    for name, order in ranked.items():
        outcome.measures[name][number] = Curves.of(order, plan, known)
    outcome.random[number] = [Curves.of(order, plan, known) for order in random]
    outcome.units = [
        {**unit, "scores": {name: float(scores[name][place]) for name in ranked}}
        for place, unit in enumerate(units.describe())
    ]
    outcome.orders = ranked


def _blamed(error: HeedmapError) -> HeedmapError:
    """An error of the edits that removal is made of, as one of the removal, which the request names."""
    if isinstance(error, InputError) and error.field is not None and error.field.startswith("edits"):
        return ParameterError(str(error), field="removal")
    return error


def _placed(error: HeedmapError, number: int) -> HeedmapError:
    """The error of one input of a list: its path says which."""
    head, _, rest = (error.field or "").partition(".")
    if head in ("inputs", "target"):
        error.field = ".".join([{"target": "targets"}.get(head, head), str(number), *([rest] if rest else [])])
    return error
