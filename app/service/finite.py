"""No infinity and no NaN leaves the service where a number is due.

What a model computed is checked before it is kept; what was kept, perhaps by an earlier release, before it is shown.
float16 ends at 65,504 and some weights are broken; JSON has no word for either, and a picture shows it as any colour.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from heedmap.app.errors import NotFinite
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.errors import HeedmapError, ModelFailure
from heedmap.model.prediction import Prediction
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop

T = TypeVar("T")
ADVICE = "a model in float16 may do better with ?dtype=float32"


def is_finite(value: Any) -> bool:
    """Whether every number in a value, made of what JSON is made of and numpy's arrays, is finite."""
    if isinstance(value, float | np.floating):
        return math.isfinite(value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind != "f" or bool(np.isfinite(value).all())
    if isinstance(value, Mapping):
        return all(is_finite(part) for part in value.values())
    if isinstance(value, list | tuple):
        return all(is_finite(part) for part in value)
    return True


class Checking:
    """A model's `predict` or `trace`, with its outcomes checked; equal to another of the same, so that they batch."""

    def __init__(self, run: Callable[[Sequence[Any], Stop], list[Any]]) -> None:
        self.run = run

    def __call__(self, items: Sequence[Any], cancelled: Stop) -> list[Any]:
        """The checked outcomes of a batch, in order.

        What fails among others goes again alone: a neighbour's length may have led it where the model is broken.
        """
        outcomes = list(self.run(items, cancelled))
        for index, outcome in enumerate(outcomes):
            failure = fault(outcome)
            if failure is not None and len(items) > 1:
                [alone] = self.run([items[index]], cancelled)
                outcomes[index] = fault(alone) or alone
            else:
                outcomes[index] = failure or outcome
        return outcomes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Checking) and self.run == other.run

    def __hash__(self) -> int:
        return hash(self.run)


def fault(outcome: Prediction | Trace | HeedmapError) -> ModelFailure | None:
    """What keeps an outcome from being shown, if anything does."""
    if isinstance(outcome, HeedmapError):
        return None
    prediction = outcome.prediction if isinstance(outcome, Trace) else outcome
    if not is_finite(prediction.to_json()):
        return ModelFailure(
            f"the model's answer to this input holds what is no finite number; {ADVICE}", field="inputs"
        )
    if isinstance(outcome, Trace):
        for site, layers in outcome.layers.items():
            for layer, recorded in enumerate(layers):
                parts = (recorded.q, recorded.k, recorded.v, recorded.d_output)
                if _overflows(recorded.lse) or not all(
                    bool(torch.isfinite(part).all()) for part in parts if part is not None
                ):
                    return ModelFailure(
                        f"at this input the attention of layer {layer} of {site} holds what is no finite number; "
                        + ADVICE,
                        field="inputs",
                    )
        if not is_finite(vars(outcome.certificate)):
            return ModelFailure(f"the attention at this input cannot be recomputed; {ADVICE}", field="inputs")
    return None


def require(values: T, what: str) -> T:
    """Numbers of a trace that is kept, as they are.

    Raises:
        NotFinite: one is infinite, or none.
    """
    if not is_finite(values):
        raise _not_finite(what)
    return values


def require_map(layer: AttentionMap, rows: slice = slice(None), cols: slice = slice(None)) -> AttentionMap:
    """A layer of a trace that is kept, as it is: an infinity in what makes a weight may make it 0, which is finite.

    Raises:
        NotFinite: a query, a key or a log-sum-exp of this window is infinite, or no number; a log-sum-exp of -inf is
            that of a row that sees nothing.
    """
    sides = layer.q[:, rows], layer.k[:, cols]
    if not all(bool(torch.isfinite(side).all()) for side in sides) or _overflows(layer.lse[:, rows]):
        raise _not_finite("weights")
    return layer


def _overflows(lse: torch.Tensor) -> bool:
    return bool((torch.isnan(lse) | (lse == torch.inf)).any())


def _not_finite(what: str) -> NotFinite:
    return NotFinite(f"{what} of this trace hold what is no finite number, so they are not shown; {ADVICE}", field="id")


def largest_score(q: NDArray[np.float32], k: NDArray[np.float32]) -> float:
    """A bound that no product of a query with a key is over, before it is scaled: q (..., D), k (..., D)."""
    most = [np.abs(part).reshape(-1, part.shape[-1]).max(axis=0).astype(np.float64) for part in (q, k)]
    return float(most[0] @ most[1])
