"""Who waits for an answer: whether somebody still does."""

from collections.abc import Callable
from typing import TypeAlias

from heedmap.model.errors import Cancelled

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
