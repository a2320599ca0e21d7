"""Half precision: the maps hold a tolerance of their own, and the prediction is still plain SDPA's."""

import pytest
import torch

from heedmap.model.hub.attention.recorder import prepare
from tests.model.hub.comparison import cut, distances, mapped, recorded
from tests.model.hub.families import BY_NAME
from tests.model.hub.reference import cast, reference_maps

# Eager attention rounds its scores to the dtype, the fused kernel does not. bfloat16 keeps 8 bits: a score of 8 to 16
# is off by up to 2^-5. An error d of the scores moves a weight w by at most 2 d w (1 - w) <= d / 2, in each of two
# layers. float16 keeps 11 bits.
TOLERANCE = {torch.bfloat16: 2**-5, torch.float16: 2**-8}

families = pytest.mark.parametrize("name", ["bert", "llama", "vit", "marian"])
halves = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


@families
@halves
def test_maps_hold_the_dtypes_tolerance(name: str, dtype: torch.dtype) -> None:
    family = BY_NAME[name]
    expected = reference_maps(family, dtype)
    for row, maps in enumerate(mapped(family, dtype)):
        errors = distances(maps, cut(expected, family.lengths[row], row))
        assert {place: error for place, error in errors.items() if not error <= TOLERANCE[dtype]} == {}
        assert all(layer.dense().dtype == torch.float32 for layers in maps.values() for layer in layers)


@families
@halves
def test_rows_still_sum_to_one(name: str, dtype: torch.dtype) -> None:
    for maps in mapped(BY_NAME[name], dtype):
        for layer in (layer for layers in maps.values() for layer in layers):
            sums = layer.dense().sum(dim=-1)  # the kernel's own sums are float32
            torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=TOLERANCE[torch.float16])


@families
@halves
def test_the_prediction_is_plain_sdpas(name: str, dtype: torch.dtype) -> None:
    family = BY_NAME[name]
    inputs = cast(family.inputs(), dtype)
    with torch.no_grad():
        plain = family.build("sdpa", dtype)(**inputs).logits
        wiring = prepare(family.build("eager", dtype))
        assert torch.equal(wiring.model(**inputs).logits, plain)
    assert torch.isfinite(recorded(wiring, inputs)[1].logits).all()


@families
def test_bfloat16_would_not_pass_for_float16(name: str) -> None:
    family = BY_NAME[name]
    expected = reference_maps(family, torch.bfloat16)
    errors = distances(mapped(family, torch.bfloat16)[0], cut(expected, family.lengths[0], 0))
    assert max(errors.values()) > TOLERANCE[torch.float16]
