"""A prediction with its attention, from a model loaded here or from a service: what `heedmap predict` shows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from heedmap.model.contract import Axis, Inputs, Parameters, Prediction, Request
from heedmap.model.errors import CheckpointError, RangeError
from heedmap.model.measures.alignment import CROSS, alignment_scores, best_aligning, token_rows, too_many
from heedmap.model.taught_head import TaughtHead

Maps = Float[np.ndarray, "H Q K"]


@dataclass(frozen=True)
class Layers:
    """The maps of a site's layers, read when they are asked for."""

    count: int
    read: Callable[[int], Maps]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, layer: int) -> Maps:
        if not 0 <= layer < self.count:
            raise IndexError(layer)
        return self.read(layer)

    def __iter__(self) -> Iterator[Maps]:
        return (self.read(layer) for layer in range(self.count))


@dataclass(frozen=True)
class Alignment:
    """A prediction, and per layer of a site its maps, (heads, queries, keys): of `cross`, where there is one."""

    prediction: Prediction
    queries: Axis
    keys: Axis
    layers: Sequence[Maps] | Layers
    site: str = CROSS
    best: Callable[[], tuple[int, int] | None] | None = None  # asks a service, which has looked through all maps
    taught: TaughtHead | None = None  # the head that the model was taught to align by

    def choose(self, layer: int | None, head: int | None) -> tuple[int, int | None]:
        """Layer and head, from 0: those asked for, and the best aligning of what was left open.

        Where there is nothing to align, or too much to look through: the last layer, None for the mean of its heads.

        Raises:
            RangeError: there is no such layer or head.
        """
        count = len(self.layers)
        last = count - 1 if layer is None else self._index(layer, count, "layer")
        if self.taught is not None and self.taught.reading == "output" and layer is None and head is None:
            return self.taught.layer, self.taught.head
        if self.site == CROSS and layer is None and head is None and self.best is not None:
            return self.best() or (last, None)
        heads = len(self.layers[last])
        one = None if head is None else self._index(head, heads, "head")
        if self.site != CROSS or too_many(count, heads, (len(self.queries), len(self.keys))):
            return last, one
        if layer is not None and one is not None:
            return last, one
        # What was asked for is left alone in the running: the others score less than any head does.
        scores = []
        for index in range(count):
            if layer is not None and index != last:
                scores.append(np.full(heads, -1.0))
                continue
            row = alignment_scores(self.layers[index], self.queries, self.keys)
            if self.taught is not None and self.taught.layer == index:
                row[self.taught.head] = -1.0  # it is read in the row after: its map is off by one to the eye
            scores.append(row if one is None else np.where(np.arange(heads) == one, row, -1.0))
        return best_aligning(scores)

    def _index(self, index: int, size: int, field: str) -> int:
        if not -size <= index < size:
            raise RangeError(f"{field} {index} does not exist: {self.site} has {field}s 0 to {size - 1}", field=field)
        return index % size

    def weights(self, layer: int, head: int | None) -> Float[np.ndarray, "Q K"]:
        """The map of a head, or the mean of all; of the head that was taught to align, as it is to be read."""
        maps = self.layers[layer]
        chosen: Float[np.ndarray, "Q K"] = maps.mean(axis=0) if head is None else maps[head]
        if self.taught is not None and (layer, head) == (self.taught.layer, self.taught.head):
            return token_rows(chosen, self.taught.reading)
        return chosen


def site_to_show(names: Sequence[str]) -> str:
    """What output looks at in the input, where there is such a site; else the last: a decoder, or a last stage."""
    return CROSS if CROSS in names else names[-1]


def run_here(
    inputs: Inputs, model: str | None, target: str | None, parameters: Mapping[str, Any], device: str
) -> Alignment:
    """Load a shipped model by its name, a checkpoint folder or a hub id, and run it in this process.

    Raises:
        CheckpointError: there is no such model.
        InputError: the input cannot be used.
    """
    from heedmap.model.load import load

    served = load(source_of(model or "de-en"), device)
    trace = served.trace([Request(inputs, target, Parameters(**parameters))])[0]
    if isinstance(trace, Exception):
        raise trace
    sites = {site["name"]: site for site in trace.sites()}
    name = site_to_show(list(sites))
    site = sites[name]

    def read(layer: int) -> Maps:
        maps: Maps = trace.map(name, layer).dense().numpy()
        return maps

    axes = trace.axes[site["queries"]], trace.axes[site["keys"]]
    taught = TaughtHead.of(trace.model, site["layers"], site["heads"]) if name == CROSS else None
    return Alignment(trace.prediction, *axes, Layers(site["layers"], read), name, taught=taught)


def source_of(model: str) -> str:
    """Where a model is: shipped, in a folder, or on a hub."""
    from heedmap.app.settings import WEIGHTS
    from heedmap.model.hub.load.sources import HUB_ID, Source

    shipped = WEIGHTS / model
    if shipped.is_dir():
        return str(shipped)
    location = Source.parse(model).location
    if Path(location).expanduser().is_dir() or HUB_ID.fullmatch(location):
        return model
    names = ", ".join(sorted(path.name for path in WEIGHTS.iterdir() if path.is_dir())) or "none"
    raise CheckpointError(f"{model!r} is neither a shipped model ({names}) nor a checkpoint folder or a hub id")


def ask_service(
    url: str,
    api_key: str | None,
    inputs: Inputs,
    model: str | None,
    target: str | None,
    parameters: Mapping[str, Any],
) -> Alignment:
    """Ask a service for a trace and its maps.

    Raises:
        ClientError: the service did not answer, or answered with a problem.
    """
    from heedmap.app.client.api import Client

    with Client(url, api_key=api_key) as client:
        trace = client.trace(inputs, model=model, target=target, **parameters)
        described = [each for each in client.models() if each["name"] == trace.model]
        name = site_to_show(list(trace.sites))
        site = trace.sites[name]

    @cache  # may be looked through for the best head, then shown
    def read(layer: int) -> Maps:
        with Client(url, api_key=api_key) as client:
            return client.map(trace, name, layer=layer, head="all", visible=False).weights

    def best() -> tuple[int, int] | None:
        with Client(url, api_key=api_key) as client:
            return client.best_heads(trace)[name]

    axes = trace.axes[site.queries], trace.axes[site.keys]
    taught = _taught(described, site.layers, site.heads) if name == CROSS else None
    return Alignment(trace.prediction, *axes, Layers(site.layers, read), name, best, taught)


def _taught(models: Sequence[Mapping[str, Any]], layers: int, heads: int) -> TaughtHead | None:
    """The head that a service says of a model it was taught to align by."""
    said = models[0].get("alignment") if models else None
    named = {} if said is None else {"alignment": "{layer}.{head}.{reading}".format(**said)}
    return TaughtHead.of(named, layers, heads)
