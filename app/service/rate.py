"""How long work takes here and now: seconds a unit of its cost, measured as it is done."""

from collections.abc import Hashable

KEPT = 0.9  # of what was known at every new measurement: about the last ten of them count


class Rate:
    """Seconds a unit, by kind of work. Large pieces count for more: a full batch says more than a single input."""

    def __init__(self) -> None:
        self._sums: dict[Hashable, tuple[float, float]] = {}  # seconds and units, the older the less of them

    def note(self, kind: Hashable, cost: float, seconds: float) -> None:
        """So much work took so long."""
        before = self._sums.get(kind, (0.0, 0.0))
        self._sums[kind] = (KEPT * before[0] + seconds, KEPT * before[1] + cost)

    def seconds(self, kind: Hashable, cost: float) -> float:
        """What so much work is expected to take; 0 while nothing is known."""
        seconds, units = self._sums.get(kind, (0.0, 0.0))
        return cost * seconds / units if units else 0.0
