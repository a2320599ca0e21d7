"""What can be removed of an input: its tokens, or the edges between queries and keys; and how a measure ranks them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Full
from heedmap.model.contract import AnyEdit, Axis
from heedmap.model.edits import Cut, Replace
from heedmap.model.errors import InputTooLong, ParameterError
from heedmap.model.measures.base import STRIP, CellMeasure, Measure, TraceMeasure
from heedmap.model.measures.cut_effect import CutEffect
from heedmap.model.trace.embeddings import InputTokens
from heedmap.model.trace.trace import Trace

MOST_TOKENS = 1_024  # of an input: each that is removed is an edit or two of a pass, and a pass takes 4,096
MOST_EDGES = 4_096  # of all maps: as many edits as a pass takes, where no two that are cut stand side by side
OUTPUT_AXES = ("target", "prefix")
LOWER = frozenset({CutEffect.name})  # what hiding a thing does: the lower, the more it spoke for the objective

Scores = NDArray[np.float64]


class Units(ABC):
    """Parts of an input's way through a model, each of which can be removed; counted from 0.

    trace: of the whole input, with an objective where measures need one.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def edits(self, removed: frozenset[int]) -> tuple[AnyEdit, ...]:
        """The edits of a pass without these."""

    @abstractmethod
    def describe(self) -> list[dict[str, Any]]:
        """Each of them, as JSON."""

    @abstractmethod
    def scores(self, measure: Measure) -> Scores:
        """What a measure says of each; the higher, the more important.

        Raises:
            ParameterError: it is not defined here. InputTooLong: it would take too long.
        """


class Tokens(Units):
    """The tokens of the input that are not special, at every site that reads them.

    A token is cut as a key: no other position sees it, at any site, layer or head. Where some key is always kept its
    own row does not see it either; under masks it does, since it may be all that there is. Its own embedding stays in
    its own row: what pools rows still reads it there, unless it is replaced.

    A measure of cells is summed over exactly the cells that removing the token cuts: all heads, layers and rows of
    those sites. One of traces is summed over the rows that the objective depends on, which are those whose gradient in
    the last layer is not 0; over all rows where there is no objective.

    Args:
        stand_in: an id that takes a removed token's place; None: it is cut.

    Raises:
        InputTooLong: there are too many. ParameterError: the model reads nothing that can be removed.
    """

    def __init__(self, trace: Trace, stand_in: int | None = None) -> None:
        super().__init__(trace)
        self.stand_in = stand_in
        self.axis_name, self.axis, self.positions = input_tokens(trace)
        self.sites = [site for site, (_, keys) in trace.site_axes.items() if keys == self.axis_name]
        if len(self.positions) > MOST_TOKENS:
            raise InputTooLong(
                f"the input has {len(self.positions):,} tokens, and up to {MOST_TOKENS:,} are removed one by one: "
                "shorten it",
                field="inputs",
            )
        self.kept = len(self.axis) > len(self.positions)  # some key is always there

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def input(self) -> InputTokens:
        """As passes of a measure's own take them."""
        return InputTokens(self.axis.ids, self.positions)

    def describe(self) -> list[dict[str, Any]]:
        """Position and label."""
        return [{"token": place, "label": self.axis.labels[place]} for place in self.positions]

    def edits(self, removed: frozenset[int]) -> tuple[AnyEdit, ...]:
        """Cuts at every site that reads the input, or other tokens."""
        places = sorted(self.positions[unit] for unit in removed)
        if self.stand_in is not None:
            return tuple(Replace(kind="replace", token=place, by=self.stand_in) for place in places)
        cuts: list[AnyEdit] = []
        for site in self.sites:
            queries = self.trace.layers[site][0].shape[0]
            if self._sees_itself(site):
                for place in places:
                    around = [(0, place), (place + 1, queries)]
                    cuts += [_cut(site, span, (place, place + 1)) for span in around if span[0] < span[1]]
            else:
                nothing = not self.kept and len(places) == len(self.axis)
                cuts += [_cut(site, "all", span, drop=nothing) for span in spans(places)]
        return tuple(cuts)

    def scores(self, measure: Measure) -> Scores:
        """Sums over the cells that are cut, or over rows of the way from output to input."""
        if isinstance(measure, CellMeasure):
            check_defined(measure, self.trace, self.sites)
            total = sum(
                (self._columns(layer, measure, site) for site in self.sites for layer in self.trace.layers[site]),
                np.zeros(len(self.axis)),
            )
        elif isinstance(measure, TraceMeasure):
            total = self._whole_way(measure)
        else:
            raise ParameterError(f"{measure.name} is a measure of a {measure.kind}, which ranks no tokens")
        return total[self.positions]

    def _sees_itself(self, site: str) -> bool:
        """Whether rows keep their own position: where something may hide all others, or nothing else is kept."""
        queries, keys = self.trace.site_axes[site]
        if queries != keys:
            return False
        return not self.kept or not all(isinstance(layer.mask, Full) for layer in self.trace.layers[site])

    def _columns(self, layer: AttentionMap, measure: CellMeasure, site: str) -> Scores:
        """(K)"""
        total, itself = np.zeros(layer.shape[1]), self._sees_itself(site)
        for rows in strips(layer):
            block = measure.window(layer, rows, slice(None)).double().sum(dim=0)
            if itself:
                block.diagonal(rows.start).zero_()  # cells that stay
            total += block.sum(dim=0).cpu().numpy()
        return total

    def _whole_way(self, measure: TraceMeasure) -> Scores:
        """(K)"""
        lacks = {site: measure.defined(self.trace, site) for site in sorted(self.sites, key=lambda s: s != "cross")}
        site = next((site for site, why in lacks.items() if why is None), None)
        if site is None:
            raise ParameterError(f"{measure.name} is not defined here: {next(iter(lacks.values()))}", field="measures")
        rows = objective_rows(self.trace.layers[site][-1])
        span = range(rows[0], rows[-1] + 1)
        *_, found = measure.rows(self.trace, site, span)
        assert found is not None
        whole: Scores = found[[row - span.start for row in rows]].double().sum(dim=0).cpu().numpy()
        return whole


class Edges(Units):
    """Cells of all maps: a query and a key that it sees, at a site, in every layer and head at once.

    Special keys stay, and of a site that looks at its own positions a row's own. A measure of cells is summed over
    layers and heads. Measures of traces are of the whole way through the layers, and of no edge.

    Raises:
        InputTooLong: there are too many.
    """

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self.cells: list[tuple[str, int, int]] = []
        for site, layers in trace.layers.items():
            queries, keys = layers[0].shape
            if queries * keys > 4 * MOST_EDGES:
                raise self._too_many(f"over {queries * keys:,}")
            seen = torch.stack([layer.visible().cpu() for layer in layers]).any(dim=0)
            if site != "cross" and queries == keys:
                seen.fill_diagonal_(False)
            special = trace.axes[trace.site_axes[site][1]].special
            seen[:, torch.tensor([bool(each) for each in special])] = False
            self.cells += [(site, query, key) for query, key in seen.nonzero().tolist()]
        if len(self.cells) > MOST_EDGES:
            raise self._too_many(f"{len(self.cells):,}")

    @staticmethod
    def _too_many(count: str) -> InputTooLong:
        return InputTooLong(
            f"there are {count} edges, and up to {MOST_EDGES:,} are cut one by one: shorten the input or go by tokens",
            field="inputs",
        )

    def __len__(self) -> int:
        return len(self.cells)

    def describe(self) -> list[dict[str, Any]]:
        """Site, query and key."""
        return [{"site": site, "query": query, "key": key} for site, query, key in self.cells]

    def edits(self, removed: frozenset[int]) -> tuple[AnyEdit, ...]:
        """Cuts of neighbours together; a row that would be left nothing drops its mass instead."""
        rows: dict[tuple[str, int], list[int]] = {}
        for site, query, key in (self.cells[unit] for unit in sorted(removed)):
            rows.setdefault((site, query), []).append(key)
        cuts: list[AnyEdit] = []
        for (site, query), keys in rows.items():
            nothing = site == "cross" and len(keys) == self.trace.layers[site][0].shape[1]
            cuts += [_cut(site, query, span, drop=nothing) for span in spans(keys)]
        return tuple(cuts)

    def scores(self, measure: Measure) -> Scores:
        """Sums over layers and heads."""
        if not isinstance(measure, CellMeasure):
            raise ParameterError(
                f"{measure.name} is a measure of a {measure.kind}, and says nothing of single edges", field="measures"
            )
        check_defined(measure, self.trace, list(self.trace.layers))
        totals = {
            site: sum(
                (_over_heads(layer, measure) for layer in layers), torch.zeros(layers[0].shape, dtype=torch.float64)
            )
            for site, layers in self.trace.layers.items()
        }
        return np.array([float(totals[site][query, key]) for site, query, key in self.cells])


def ordered(measure: Measure, scores: Scores) -> list[int]:
    """All units, the most important first; of equals the first first."""
    sign = -1 if measure.name in LOWER else 1
    return [int(place) for place in np.argsort(-sign * scores, kind="stable")]


def input_tokens(trace: Trace) -> tuple[str, Axis, list[int]]:
    """The axis of the input, and the positions on it that are its own: neither special nor of the output.

    Raises:
        ParameterError: there are none.
    """
    name = next((keys for _, keys in trace.site_axes.values() if keys not in OUTPUT_AXES), None)
    if name is None:
        raise ParameterError("this model's maps have no axis of the input", field="inputs")
    axis = trace.axes[name]
    own = len(axis)
    if "decoder" in trace.site_axes and trace.site_axes["decoder"][1] == name:
        own -= len(trace.prediction.tokens)  # which stand behind the input on one axis
    positions = [place for place in range(own) if not axis.special[place]]
    if not positions:
        raise ParameterError("the input has no token that could be removed", field="inputs")
    return name, axis, positions


def check_defined(measure: CellMeasure, trace: Trace, sites: Sequence[str]) -> None:
    """Raises:
    ParameterError: a layer of these sites lacks what a measure takes.
    """
    for site in sites:
        for layer in trace.layers[site]:
            if lacks := measure.defined(layer):
                raise ParameterError(f"{measure.name} is not defined here: {lacks}", field="measures")


def objective_rows(last: AttentionMap) -> list[int]:
    """The rows that the objective depends on; all of them where there is none, or none does."""
    every = list(range(last.shape[0]))
    if last.d_output is None:
        return every
    rows = last.d_output.ne(0).any(dim=-1).any(dim=0).nonzero()[:, 0].tolist()
    return [int(row) for row in rows] or every


def strips(layer: AttentionMap) -> Iterator[slice]:
    """Rows of a layer, a few at a time."""
    queries, keys = layer.shape
    step = max(1, STRIP // (layer.heads * keys))
    return (slice(start, min(start + step, queries)) for start in range(0, queries, step))


def spans(places: Sequence[int]) -> list[tuple[int, int]]:
    """Sorted positions as half-open spans of neighbours."""
    result: list[tuple[int, int]] = []
    for place in places:
        if result and result[-1][1] == place:
            result[-1] = result[-1][0], place + 1
        else:
            result.append((place, place + 1))
    return result


def _cut(site: str, query: int | tuple[int, int] | str, key: tuple[int, int], drop: bool = False) -> Cut:
    mass = "drop" if drop else "renormalise"
    return Cut.model_validate({"kind": "cut", "site": site, "query": query, "key": key, "mass": mass})


def _over_heads(layer: AttentionMap, measure: CellMeasure) -> Tensor:
    return measure.window(layer, slice(None), slice(None)).double().sum(dim=0).cpu()
