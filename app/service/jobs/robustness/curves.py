"""What became of perturbed inputs: curves against strength, fragile heads and tokens, all with their intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from heedmap.app.service.finite import require_map
from heedmap.app.service.jobs.robustness.request import ONCE, RobustnessRequest
from heedmap.model.errors import HeedmapError, ParameterError
from heedmap.model.measures.comparison import compared_rows, divergences
from heedmap.model.measures.matching import match_axes
from heedmap.model.robustness.agreement import Agreement, judged
from heedmap.model.robustness.statistics import bootstrap
from heedmap.model.trace.trace import Trace

ROWS = 256  # of each map that are compared: means over many inputs need no more of one
FRAGILE = 20  # tokens that are named
NOWHERE = float("nan")


@dataclass(eq=False)
class Sample:
    """One perturbed input: which, the perturbation, strength and seed, and what came of it.

    touched: the characters that were changed; None where that cannot be said. divergences: by site, of all heads
    (L, H), in nats; NaN where the axes have nothing in common. change: of the objective, where there is one.
    """

    input: int
    cell: tuple[int, int, int]
    touched: Sequence[tuple[int, int]] | None
    exact: float = NOWHERE
    agreement: float = NOWHERE
    divergences: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    change: float = NOWHERE


@dataclass(frozen=True)
class Token:
    """A token of an input: its position, and the characters that it stands for."""

    position: int
    label: str
    span: tuple[int, int]


def judge(sample: Sample, plain: Trace, outcome: Trace | HeedmapError, reference: str | None, texts: Agreement) -> None:
    """Note what became of an answer, and of the attention; what is no input any more has lost everything."""
    if not isinstance(outcome, Trace):
        sample.exact = sample.agreement = 0.0
        return
    made = judged(outcome.prediction, plain.prediction, reference, texts)
    sample.exact, sample.agreement = made.exact, made.agreement
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


def tokens_of(trace: Trace) -> list[Token]:
    """The tokens of the input with the characters they stand for: of the first axis that is not of the output."""
    axis = next((axis for name, axis in trace.axes.items() if name not in ("target", "prefix")), None)
    if axis is None:
        return []
    segments = axis.segments or [0] * len(axis)
    rows = zip(axis.labels, axis.spans, axis.special, segments, strict=True)
    return [
        Token(position, label, span)
        for position, (label, span, special, segment) in enumerate(rows)
        if not special and segment == 0
    ]


def summary(body: RobustnessRequest, samples: Sequence[Sample], tokens: dict[int, list[Token]]) -> dict[str, Any]:
    """Curves, heads and tokens."""
    curves = []
    for p, name in enumerate(body.names):
        for s, strength in enumerate(body.amounts):
            here = [sample for sample in samples if sample.cell[:2] == (p, s)]
            seeds = [[sample for sample in here if sample.cell[2] == seed] for seed in range(body.seeds)]
            seeds = [part for part in seeds if part]
            if not seeds:
                continue
            curve: dict[str, Any] = {
                "perturbation": name,
                "strength": strength,
                "inputs": len({sample.input for sample in here}),
                "seeds": len(seeds),
                "exact": _interval([[sample.exact for sample in part] for part in seeds]),
                "agreement": _interval([[sample.agreement for sample in part] for part in seeds]),
                "divergence": {
                    site: _interval([[_mean(sample, site) for sample in part] for part in seeds])
                    for site in _sites(here)
                },
            }
            if not all(np.isnan(sample.change) for sample in here):
                curve["objective"] = _interval([[sample.change for sample in part] for part in seeds])
            curves.append(curve)
    return {
        "curves": curves,
        "heads": sorted(_heads(body, samples), key=lambda head: -np.nan_to_num(head["divergence"]["mean"])),
        "tokens": _fragile(samples, tokens),
    }


def _sites(samples: Sequence[Sample]) -> list[str]:
    return list(dict.fromkeys(site for sample in samples for site in sample.divergences))


def _mean(sample: Sample, site: str) -> float:
    return float(sample.divergences[site].mean()) if site in sample.divergences else NOWHERE


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
        once = np.array([name in ONCE for name in body.names])[cells[:, 0]]  # the same under every seed
        by_seed = np.stack([_nanmean(values[once | (cells[:, 2] == seed)]) for seed in np.unique(cells[:, 2])])
        whole = bootstrap(by_seed)
        curves = {
            name: [_nanmean(values[(cells[:, 0] == p) & (cells[:, 1] == s)]) for s in range(len(body.amounts))]
            for p, name in enumerate(body.names)
        }
        for layer, head in np.ndindex(values.shape[1:]):
            yield {
                "site": site,
                "layer": layer,
                "head": head,
                "divergence": {part: float(getattr(whole, part)[layer, head]) for part in ("mean", "low", "high")},
                "curves": {name: [float(mean[layer, head]) for mean in means] for name, means in curves.items()},
            }


def _fragile(samples: Sequence[Sample], tokens: dict[int, list[Token]]) -> list[dict[str, Any]]:
    """The tokens at which a change costs most: the mean agreement of answers where they were not touched, less that
    where they were; of those that were both."""
    rows: list[tuple[float, dict[str, Any]]] = []
    for number, places in tokens.items():
        here = [sample for sample in samples if sample.input == number and sample.touched is not None]
        values = np.array([sample.agreement for sample in here])
        for token in places:
            start, stop = token.span
            touched = np.array([any(a < stop and start < b for a, b in sample.touched or ()) for sample in here])
            if touched.any() and not touched.all():
                loss = float(values[~touched].mean() - values[touched].mean())
                row = {"input": number, "token": token.position, "label": token.label, "span": list(token.span)}
                rows.append((loss, {**row, "touched": int(touched.sum())}))
    rows.sort(key=lambda pair: -pair[0])
    return [{**row, "loss": loss} for loss, row in rows[:FRAGILE]]
