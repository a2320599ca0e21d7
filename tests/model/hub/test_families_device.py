"""On an accelerator: every family's maps are those of its own eager attention there, in float32 and bfloat16."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from heedmap.model.hub.attention.recorder import prepare
from tests.model.hub.comparison import cut, distances, mapped, recorded
from tests.model.hub.families import BY_NAME, FAMILIES
from tests.model.hub.family import Family
from tests.model.hub.reference import reference_maps

# Of a weight. In float32 both sides sum in other orders; in bfloat16 eager attention rounds its scores, see the host's.
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2**-5}
DEVICES = [pytest.param("cuda", marks=pytest.mark.cuda)]


class Moved(Family):
    """A family whose model and inputs are on a device."""

    device = "cpu"

    def build(self, implementation: str = "sdpa", dtype: torch.dtype = torch.float32) -> Any:
        return super().build(implementation, dtype).to(self.device)


def moved(family: Family, device: str) -> Family:
    """The same family elsewhere."""

    def inputs() -> dict[str, Tensor]:
        return {name: value.to(device) for name, value in family.inputs().items()}

    kind = type("Moved", (Moved,), {"device": device})
    result: Family = kind(**{each.name: getattr(replace(family, inputs=inputs), each.name) for each in fields(family)})
    return result


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return str(request.param)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_familys_maps_are_its_own_eager_ones(family: Family, dtype: torch.dtype, device: str) -> None:
    check(moved(family, device), dtype)


def check(family: Family, dtype: torch.dtype) -> None:
    expected = reference_maps(family, dtype)
    for row, maps in enumerate(mapped(family, dtype)):
        errors = distances(maps, cut(expected, family.lengths[row], row))
        assert {place: error for place, error in errors.items() if not error <= TOLERANCE[dtype]} == {}, f"row {row}"


@pytest.mark.parametrize("name", ["bert", "llama", "gpt2", "t5", "swin"])
def test_the_same_on_the_host(name: str) -> None:
    """So that what is moved is not a family of another kind."""
    check(moved(BY_NAME[name], "cpu"), torch.float32)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["bert", "llama", "gemma2", "gpt-oss", "t5", "whisper"])
def test_traces_stay_there_and_are_certified(name: str) -> None:
    family = moved(BY_NAME[name], "cuda")
    recorder, _ = recorded(prepare(family.build("eager", torch.bfloat16)), family.inputs())
    maps = recorder.maps(0, family.lengths[0])
    assert {layer.q.device.type for layers in maps.values() for layer in layers} == {"cuda"}
    certificate = recorder.certify(0, maps)
    assert certificate.warning is None
    assert certificate.relative_error is not None
