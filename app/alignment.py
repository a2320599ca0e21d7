"""A prediction with its cross-attention, from a model loaded here or from a service: what `heedmap predict` shows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from app.terminal import alignment_score
from model.errors import CheckpointError, ParameterError, RangeError
from model.served import Axis, Parameters, Prediction, Request

SITE = "cross"


@dataclass(frozen=True)
class Alignment:
    """A prediction, and per layer of the site `cross` its maps, (heads, queries, keys)."""

    prediction: Prediction
    queries: Axis
    keys: Axis
    layers: list[Float[np.ndarray, "H Q K"]]

    def choose(self, layer: int | None, head: int | None) -> tuple[int, int]:
        """Layer and head, from 0: those asked for, and the best aligning of what was left open.

        Raises:
            RangeError: there is no such layer or head.
        """
        layers = range(len(self.layers)) if layer is None else [_index(layer, len(self.layers), "layer")]
        choices: list[tuple[float, int, int]] = []
        for index in layers:
            scores = alignment_score(self.layers[index], self.queries, self.keys)
            heads = range(len(scores)) if head is None else [_index(head, len(scores), "head")]
            choices += [(float(scores[number]), index, number) for number in heads]
        _, best_layer, best_head = max(choices, key=lambda choice: choice[0])
        return best_layer, best_head


def _index(asked: int, size: int, field: str) -> int:
    if not -size <= asked < size:
        raise RangeError(f"{field} {asked} does not exist: {SITE} has {field}s 0 to {size - 1}", field=field)
    return asked % size


def run_here(inputs: str, model: str | None, target: str | None, beam_size: int, device: str) -> Alignment:
    """Load a shipped model by its name, or a checkpoint folder, and run it in this process.

    Raises:
        CheckpointError: there is no such model.
        InputError: the input cannot be used.
    """
    from model.served import load_served

    trace = load_served(_folder(model or "de-en"), device).trace([_request(inputs, target, beam_size)])[0]
    if isinstance(trace, Exception):
        raise trace
    site = next((site for site in trace.sites() if site["name"] == SITE), None)
    if site is None:
        raise ParameterError("the model has no cross-attention, so there is no alignment to show", field="model")
    layers = [trace.map(SITE, layer).dense().numpy() for layer in range(site["layers"])]
    return Alignment(trace.prediction, trace.axes[site["queries"]], trace.axes[site["keys"]], layers)


def _request(inputs: str, target: str | None, beam_size: int) -> Request:
    return Request(inputs, target, Parameters(beam_size=beam_size))


def _folder(model: str) -> Path:
    from app.settings import WEIGHTS

    shipped = WEIGHTS / model
    if shipped.is_dir():
        return shipped
    if Path(model).is_dir():
        return Path(model)
    names = ", ".join(sorted(path.name for path in WEIGHTS.iterdir() if path.is_dir())) or "none"
    raise CheckpointError(f"{model!r} is neither a shipped model ({names}) nor a checkpoint folder")


def ask_service(
    url: str, api_key: str | None, inputs: str, model: str | None, target: str | None, beam_size: int
) -> Alignment:
    """Ask a service for a trace and its cross-attention.

    Raises:
        ClientError: the service did not answer, or answered with a problem.
    """
    from app.client import Client

    with Client(url, api_key=api_key) as client:
        trace = client.trace(inputs, model=model, target=target, beam_size=beam_size)
        site = trace.sites.get(SITE)
        if site is None:
            raise ParameterError(
                f"{trace.model} has no cross-attention, so there is no alignment to show", field="model"
            )
        layers = [client.map(trace, SITE, layer=layer, head="all").weights for layer in range(site.layers)]
    return Alignment(trace.prediction, trace.axes[site.queries], trace.axes[site.keys], layers)
