"""The edits of one request, layer by layer of a pass: sites, layers and heads that are there, rows from elsewhere."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.edited_rows import EVERY, Hidden
from heedmap.model.attention.edits import LayerEdits, Rows
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.operators import spread
from heedmap.model.edits import END, AnyEdit, Cut, HeadEdit, Patch, Replace, Silence, Temper, interval
from heedmap.model.errors import ParameterError, RangeError

PATCHED_CELLS = 1 << 24  # of weights that a pass is given: 64 MiB; they are kept cell by cell, in the trace too
ROWS = 1024  # of another trace, whose outputs are computed at once

Sites = Mapping[str, tuple[int, int]]
"""How many layers a site has, and how many heads."""
Means = Mapping[tuple[str, int], Float[Tensor, "H E"]]
"""Of each site and layer the mean output of its heads."""


@runtime_checkable
class Donor(Protocol):
    """Another trace."""

    def map(self, site: str, layer: int) -> AttentionMap:
        """The maps of a layer."""


class Editor:
    """What is done to the attention of a pass.

    Args:
        edits: of the request; `replace` is done to the input, not here.
        sites: of the model.
        donors: other traces, by their ids.
        means: the mean outputs over a corpus; asked once for each corpus.

    Raises:
        InputError: a site, a layer, a head or a trace does not exist; `field` says which.
    """

    def __init__(
        self,
        edits: Sequence[AnyEdit],
        sites: Sites,
        donors: Mapping[str, Donor] | None = None,
        means: Callable[[Sequence[str], str], Means] | None = None,
    ) -> None:
        self.edits, self.sites, self.donors = tuple(edits), dict(sites), dict(donors or {})
        self._means, self._of_corpora = means, dict[tuple[str, ...], Means]()
        self._layers: dict[tuple[str, int], LayerEdits] = {}
        self._patched = 0
        for place, edit in enumerate(self.edits):
            if not isinstance(edit, Replace):
                for layer in self._layers_of(edit, f"edits.{place}"):
                    key = (edit.site, layer)
                    found = self._layers.setdefault(key, LayerEdits(f"layer {layer} of {edit.site}"))
                    self._add(found, edit, layer, place)

    def layer(self, site: str, index: int) -> LayerEdits | None:
        """What is done to a layer of a site, from 0; None where nothing is."""
        return self._layers.get((site, index))

    def __iter__(self) -> Iterator[tuple[tuple[str, int], LayerEdits]]:
        return iter(self._layers.items())

    def check(self, lengths: Mapping[str, tuple[int, int]]) -> None:
        """Find an edit that is beyond a pass of these lengths: queries and keys of each site.

        Raises:
            RangeError: `field` says which.
        """
        for place, edit in enumerate(self.edits):
            if isinstance(edit, Replace) or edit.site not in lengths:
                continue
            queries, keys = lengths[edit.site]
            if isinstance(edit, Cut | Patch):
                _inside(edit.query, queries, f"edits.{place}.query", "query", edit.site)
            if isinstance(edit, Cut):
                _inside(edit.key, keys, f"edits.{place}.key", "key", edit.site)
            if isinstance(edit, Patch):
                theirs = self.donors[edit.trace].map(edit.site, 0).shape
                if edit.query == "all" and theirs[0] != queries:
                    raise RangeError(
                        f"the other trace has {theirs[0]} queries in {edit.site} and this pass has {queries}: name "
                        "queries that both have",
                        field=f"edits.{place}.query",
                    )

    def _layers_of(self, edit: HeadEdit, field: str) -> Sequence[int]:
        if edit.site not in self.sites:
            sites = ", ".join(self.sites)
            raise RangeError(f"site {edit.site!r} does not exist: this model has {sites}", field=f"{field}.site")
        count = self.sites[edit.site][0]
        missing = f"layer {edit.layer} does not exist: {edit.site} has layers"
        return _chosen(edit.layer, count, f"{field}.layer", missing)

    def _add(self, found: LayerEdits, edit: HeadEdit, layer: int, place: int) -> None:
        field, count = f"edits.{place}", self.sites[edit.site][1]
        heads = _chosen(edit.head, count, f"{field}.head", f"head {edit.head} does not exist: {edit.site} has heads")
        which = [EVERY] if edit.head == "all" else heads
        match edit:
            case Temper(temperature=temperature):
                for head in heads:
                    found.factors[head] = found.factors.get(head, 1.0) / temperature
            case Silence(how="uniform"):
                found.factors |= dict.fromkeys(heads, 0.0)
            case Silence(how="zero"):
                found.hidden += [Hidden(head, (0, END), (0, END), True, place) for head in which]
            case Silence(corpus=corpus):
                means = self._mean(corpus, field)[edit.site, layer]
                found.means |= {head: means[head] for head in heads}
            case Cut(query=query, key=key, mass=mass):
                cells = interval(query), interval(key)
                found.hidden += [Hidden(head, *cells, mass == "drop", place) for head in which]
            case Patch():
                for head in heads:
                    self._patch(found, edit, layer, head, field)

    def _mean(self, corpus: tuple[str, ...], field: str) -> Means:
        if corpus not in self._of_corpora:
            assert self._means is not None, "who applies edits knows how to take means"
            self._of_corpora[corpus] = self._means(corpus, f"{field}.corpus")
        return self._of_corpora[corpus]

    def _patch(self, found: LayerEdits, edit: Patch, layer: int, head: int, field: str) -> None:
        if edit.trace not in self.donors:
            raise ParameterError(f"there is no trace {edit.trace!r} to patch from", field=f"{field}.trace")
        try:
            theirs = self.donors[edit.trace].map(edit.site, layer).head(head)
        except RangeError as error:
            raise RangeError(f"the other trace is of another model: {error}", field=f"{field}.trace") from None
        first, last = interval(edit.query)
        last = min(last, theirs.shape[0])
        if first >= last:
            raise RangeError(
                f"the other trace has queries 0 to {theirs.shape[0] - 1} in {edit.site}", field=f"{field}.query"
            )
        if edit.what == "output":
            found.outputs.append(Rows(head, first, _output(theirs, first, last)))
            return
        self._patched += (last - first) * theirs.shape[1]
        if self._patched > PATCHED_CELLS:
            raise ParameterError(
                f"over {PATCHED_CELLS:,} weights would be patched: name fewer heads or queries, or patch outputs",
                field=field,
            )
        found.weights.append(Rows(head, first, theirs.window(slice(first, last))[0]))


def _output(layer: AttentionMap, first: int, last: int) -> Float[Tensor, "N E"]:
    """What a head's weights make of its values, a few rows at a time."""
    values = spread(layer.v, layer.heads)[0].float()
    parts = [layer.window(slice(at, min(at + ROWS, last)))[0].to(values) @ values for at in range(first, last, ROWS)]
    return torch.cat(parts)


def _chosen(index: int | str, count: int, field: str, what: str) -> Sequence[int]:
    """One of so many, negatives from the end, or all."""
    if isinstance(index, str):
        return range(count)
    if not -count <= index < count:
        raise RangeError(f"{what} 0 to {count - 1}", field=field)
    return [index % count]


def _inside(part: int | tuple[int, int | None] | str, length: int, field: str, what: str, site: str) -> None:
    start, stop = interval(part)
    last = start if isinstance(part, str) or stop == END else stop - 1
    if last >= length or start >= length:
        raise RangeError(f"{what} {last} does not exist: {site} has {length} here, 0 to {length - 1}", field=field)
