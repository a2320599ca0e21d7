"""Edited attention by its definition, with the whole map in memory: nothing here knows the product's own way."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

END = 10**9


def span(part: Any) -> tuple[int, int]:
    """A position, a span or all, as a half-open interval."""
    if part == "all":
        return 0, END
    if isinstance(part, int):
        return part, part + 1
    return part[0], END if part[1] is None else part[1]


def chosen(index: Any, count: int) -> Sequence[int]:
    """One of so many, from either end, or all."""
    return range(count) if index == "all" else [index % count]


def attention(
    scores: Tensor,
    v: Tensor,
    visible: Tensor,
    edits: Sequence[Mapping[str, Any]],
    layer: int,
    layers: int,
    sinks: Tensor | None = None,
    given: Mapping[int, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (H Q K), the outputs that they make (H Q E), and those that the pass goes on with.

    Args:
        scores: (H Q K), with what is added to them, of all queries of a sequence; visible: (Q K); v: (H K E).
        edits: of this site, as JSON.
        sinks: of each head a logit that stands for no key.
        given: by the place of an edit the tensor that a patch or a mean takes: weights or outputs of all heads.
    """
    heads, queries, keys = scores.shape
    scores, v = scores.double().clone(), v.double()
    logits = torch.full((heads,), -math.inf).double() if sinks is None else sinks.double().clone()
    cut = ~visible.expand(heads, -1, -1)
    dropped = torch.zeros_like(cut)
    row, column = torch.arange(queries)[:, None], torch.arange(keys)[None, :]
    after: list[Any] = []
    for place, edit in enumerate(edits):
        if layer not in chosen(edit.get("layer", "all"), layers):
            continue
        for head in chosen(edit.get("head", "all"), heads):
            (first, last), (left, right) = span(edit.get("query", "all")), span(edit.get("key", "all"))
            inside = (row >= first) & (row < last) & (column >= left) & (column < right)
            match edit["kind"], edit.get("how"), edit.get("mass", "renormalise"), edit.get("what"):
                case "temper", *_:
                    scores[head] /= edit["temperature"]
                case "silence", "uniform", *_:
                    scores[head], logits[head] = 0, -math.inf
                case "silence", "zero" | None, *_:
                    dropped[head] = True
                case "cut", _, "drop", _:
                    dropped[head] |= inside
                case "cut", *_:
                    cut[head] |= inside
                case "silence", "mean", *_:
                    after.append(("output", head, slice(None), given[place][head]))  # type: ignore[index]
                case "patch", _, _, what:
                    after.append((what or "output", head, slice(first, last), given[place][head, first:last]))  # type: ignore[index]
    scores = scores.masked_fill(cut, -math.inf)
    whole = torch.cat([scores, logits[:, None, None].expand(-1, queries, 1)], dim=2)
    weights = whole.softmax(dim=-1)[..., :keys].masked_fill(dropped, 0)
    for what, head, rows, values in after:
        if what == "weights":
            weights[head, rows] = values.double()
    outputs = weights @ v
    mixed = outputs.clone()
    for what, head, rows, values in after:
        if what == "output":
            mixed[head, rows] = values.double()
    return weights, outputs, mixed
