"""The registry of measures: a new one is one file and one line here."""

from heedmap.model.errors import RangeError
from heedmap.model.measures.base import Measure
from heedmap.model.measures.value_norm import ValueNorm
from heedmap.model.measures.weights import Weights

MEASURES: dict[str, Measure] = {measure.name: measure for measure in (Weights(), ValueNorm())}


def measure(name: str) -> Measure:
    """The measure of this name.

    Raises:
        RangeError: there is none.
    """
    if name not in MEASURES:
        raise RangeError(f"measure {name!r} does not exist: there are {', '.join(MEASURES)}", field="measure")
    return MEASURES[name]
