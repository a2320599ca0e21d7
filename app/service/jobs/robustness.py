"""Robustness: what becomes of a model's answers and of its attention as its input gets worse."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from heedmap.app.requests.inputs import check_text, kind
from heedmap.app.service.finite import require_map
from heedmap.app.service.jobs.kind import JobRequest, Kind, Progress, Steps, Work
from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import EmptyInput, HeedmapError, ParameterError
from heedmap.model.measures.comparison import compared_rows, divergences
from heedmap.model.measures.matching import match_axes
from heedmap.model.robustness.agreement import Agreement, measured_by
from heedmap.model.robustness.keyboards import KEYBOARDS
from heedmap.model.robustness.statistics import bootstrap
from heedmap.model.robustness.text import Perturbed, perturbations
from heedmap.model.trace.trace import Trace

MOST_INPUTS = 100  # texts: a curve's mean is sure to a twentieth by then
MOST_PASSES = 20_000  # of all texts, perturbations, strengths and seeds: an hour at a fifth of a second each
TOGETHER = 8  # inputs a step
ROWS = 256  # of each map that are compared: means over many inputs need no more of one
FRAGILE = 20  # tokens that are named
Name = Literal["typing_errors", "swaps", "casing", "dropped_words"]
NAMES: tuple[Name, ...] = get_args(Name)
Layout = Literal["qwerty", "qwertz"]


def check_texts(value: Any) -> list[str]:
    """Texts, none of them empty."""
    if not isinstance(value, list):
        raise ParameterError(f"expected a list of texts, got {kind(value)}")
    if not value:
        raise EmptyInput("the list of texts is empty; give at least one")
    if len(value) > MOST_INPUTS:
        raise ParameterError(f"{len(value):,} texts, at most {MOST_INPUTS} are taken; send several jobs")
    texts = [check_text(item, str(index)) for index, item in enumerate(value)]
    for index, text in enumerate(texts):
        if not text.strip():
            raise EmptyInput("an empty text has nothing to perturb", field=str(index))
    return texts


Texts = Annotated[list[str], BeforeValidator(check_texts), Field(min_length=1, max_length=MOST_INPUTS)]
Strength = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class RobustnessRequest(JobRequest):
    """Texts, and what is to happen to them."""

    kind: Literal["robustness"] = "robustness"
    inputs: Texts = Field(examples=[["Wo ist der Bahnhof?"]])
    references: Texts | None = Field(
        None,
        description="What the model should answer to each; what it does answer to the text as it is, unless given.",
    )
    perturbations: Annotated[list[Name], Field(min_length=1, max_length=len(NAMES))] = Field(list(NAMES))
    strengths: Annotated[list[Strength], Field(min_length=1, max_length=20)] = Field(
        [0.05, 0.1, 0.2, 0.4], description="The share of letters, pairs or words that is changed."
    )
    seeds: int = Field(5, ge=1, le=50, description="How often each is drawn.")
    keyboard: Layout = "qwerty"
    parameters: Parameters = Parameters()


@dataclass(eq=False)
class Sample:
    """One perturbed text: which input, perturbation, strength and seed, and what came of it.

    divergences: by site, of all heads (L, H), in nats; NaN where the axes have nothing in common.
    """

    input: int
    cell: tuple[int, int, int]
    made: Perturbed
    exact: float = float("nan")
    agreement: float = float("nan")
    divergences: dict[str, NDArray[np.float64]] = field(default_factory=dict)


class Robustness(Kind[RobustnessRequest]):
    """Curves of quality and of attention's stability against strength, and what is most fragile."""

    name: ClassVar[str] = "robustness"
    description: ClassVar[str] = (
        "Texts perturbed by typing errors, swapped letters, casing and dropped words: the model's agreement with its "
        "answer to the text as it is (or with references), and how far each head's rows move (Jensen-Shannon, nats), "
        "against strength, with confidence intervals over seeds; the most fragile heads and tokens named."
    )
    cost: ClassVar[str] = "a trace for each text, perturbation, strength and seed, none of which is kept"
    request = RobustnessRequest

    def check(self, body: RobustnessRequest, facts: Any) -> None:
        """Whether there are as many references as texts, and not too much to do in all."""
        if body.references is not None and len(body.references) != len(body.inputs):
            raise ParameterError(
                f"{len(body.inputs)} inputs take as many references, got {len(body.references)}", field="references"
            )
        for name in ("perturbations", "strengths"):
            if len(set(getattr(body, name))) < len(getattr(body, name)):
                raise ParameterError(f"one of the {name} is there twice; name each once", field=name)
        passes = len(body.inputs) * len(body.perturbations) * len(body.strengths) * body.seeds
        if passes > MOST_PASSES:
            raise ParameterError(
                f"this is {passes:,} passes, at most {MOST_PASSES:,} are made: give fewer inputs, strengths or seeds",
                field="seeds",
            )

    def steps(self, body: RobustnessRequest, work: Work) -> Steps:
        """Each text as it is, then its perturbations, eight a step."""
        made = perturbations(KEYBOARDS[body.keyboard])
        cells = [
            (p, s, seed)
            for p in range(len(body.perturbations))
            for s in range(len(body.strengths))
            for seed in range(body.seeds)
        ]
        agreement = measured_by()
        samples: list[Sample] = []
        refused: list[dict[str, Any]] = []
        tokens: dict[int, list[tuple[str, tuple[int, int]]]] = {}
        total, done = len(body.inputs) * (len(cells) + 1), 0
        for number, text in enumerate(body.inputs):
            [plain] = work.record([Request(text, None, body.parameters)])
            done += 1
            yield Progress(done, total, "texts")
            if not isinstance(plain, Trace):
                refused.append({"input": number, "detail": str(plain)})
                done += len(cells)
                continue
            tokens[number] = _tokens(plain)
            wanted = plain.prediction.text if body.references is None else body.references[number]
            mine = []
            for cell in cells:
                draw = np.random.default_rng([number, *cell])  # each its own, whatever else is asked for
                mine.append(
                    Sample(number, cell, made[body.perturbations[cell[0]]](text, body.strengths[cell[1]], draw))
                )
            for start in range(0, len(mine), TOGETHER):
                some = mine[start : start + TOGETHER]
                outcomes = work.record([Request(sample.made.text, None, body.parameters) for sample in some])
                for sample, outcome in zip(some, outcomes, strict=True):
                    _judge(sample, plain, outcome, wanted, agreement)
                done += len(some)
                yield Progress(done, total, "texts")
            samples += mine
        return {"model": work.name, "agreement": agreement.name, "refused": refused, **_result(body, samples, tokens)}


def _judge(sample: Sample, plain: Trace, outcome: Trace | HeedmapError, wanted: str, agreement: Agreement) -> None:
    """Note what became of an answer, and of the attention; a text that is no input any more has lost everything."""
    if not isinstance(outcome, Trace):
        sample.exact = sample.agreement = 0.0
        return
    text = outcome.prediction.text
    sample.exact, sample.agreement = float(text == wanted), agreement.of(text, wanted)
    for site in plain.layers:
        sample.divergences[site] = moved(plain, outcome, site)


def moved(plain: Trace, outcome: Trace, site: str) -> NDArray[np.float64]:
    """How far each head's rows moved, a mean over those that match, in nats: (L, H); NaN where none match."""
    layers = plain.layers[site]
    shape = len(layers), layers[0].heads
    names = plain.site_axes[site]
    try:
        queries, keys = (match_axes(plain.axes[name], outcome.axes[name], name) for name in names)
    except ParameterError:
        return np.full(shape, np.nan)
    rows = compared_rows(queries, ROWS)
    means = []
    for index in range(shape[0]):
        one, other = (require_map(trace.map(site, index)) for trace in (plain, outcome))
        means.append(torch.cat([part.cpu() for part in divergences(one, other, rows, keys)], dim=-1).mean(dim=-1))
    result: NDArray[np.float64] = torch.stack(means).double().numpy()
    return result


def _tokens(trace: Trace) -> list[tuple[str, tuple[int, int]]]:
    """The tokens of the input with the characters they stand for: of the first axis that is not of the output."""
    axis = next((axis for name, axis in trace.axes.items() if name not in ("target", "prefix")), None)
    if axis is None:
        return []
    return [
        (label, span) for label, span, special in zip(axis.labels, axis.spans, axis.special, strict=True) if not special
    ]


def _result(
    body: RobustnessRequest, samples: Sequence[Sample], tokens: dict[int, list[tuple[str, tuple[int, int]]]]
) -> dict[str, Any]:
    """Curves, heads and tokens."""
    curves = []
    for p, name in enumerate(body.perturbations):
        for s, strength in enumerate(body.strengths):
            here = [sample for sample in samples if sample.cell[:2] == (p, s)]
            seeds = [[sample for sample in here if sample.cell[2] == seed] for seed in range(body.seeds)]
            if not here:
                continue
            curves.append(
                {
                    "perturbation": name,
                    "strength": strength,
                    "exact": _interval([[sample.exact for sample in part] for part in seeds]),
                    "agreement": _interval([[sample.agreement for sample in part] for part in seeds]),
                    "divergence": {
                        site: _interval([[_mean(sample, site) for sample in part] for part in seeds])
                        for site in _sites(here)
                    },
                }
            )
    return {
        "curves": curves,
        "heads": sorted(_heads(body, samples), key=lambda head: -np.nan_to_num(head["divergence"]["mean"])),
        "tokens": _fragile(samples, tokens),
    }


def _sites(samples: Sequence[Sample]) -> list[str]:
    return list(dict.fromkeys(site for sample in samples for site in sample.divergences))


def _mean(sample: Sample, site: str) -> float:
    return float(sample.divergences[site].mean()) if site in sample.divergences else float("nan")


def _interval(seeds: Sequence[Sequence[float]]) -> dict[str, float]:
    """The mean over inputs for each seed, and its interval over seeds."""
    return bootstrap(np.array([_nanmean(np.array(values)) for values in seeds])).to_json()


def _nanmean(values: NDArray[np.float64]) -> Any:
    """The mean over the first axis of what is a number, NaN where nothing is."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(0) / known.sum(0)


def _heads(body: RobustnessRequest, samples: Sequence[Sample]) -> Iterator[dict[str, Any]]:
    """A row for each head: its divergence over everything, and its curve by perturbation."""
    for site in _sites(samples):
        there = [sample for sample in samples if site in sample.divergences]
        values = np.stack([sample.divergences[site] for sample in there])
        cells = np.array([sample.cell for sample in there])
        by_seed = np.stack([_nanmean(values[cells[:, 2] == seed]) for seed in np.unique(cells[:, 2])])
        whole = bootstrap(by_seed)
        curves = {
            name: [_nanmean(values[(cells[:, 0] == p) & (cells[:, 1] == s)]) for s in range(len(body.strengths))]
            for p, name in enumerate(body.perturbations)
        }
        for layer, head in np.ndindex(values.shape[1:]):
            yield {
                "site": site,
                "layer": layer,
                "head": head,
                "divergence": {part: float(getattr(whole, part)[layer, head]) for part in ("mean", "low", "high")},
                "curves": {name: [float(mean[layer, head]) for mean in means] for name, means in curves.items()},
            }


def _fragile(samples: Sequence[Sample], tokens: dict[int, list[tuple[str, tuple[int, int]]]]) -> list[dict[str, Any]]:
    """The tokens at which a change costs most: the mean agreement of answers where they were not touched, less that
    where they were; of those that were both."""
    rows: list[tuple[float, dict[str, Any]]] = []
    for number, places in tokens.items():
        here = [sample for sample in samples if sample.input == number]
        for position, (label, (start, stop)) in enumerate(places):
            touched = np.array([any(a < stop and start < b for a, b in sample.made.touched) for sample in here])
            values = np.array([sample.agreement for sample in here])
            if touched.any() and not touched.all():
                loss = float(values[~touched].mean() - values[touched].mean())
                row = {"input": number, "token": position, "label": label, "touched": int(touched.sum())}
                rows.append((loss, row))
    rows.sort(key=lambda pair: -pair[0])
    return [{**row, "loss": loss} for loss, row in rows[:FRAGILE]]
