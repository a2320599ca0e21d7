"""Who waits for an answer: whether somebody still does."""

from collections.abc import Callable
from typing import TypeAlias

Stop: TypeAlias = Callable[[], bool]  # asked between two steps; true once nobody waits for the answer any more


def never() -> bool:
    """Nobody cancels."""
    return False
