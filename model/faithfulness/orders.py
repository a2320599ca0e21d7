"""Which measures rank the parts of an input, and in which orders they would have them removed."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from heedmap.model.contract import Request
from heedmap.model.errors import ParameterError, RangeError
from heedmap.model.faithfulness.subject import stand_in
from heedmap.model.faithfulness.units import Edges, Scores, Tokens, Units
from heedmap.model.faithfulness.values import Model, values
from heedmap.model.measures.base import Measure, TokenMeasure
from heedmap.model.measures.flow import Flow
from heedmap.model.measures.registry import CELLS, MEASURES, TOKENS, TRACES
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never

By = Literal["tokens", "edges"]
Removal = Literal["cut", "replace"]
CHUNK = 32  # passes between two pauses: half a second of a sentence model on a CPU, less where they are one batch
SLOW = (Flow.name,)  # a second or two a row of a map, and only of short inputs: where they are named


def ranking(by: By) -> dict[str, Measure]:
    """The measures that rank tokens, or edges."""
    return {**CELLS} if by == "edges" else {**CELLS, **TRACES, **TOKENS}


def defaults(by: By) -> list[str]:
    """What is compared where nobody names measures: all of them but the slowest."""
    return [name for name in ranking(by) if name not in SLOW]


def named(names: Sequence[str], by: By) -> list[Measure]:
    """The measures of these names.

    Raises:
        RangeError: one does not exist, or ranks nothing. ParameterError: one is named twice.
    """
    there = ranking(by)
    for place, name in enumerate(names):
        if name not in there:
            what = (
                f"{name} is a measure of a {MEASURES[name].kind}, and ranks no {by}"
                if name in MEASURES
                else f"measure {name[:40]!r} does not exist"
            )
            raise RangeError(f"{what}: there are {', '.join(there)}", field=f"measures.{place}")
        if name in names[:place]:
            raise ParameterError(f"{name} is there twice; name each measure once", field=f"measures.{place}")
    return [there[name] for name in names]


def units_of(model: Model, trace: Trace, by: By, removal: Removal) -> Units:
    """What is removed of an input.

    Raises:
        InputError: the input has nothing, or too much, or the model no token to put in its place.
    """
    if by == "tokens":
        return Tokens(trace, stand_in(model) if removal == "replace" else None)
    if removal == "replace":
        raise ParameterError("an edge is cut, and has nothing to be replaced by: go by tokens", field="removal")
    return Edges(trace)


def scored(model: Model, request: Request, units: Units, measure: Measure, stop: Stop = never) -> Scores:
    """What a measure says of each unit; the higher, the more important, unless `units.LOWER` has it.

    Raises:
        InputError: it is not defined here, or would take too long. Cancelled: `stop` became true.
    """
    if isinstance(measure, TokenMeasure) and isinstance(units, Tokens):
        return measure.scores(model, request, units.input, stop)
    return units.scores(measure)


def evaluated(
    model: Model, request: Request, units: Units, sets: Iterable[frozenset[int]], stop: Stop = never
) -> Iterator[dict[frozenset[int], float]]:
    """What the objective is worth without each of these sets of units, and of the whole: after every few passes.

    What orders have in common is evaluated once. The last that is yielded, always the same dictionary, has all of it.

    Raises:
        HeedmapError: as `values`.
    """
    known: dict[frozenset[int], float] = {}
    every = list(dict.fromkeys((frozenset[int](), *sets)))
    for start in range(0, len(every), CHUNK):
        some = every[start : start + CHUNK]
        known.update(zip(some, values(model, request, [units.edits(removed) for removed in some], stop), strict=True))
        yield known
