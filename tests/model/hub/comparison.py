"""What the product recorded of a family, beside what its own eager attention says."""

from typing import Any

import torch
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.hub.attention.recorder import Wiring, prepare, record
from heedmap.model.trace.recorder import Recorder
from tests.model.hub.family import Family, Lengths
from tests.model.hub.reference import Maps, cast

Layers = dict[str, list[AttentionMap]]


def recorded(wiring: Wiring, inputs: dict[str, Tensor]) -> tuple[Recorder, Any]:
    """One forward pass under a recorder, and its outputs."""
    with torch.no_grad(), record(wiring) as recorder:
        outputs = wiring.model(**inputs)
    return recorder, outputs


def mapped(family: Family, dtype: torch.dtype = torch.float32) -> list[Layers]:
    """The maps of both rows: of one pass over the batch, or of a pass each where pictures of any size make no batch."""
    wiring = prepare(family.build("eager", dtype))
    inputs = cast(family.inputs(), dtype)
    if family.batched:
        recorder, _ = recorded(wiring, inputs)
        return [recorder.maps(row, family.lengths[row]) for row in range(2)]
    alone = (recorded(wiring, family.split(inputs, row))[0] for row in range(2))
    return [recorder.maps(0, family.lengths[row]) for row, recorder in enumerate(alone)]


def cut(maps: Maps, lengths: Lengths, row: int) -> Maps:
    """One row's maps without their padding."""
    return {site: [w[row, :, : lengths[site][0], : lengths[site][1]] for w in layers] for site, layers in maps.items()}


def distances(maps: Layers, expected: Maps) -> dict[tuple[str, int, int], float]:
    """The largest difference of each (site, layer, head)."""
    errors = {}
    for site, layers in expected.items():
        for index, (layer, weights) in enumerate(zip(maps[site], layers, strict=True)):
            dense = layer.dense()
            assert dense.shape == weights.shape, (site, index)
            worst = (dense - weights.float()).abs().amax(dim=(1, 2))
            errors |= {(site, index, head): float(value) for head, value in enumerate(worst)}
    return errors
