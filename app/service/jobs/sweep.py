"""A sweep: every head silenced, one at a time, on many inputs, and what that does to an objective."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from heedmap.app.service import effects
from heedmap.app.service.effects import Grid, Heads
from heedmap.app.service.jobs.corpus import Inputs, failed_input
from heedmap.app.service.jobs.kind import JobRequest, Kind, Progress, Steps, Work
from heedmap.model.contract import Measurable, Objective, Parameters, Request
from heedmap.model.errors import HeedmapError, ParameterError
from heedmap.model.measures.correlation import correlation
from heedmap.model.trace.trace import Trace

MOST_PASSES = 200_000  # of all heads on all inputs: an hour of a sentence model on a CPU
WHAT = "inputs"


class SweepRequest(JobRequest):
    """Inputs, and the objective that every head is silenced for."""

    kind: Literal["sweep"] = "sweep"
    inputs: Inputs
    objective: Objective = Field(
        Objective(tokens="all"), description="By default the log-probability of the whole output."
    )
    measured: bool = Field(True, description="Whether to measure each head by a pass, too.")
    how: Literal["zero", "uniform"] = Field("zero", description="How each head is silenced.")
    parameters: Parameters = Parameters()


class Sweep(Kind[SweepRequest]):
    """What every head does for an objective, by estimate and by measurement."""

    name: ClassVar[str] = "sweep"
    description: ClassVar[str] = (
        "Every head silenced, one at a time, on each input: the objective with the head silenced minus without, "
        "estimated from one backward pass and measured by passes; the mean over inputs of each head, the heads that "
        "matter most first, and how well estimates and measurements go together."
    )
    cost: ClassVar[str] = "a trace with gradients an input; measured, also a pass a head, many in a batch"
    request = SweepRequest

    def check(self, body: SweepRequest, facts: Mapping[str, Any]) -> None:
        """Whether it is not too much in all."""
        heads = sum(site["layers"] * site["heads"] for site in facts.get("sites", ()))
        passes = heads * len(body.inputs)
        if body.measured and passes > MOST_PASSES:
            raise ParameterError(
                f"{len(body.inputs):,} inputs with {heads:,} heads are {passes:,} passes, at most {MOST_PASSES:,} are "
                "made: give fewer inputs, or leave measured false",
                field="inputs",
            )

    def steps(self, body: SweepRequest, work: Work) -> Steps:
        """A step is a trace, or a batch of edited passes; the result has each input's effects, and their means."""
        if body.measured and not isinstance(work.model, Measurable):
            raise ParameterError(
                f"{work.name} measures no effects of edits: take the estimates alone, with measured false",
                field="measured",
            )
        results: list[dict[str, Any]] = []
        recorded: list[tuple[Heads, Heads | None]] = []
        error: HeedmapError | None = None
        total = len(body.inputs)
        for number, inputs in enumerate(body.inputs):
            request = Request(inputs, None, body.parameters, body.objective)
            [trace] = work.record([request])
            yield Progress(number, total, WHAT)
            if not isinstance(trace, Trace):
                error = error or trace
                results.append({"input": number, "error": failed_input(trace, number)})
                continue
            estimated = None
            for part in effects.heads(trace, body.how):
                estimated = part
            assert estimated is not None
            assert trace.objective is not None
            measured, values = None, list[float]()
            if body.measured:
                assert isinstance(work.model, Measurable)
                sets = [(edit,) for edit in estimated.edits()]
                for some in work.model.values_under(request, trace.prediction, sets, work.stop):
                    values += some
                    yield Progress(number, total, WHAT)
                measured = estimated.like(effects.effects_of(values))
            recorded.append((estimated, measured))
            answer = effects.head_answer(estimated, measured)
            results.append(
                {
                    "input": number,
                    "output": trace.prediction.text,
                    "value": trace.objective["value"],
                    "sites": answer["sites"],
                    "correlation": answer["correlation"],
                }
            )
            yield Progress(number + 1, total, WHAT)
        if not recorded:
            assert error is not None, "each input was recorded or has an error"
            raise error
        return {"model": work.name, "objective": body.objective.to_json(), "how": body.how, "inputs": total,
                "recorded": len(recorded), **_means(recorded), "results": results}  # fmt: skip


def _means(recorded: Sequence[tuple[Heads, Heads | None]]) -> dict[str, Any]:
    """Means over inputs, and the correlation over all of them."""
    estimated = [one for one, _ in recorded]
    measured = [other for _, other in recorded if other is not None]
    answer = effects.head_answer(_mean(estimated), _mean(measured) if measured else None)
    if measured:
        flat = [np.concatenate([part.flat() for part in side]) for side in (estimated, measured)]
        answer["correlation"] = correlation(*flat)
    return answer


def _mean(each: Sequence[Heads]) -> Heads:
    """The mean of each head over the inputs where it is known."""

    def mean(grids: Sequence[Grid]) -> Grid:
        stacked = np.stack(grids)
        known = ~np.isnan(stacked)
        with np.errstate(invalid="ignore"):
            result: Grid = np.where(known, stacked, 0.0).sum(0) / known.sum(0)
        return result

    return Heads({site: mean([one.sites[site] for one in each]) for site in each[0].sites}, each[0].how)
