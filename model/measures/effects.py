"""Effects of edits on a trace's objective, estimated from its gradients: the objective with the edit minus without.

To first order an edit that turns the output O_i of a head into O'_i has the effect sum_i <dO_i, O'_i - O_i>, exact in
the head's own softmax. O' is 0 where the head is silenced; A' V with other weights where it is tempered, made uniform,
or cut; and another trace's where that is patched in.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.batch_edits import place_of
from heedmap.model.attention.edited_rows import EVERY
from heedmap.model.attention.editor import Donor, Editor
from heedmap.model.attention.edits import LayerEdits, Rows
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Full
from heedmap.model.edits import AnyEdit, Cut, Patch, Replace, Silence, Temper, check_edits
from heedmap.model.errors import InputError
from heedmap.model.measures.edge_effects import check_objective, cut_effect, strips
from heedmap.model.measures.gradient import products
from heedmap.model.trace.trace import Trace

WHOLE_ROW = 1e-3  # how far from 1 the weights of a row may sum that has no sink
How = Literal["zero", "uniform"]

NEEDS_PASSES = "its output is a mean over other passes: have it measured"
NEEDS_DONOR = "the trace that it patches from is not at hand: have it measured"
NEEDS_INPUT = "a token of the input is changed, and no attention: have it measured"
NEEDS_WEIGHTS = "weights of another trace are patched in: have it measured"
NEEDS_SINKS = "rows of this head look at a sink as well, whose score the trace does not have: have it measured"
NOTHING_LEFT = "a row would be left nothing to see"
REPLACED = "an edit of the trace already stands in for what this head says: have it measured"


@dataclass(frozen=True)
class Estimate:
    """A first-order effect, in the objective's units; None where there is none, and then why."""

    effect: float | None
    reason: str | None = None


def head_effects(trace: Trace, how: How = "zero") -> Iterator[tuple[str, Float[Tensor, "L H"]] | None]:
    """Of each site the effect of silencing each head; None between parts of the work. NaN where it is not known.

    Zero takes no more than the trace holds: -sum_i <dO_i, O_i>.

    Raises:
        ParameterError: the trace has no objective.
    """
    check_objective(trace)
    replaced = _replaced(trace)
    for site, layers in trace.layers.items():
        rows = []
        for index, layer in enumerate(layers):
            if how == "zero":
                assert layer.delta is not None
                row = -layer.delta.double().sum(dim=-1)
            else:
                for so_far in tempered_effects(layer, 0.0):
                    row = so_far
                    yield None
            row = row.cpu().double()
            for head in range(layer.heads):
                if (site, index, head) in replaced:
                    row[head] = torch.nan
            rows.append(row)
            yield None
        yield site, torch.stack(rows)


def tempered_effects(layer: AttentionMap, factor: float) -> Iterator[Float[Tensor, "H"]]:
    """The effect of multiplying each head's scores with a factor (0: all keys alike), strip by strip: sums so far.

    NaN of heads that look at a sink as well, but where the factor is 0, which leaves it out.
    """
    total = torch.zeros(layer.heads, dtype=torch.float64, device=layer.q.device)
    for rows, cols in strips(layer):
        logs = layer.exponents(rows, cols)
        hidden = None
        if not isinstance(layer.mask, Full):
            hidden = ~layer.visible(rows, cols)
            logs = logs.masked_fill(hidden, -torch.inf)
        if factor == 0:
            scores = torch.zeros_like(logs).masked_fill_(logs == -torch.inf, -torch.inf)
        else:
            scores = logs * factor
            sums = logs.exp().sum(dim=-1)
            sinks = ((sums - 1).abs() > WHOLE_ROW) & (logs > -torch.inf).any(dim=-1)
            total = total.masked_fill(sinks.any(dim=-1), torch.nan)
        weights = scores.softmax(dim=-1).nan_to_num_(0.0)  # a row that sees nothing has none
        assert layer.delta is not None
        total = total + (weights * products(layer, rows, cols)).sum(dim=(1, 2)).double()
        total = total - layer.delta[:, rows].double().sum(dim=-1)
        yield total


def estimates(
    trace: Trace, edits: Sequence[AnyEdit], donors: Mapping[str, Donor] | None = None
) -> Iterator[Estimate | None]:
    """Of each edit, besides those that the trace has, the effect to first order: None between parts of the work.

    Args:
        donors: the traces that outputs are patched from, by their ids, as far as they are at hand.

    Raises:
        ParameterError: the trace has no objective. InputError: an edit is none of this trace; `field` says which.
    """
    check_objective(trace)
    sites = {site: (len(layers), layers[0].heads) for site, layers in trace.layers.items()}
    lengths = {site: layers[0].shape for site, layers in trace.layers.items()}
    known, replaced = dict(donors or {}), _replaced(trace)
    for number, edit in enumerate(edits):
        try:
            editor = Editor((_stand_in(edit, known),), sites, known)
            editor.check(lengths)
            yield from _estimate(trace, edit, editor, replaced)
        except InputError as error:
            error.field = place_of(error.field, 0, number)
            raise


def _estimate(
    trace: Trace, edit: AnyEdit, editor: Editor, replaced: frozenset[tuple[str, int, int]]
) -> Iterator[Estimate | None]:
    """The effect of one edit, after pauses."""
    total = 0.0
    reason = _unknown(edit, editor)
    if reason is not None:
        yield Estimate(None, reason)
        return
    for (site, index), done in editor:
        whole = trace.layers[site][index]
        for head, part in _parts(edit, done, whole.heads):
            heads = range(whole.heads) if head == EVERY else [head]
            if any((site, index, each) in replaced for each in heads):
                yield Estimate(None, REPLACED)
                return
            effect: float | None = 0.0
            for so_far in part(whole if head == EVERY else whole.head(head)):
                effect = so_far
                yield None
            if effect is None or math.isnan(effect):
                yield Estimate(None, NOTHING_LEFT if isinstance(edit, Cut) else NEEDS_SINKS)
                return
            total += effect
    yield Estimate(total)


def _parts(
    edit: AnyEdit, done: LayerEdits, heads: int
) -> Iterator[tuple[int, Callable[[AttentionMap], Iterator[float | None]]]]:
    """Heads of a layer with what computes the effect of an edit on the map of one of them, or of every."""
    match edit:
        case Temper() | Silence(how="uniform"):
            for head, factor in done.factors.items():
                yield head, partial(_tempered, factor)
        case Silence():
            for part in done.hidden:
                yield part.head, _silenced
        case Cut(mass=mass):
            for part in done.hidden:
                yield part.head, partial(cut_effect, queries=part.queries, keys=part.keys, mass=mass)
        case Patch():
            for rows in done.outputs:
                yield rows.head, partial(_patched, rows)


def _tempered(factor: float, layer: AttentionMap) -> Iterator[float | None]:
    return (float(total.sum()) for total in tempered_effects(layer, factor))


def _silenced(layer: AttentionMap) -> Iterator[float | None]:
    assert layer.delta is not None
    yield -float(layer.delta.double().sum())


def _patched(rows: Rows, layer: AttentionMap) -> Iterator[float | None]:
    assert layer.d_output is not None
    assert layer.delta is not None
    part = slice(rows.start, min(rows.start + len(rows.values), layer.shape[0]))
    theirs = rows.values[: part.stop - part.start].to(layer.d_output.device).double()
    yield float((layer.d_output[0, part].double() * theirs).sum() - layer.delta[0, part].double().sum())


def _unknown(edit: AnyEdit, editor: Editor) -> str | None:
    """Why an edit has no effect to first order, if it has none."""
    if isinstance(edit, Replace):
        return NEEDS_INPUT
    if isinstance(edit, Silence) and edit.how == "mean":
        return NEEDS_PASSES
    if isinstance(edit, Patch) and edit.what == "weights":
        return NEEDS_WEIGHTS
    return NEEDS_DONOR if isinstance(edit, Patch) and edit.trace not in editor.donors else None


def _stand_in(edit: AnyEdit, donors: Mapping[str, Donor]) -> AnyEdit:
    """An edit of the same heads that needs nothing but the trace, where this one needs more than there is."""
    if isinstance(edit, Patch) and (edit.trace not in donors or edit.what == "weights"):
        return Silence(kind="silence", site=edit.site, layer=edit.layer, head=edit.head)
    if isinstance(edit, Silence) and edit.how == "mean":
        return Silence(kind="silence", site=edit.site, layer=edit.layer, head=edit.head)
    return edit


def _replaced(trace: Trace) -> frozenset[tuple[str, int, int]]:
    """Heads whose output an edit of the trace put there, so that what the map computes is not what was used."""
    sites = {site: (len(layers), layers[0].heads) for site, layers in trace.layers.items()}
    edits = [edit for edit in check_edits(trace.edits) if not isinstance(edit, Replace) and edit.site in sites]
    outputs = [stand for edit in edits if (stand := _stand_in(edit, {})) is not edit]
    return frozenset(
        (site, index, head)
        for (site, index), done in Editor(outputs, sites)
        for part in done.hidden
        for head in (range(sites[site][1]) if part.head == EVERY else [part.head])
    )
