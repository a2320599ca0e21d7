"""Who waits for an answer: whether somebody still does, and whether he wants to see it being written."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from heedmap.model.errors import Cancelled
from heedmap.model.prediction import Axis

Stop: TypeAlias = Callable[[], bool]  # asked between two steps; true once nobody waits for the answer any more


def never() -> bool:
    """Nobody cancels."""
    return False


def raise_if_cancelled(cancelled: Stop) -> None:
    """Stop between two steps.

    Raises:
        Cancelled: nobody waits for the answer any more.
    """
    if cancelled():
        raise Cancelled("the prediction was cancelled")


WRITTEN_SITES = ("decoder", "cross")  # where each token that is written attends: their maps grow by a row a token

Place: TypeAlias = tuple[str, int, int | str]
"""Site, layer from 0, and head: from 0, or mean, max or all."""


@dataclass(frozen=True, eq=False)
class MapRow:
    """A row of a map, as soon as it is known: what the trace has at this query, over the keys so far.

    values: (K,) float32, or (H, K) with head "all". The keys that are still to come have no weight in it.
    """

    site: str
    layer: int
    head: int | str
    query: int
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Token:
    """A token that was just written.

    index: from 0, among the tokens of the output. text: what it adds to the text; all of them join to the whole text,
    so that a part of a character waits for its rest. log_probability: in nats; None where the model keeps it to itself.
    rows: of the maps that were asked for, where the token was chosen.
    """

    index: int
    id: int
    label: str
    text: str
    log_probability: float | None
    rows: Sequence[MapRow] = ()


class Watch(ABC):
    """Somebody who sees one answer being written: a `Stop` that is also told of every token.

    It goes where a `Stop` goes, with one request that has no target and one hypothesis. All of it is called on the
    thread that decodes, and should cost it nothing.
    """

    maps: Sequence[Place] = ()  # whose rows it wants, of sites among WRITTEN_SITES

    @abstractmethod
    def __call__(self) -> bool:
        """Whether nobody waits any more."""

    @abstractmethod
    def start(self, axes: Mapping[str, Axis]) -> None:
        """The input is understood: its axes."""

    @abstractmethod
    def token(self, token: Token) -> None:
        """A token was written."""
