"""Spans of a context taken away: cut as keys of the attention, or left out of the text.

A cut span keeps its own rows: what they hold is seen by nobody. Where later positions alone look back (a causal model)
nobody behind the span sees it; where everybody sees everybody, it is set apart: it sees nothing else either, since an
answer that stands in it would else read the question and need nobody to look at it. So no row is left with nothing to
see, and what else a row looked at takes over the weight.
"""

from collections.abc import Sequence

from heedmap.model.contract import AnyEdit
from heedmap.model.edits import Cut
from heedmap.model.sources.spans import Span


def cuts(site: str, ranges: Sequence[tuple[int, int]], kept: Sequence[bool], causal: bool) -> list[AnyEdit]:
    """The edits that take away what is not kept.

    Args:
        ranges: the tokens of each span, half open, in order.
        causal: whether queries see no later keys.
    """
    edits: list[AnyEdit] = []
    for first, last in runs(ranges, kept):
        edits.append(_cut(site, (last, None), (first, last)))
        if causal:
            continue
        edits.append(_cut(site, (first, last), (last, None)))
        if first:
            edits += [_cut(site, (0, first), (first, last)), _cut(site, (first, last), (0, first))]
    return edits


def runs(ranges: Sequence[tuple[int, int]], kept: Sequence[bool]) -> list[tuple[int, int]]:
    """The tokens that go, spans that touch as one."""
    merged: list[tuple[int, int]] = []
    for (first, last), stays in zip(ranges, kept, strict=True):
        if stays or first == last:
            continue
        if merged and merged[-1][1] == first:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged


def _cut(site: str, query: tuple[int, int | None], key: tuple[int, int | None]) -> Cut:
    return Cut(kind="cut", site=site, query=query, key=key)


def without(context: str, spans: Sequence[Span], kept: Sequence[bool]) -> str:
    """The context with the spans alone that are kept; what parts a span from the next goes with it."""
    ends = [span.first for span in spans[1:]] + [len(context)]
    parts = [context[span.first : end] for span, end, stays in zip(spans, ends, kept, strict=True) if stays]
    return "".join(parts).rstrip()
