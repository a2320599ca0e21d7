"""The registry of measures: a new one is one file and one line here."""

from collections.abc import Mapping
from typing import Any, TypeVar

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.errors import ParameterError, RangeError
from heedmap.model.measures.base import NO_OBJECTIVE, CellMeasure, HeadMeasure, Measure, TokenMeasure, TraceMeasure
from heedmap.model.measures.copying import Copying
from heedmap.model.measures.cut_effect import CutEffect
from heedmap.model.measures.flow import Flow
from heedmap.model.measures.gim import Gim
from heedmap.model.measures.gradient import Gradient
from heedmap.model.measures.gradient_attention import GradientAttention
from heedmap.model.measures.head_statistics import Diagonality, Distance, Entropy, Largest, SinkMass
from heedmap.model.measures.integrated_gradients import IntegratedGradients
from heedmap.model.measures.mixing_ratio import MixingRatio
from heedmap.model.measures.normalised_norm import NormalisedNorm
from heedmap.model.measures.output_norm import OutputNorm
from heedmap.model.measures.relevance import Relevance
from heedmap.model.measures.rollout import Rollout
from heedmap.model.measures.score_gradient import ScoreGradient
from heedmap.model.measures.token_heads import DuplicateToken, Induction, PreviousToken
from heedmap.model.measures.value_norm import ValueNorm
from heedmap.model.measures.weights import Weights
from heedmap.model.trace.trace import Trace

M = TypeVar("M", bound=Measure)

CELLS: dict[str, CellMeasure] = {
    each.name: each
    for each in (
        Weights(),
        ValueNorm(),
        OutputNorm(),
        NormalisedNorm(),
        Gradient(),
        GradientAttention(),
        ScoreGradient(),
        CutEffect(),
    )
}
HEADS: dict[str, HeadMeasure] = {
    each.name: each
    for each in (
        Entropy(),
        Distance(),
        SinkMass(),
        Diagonality(),
        Largest(),
        PreviousToken(),
        DuplicateToken(),
        Induction(),
        Copying(),
        MixingRatio(),
    )
}
TRACES: dict[str, TraceMeasure] = {each.name: each for each in (Rollout(), Flow(), Relevance())}
TOKENS: dict[str, TokenMeasure] = {each.name: each for each in (IntegratedGradients(), Gim())}
MEASURES: dict[str, Measure] = {**CELLS, **HEADS, **TRACES, **TOKENS}


def measure(name: str) -> Measure:
    """The measure of this name, of whatever kind.

    Raises:
        RangeError: there is none.
    """
    return _named(name, MEASURES)


def cell_measure(name: str) -> CellMeasure:
    """The measure of cells that has this name.

    Raises:
        RangeError: there is none, or it is no measure of cells.
    """
    return _named(name, CELLS)


def defined_on(name: str, layer: AttentionMap) -> CellMeasure:
    """The measure of cells that has this name, which a layer has all for.

    Raises:
        RangeError: there is none. ParameterError: the layer lacks what it takes.
    """
    chosen = cell_measure(name)
    if lacks := chosen.defined(layer):
        others = ", ".join(each.name for each in CELLS.values() if each.defined(layer) is None)
        raise ParameterError(f"{name} is not defined here: {lacks}. Here there are {others}", field="measure")
    return chosen


def defined_at(name: str, trace: Trace, site: str) -> TraceMeasure:
    """The measure of traces that has this name, which a trace has all for at a site.

    Raises:
        RangeError: there is none, or no such site. ParameterError: the trace lacks what it takes.
    """
    chosen = _named(name, TRACES)
    trace.map(site, 0)
    if lacks := chosen.defined(trace, site):
        others = [each.name for each in TRACES.values() if each.defined(trace, site) is None]
        here = f". Here there are {', '.join(others)}" if others else ""
        raise ParameterError(f"{name} is not defined at {site}: {lacks}{here}", field="measure")
    return chosen


def sites(trace: Trace) -> dict[str, list[dict[str, Any]]]:
    """Of each measure of cells and of traces, every site of a trace with what it lacks there, None where nothing.

    A measure of cells is defined at a site where it is at each of its layers. `objective` says whether an objective is
    what it lacks. Reads no tensors.
    """

    def lacks(each: CellMeasure | TraceMeasure, site: str) -> str | None:
        if isinstance(each, TraceMeasure):
            return each.defined(trace, site)
        return next(filter(None, map(each.defined, trace.layers[site])), None)

    def told(each: CellMeasure | TraceMeasure, site: str) -> dict[str, Any]:
        lacking = lacks(each, site)
        return {"site": site, "lacks": lacking, "objective": lacking == NO_OBJECTIVE}

    both: dict[str, CellMeasure | TraceMeasure] = {**CELLS, **TRACES}
    return {name: [told(each, site) for site in trace.layers] for name, each in both.items()}


def _named(name: str, those: Mapping[str, M]) -> M:
    if name in those:
        return those[name]
    if name in MEASURES:
        kinds = {each.kind for each in those.values()}
        raise RangeError(
            f"{name} is a measure of a {MEASURES[name].kind}, not of a {' or a '.join(sorted(kinds))}: "
            f"there are {', '.join(those)}",
            field="measure",
        )
    raise RangeError(f"measure {name[:40]!r} does not exist: there are {', '.join(those)}", field="measure")
