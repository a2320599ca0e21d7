"""Effects of edits on a trace's objective: estimates from the trace, measurements by passes, and both in one answer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from heedmap.app.errors import TooLarge
from heedmap.app.service.finite import require
from heedmap.model.contract import AnyEdit, Measurable, Objective
from heedmap.model.edits import Silence
from heedmap.model.errors import ParameterError
from heedmap.model.measures.correlation import correlation
from heedmap.model.measures.edge_effects import Edge, Mass, top_edges
from heedmap.model.measures.effects import Estimate, How, estimates, head_effects
from heedmap.model.trace.trace import Trace

MOST_MEASURED = 2048  # passes of one request: every head of a model of 64 layers of 32
MOST_TOKENS = 1 << 18  # that those read in all: minutes of a small model on a CPU
Grid = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Heads:
    """Effects of silencing heads one by one: of each site (L, H), NaN where one is not known."""

    sites: Mapping[str, Grid]
    how: How

    def edits(self) -> list[AnyEdit]:
        """The edit of each head, in order."""
        return [
            Silence(kind="silence", site=site, layer=int(layer), head=int(head), how=self.how)
            for site, grid in self.sites.items()
            for layer, head in np.ndindex(grid.shape)
        ]

    def flat(self) -> Grid:
        """All of them in the order of `edits`."""
        return np.concatenate([grid.ravel() for grid in self.sites.values()])

    def like(self, values: Grid) -> "Heads":
        """Other values of the same heads, in the order of `edits`."""
        grids, start = dict[str, Grid](), 0
        for site, grid in self.sites.items():
            grids[site] = values[start : start + grid.size].reshape(grid.shape)
            start += grid.size
        return Heads(grids, self.how)


def check_objective(trace: Trace, named: Objective | None) -> None:
    """Find that a request names another objective than the trace has.

    Raises:
        ParameterError: it does.
    """
    if named is None or trace.objective is None:
        return
    mine = {name: value for name, value in trace.objective.items() if name != "value"}
    if named.to_json() != mine:
        raise ParameterError(
            f"this trace's objective is {mine}: post its input with the other one, and ask the trace that comes of it",
            field="objective",
        )


def heads(trace: Trace, how: How, site: str | None = None) -> Iterator[Heads | None]:
    """The estimated effects of silencing each head, at the end; None before, wherever others may have their turn.

    Raises:
        ParameterError: the trace has no objective. RangeError: there is no such site. NotFinite: gradients are not.
    """
    if site is not None:
        trace.map(site, 0)
    grids: dict[str, Grid] = {}
    for part in trace.watched(head_effects(trace, how)):
        if part is not None and site in (None, part[0]):
            grids[part[0]] = part[1].numpy()
            require(np.nan_to_num(grids[part[0]], nan=0.0, posinf=np.inf, neginf=-np.inf), "effects")
        yield None
    yield Heads(grids, how)


def edges(trace: Trace, site: str, top: int, mass: Mass) -> Iterator[list[Edge] | None]:
    """The cuts that are estimated to do most, at the end; None before."""
    for part in trace.watched(top_edges(trace, site, top, mass)):
        yield part if part is None else [require_edge(edge) for edge in part]


def require_edge(edge: Edge) -> Edge:
    """An edge as it is.

    Raises:
        NotFinite: its effect is no finite number.
    """
    require(edge.effect, "effects")
    return edge


def listed(trace: Trace, edits: Sequence[AnyEdit], donors: Mapping[str, Trace]) -> Iterator[Estimate | None]:
    """The estimate of each edit, in order; None in between."""
    for part in trace.watched(estimates(trace, edits, donors)):
        if part is not None:
            require(part.effect, "effects")
        yield part


def check_measured(model: object, trace: Trace, count: int) -> Measurable:
    """A model that can measure so many edits of a trace.

    Raises:
        ParameterError: it measures none. TooLarge: that is too much for one request.
    """
    if not isinstance(model, Measurable):
        raise ParameterError(
            "this model measures no effects of edits: leave measured out, and take the estimates", field="measured"
        )
    tokens = max(len(axis) for axis in trace.axes.values())
    if count > MOST_MEASURED or count * tokens > MOST_TOKENS:
        most = min(MOST_MEASURED, MOST_TOKENS // tokens)
        raise TooLarge(
            f"{count:,} passes over {tokens:,} positions are too much for one request, which measures {most:,} edits "
            'of this trace: list fewer, name a site, or post a job, {"kind": "sweep"}, to /v1/jobs',
            field="edits",
        )
    return model


def effects_of(values: Sequence[float]) -> Grid:
    """What edits do: their values less the one of the pass as it is, which stands first.

    Raises:
        NotFinite: one is no finite number.
    """
    require(list(values), "measured values")
    return np.asarray(values[1:], dtype=np.float64) - values[0]


def known(value: float) -> float | None:
    """A number as JSON has it; null for what is not known."""
    return None if np.isnan(value) else float(value)


def rows(grid: Grid) -> list[list[float | None]]:
    """A grid as JSON has it."""
    return [[known(value) for value in row] for row in grid]


def head_answer(estimated: Heads, measured: Heads | None) -> dict[str, Any]:
    """The part of an answer that heads have: a grid a site, and a ranking."""
    sites = [
        {
            "name": site,
            "layers": grid.shape[0],
            "heads": grid.shape[1],
            "estimated": rows(grid),
            "measured": None if measured is None else rows(measured.sites[site]),
        }
        for site, grid in estimated.sites.items()
    ]
    return {
        "sites": sites,
        "ranking": ranking(estimated, measured),
        "correlation": None if measured is None else correlation(estimated.flat(), measured.flat()),
    }


def ranking(estimated: Heads, measured: Heads | None) -> list[dict[str, Any]]:
    """The heads, those whose silence does most first: as measured, else as estimated."""
    by: Literal["measured", "estimated"] = "estimated" if measured is None else "measured"
    table = []
    for site, grid in estimated.sites.items():
        for layer, head in np.ndindex(grid.shape):
            other = None if measured is None else known(float(measured.sites[site][layer, head]))
            value = {"estimated": known(float(grid[layer, head])), "measured": other}
            table.append({"site": site, "layer": int(layer), "head": int(head), **value})
    return sorted(table, key=lambda row: -abs(row[by] or 0.0))
