"""One step of a decoder, looked at while it decodes: the row that it adds to each map that is asked for."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.biases import Bias, Edited
from heedmap.model.attention.operators import spread
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.records import AttentionRecord, WeightsRecord
from heedmap.model.watch import MapRow, Place


def last_row(record: AttentionRecord | WeightsRecord, place: int | None = None) -> Float[Tensor, "H K"]:
    """The weights of the last query of a batch of one, in float32 or wider: exp(score + bias - lse), 0 where masked.

    place: of the query in the sequence, by which edits name it; the record's last unless given.
    """
    if isinstance(record, WeightsRecord):
        return record.weights[0, :, -1].float()
    queries, keys = record.shape
    wide = torch.promote_types(record.q.dtype, torch.float32)
    q, k = record.q[:1, :, -1:].to(wide), spread(record.k[:1].to(wide), record.q.shape[1])
    scores = record.score(q, k)[0, :, 0]
    query, places = torch.tensor([queries - 1], device=q.device), torch.arange(keys, device=q.device)
    if isinstance(record.bias, Bias):
        scores = scores + record.bias.cells(query, places)[:, 0].to(scores)
    elif record.bias is not None:
        scores = scores + record.bias[0, :, -1, :keys].to(scores)
    if record.edited is not None:
        scores = _edited(record, record.edited(None), scores, queries - 1 if place is None else place, places)
    visible = record.mask.visible(query, places)[0, 0]
    lse = record.lse[0, :, -1:].to(scores)
    return torch.exp(scores - lse.masked_fill(lse == -torch.inf, 0)).masked_fill(~visible, 0)


def _edited(record: AttentionRecord, edits: Edited, scores: Tensor, query: int, places: Tensor) -> Float[Tensor, "H K"]:
    """A row of scores (H K), whose bias is the layer's own, as edits left it."""
    if isinstance(record.bias, Tensor):
        own = record.bias[0, :, -1, : len(places)].to(scores)
        scores = scores - own + own * edits.factors.to(scores)[:, None]
    given = [head for head, row in edits.places.tolist() if row == query]
    scores = scores.clone()
    scores[given] = 0
    return scores + edits.cells(torch.tensor([query], device=places.device), places)[:, 0].to(scores)


def rows(recorder: Recorder, wanted: Sequence[Place], query: int) -> list[MapRow]:
    """The rows of these maps at the step that was recorded; none of a map whose site did not record.

    Args:
        query: the place of the row in its map. A decoder attends to all places up to it: what a sliding cache has let
            go of has no weight.
    """
    weights: dict[tuple[str, int], Tensor] = {}
    result = []
    for site, layer, head in wanted:
        records = recorder.records.get(site, [])
        if layer >= len(records):
            continue
        if (site, layer) not in weights:
            row = last_row(records[layer], query)
            gone = query + 1 - row.shape[1] if site == "decoder" else 0
            weights[site, layer] = torch.nn.functional.pad(row, (max(gone, 0), 0))
        row = weights[site, layer]
        match head:
            case int():
                row = row[head]
            case "mean":
                row = row.mean(dim=0)
            case "max":
                row = row.amax(dim=0)
        result.append(MapRow(site, layer, head, query, row.float().cpu().numpy().astype(np.float32, copy=False)))
    return result
