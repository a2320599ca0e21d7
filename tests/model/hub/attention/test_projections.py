"""Output projections: found in every family by what goes into them, and norms beside the model's own arithmetic."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from heedmap.model.attention.products import gram_of
from heedmap.model.hub.attention.projections import Projections
from heedmap.model.hub.attention.recorder import prepare, record
from heedmap.model.measures.registry import defined_on
from heedmap.model.trace.norms import output_norms
from heedmap.model.trace.recorder import AttentionRecord
from tests.model.hub import checkpoints
from tests.model.hub.families import FAMILIES
from tests.model.hub.family import Family
from tests.model.hub.serving import served, trace

# Between their attention and its projection stands something else: a gate, or a norm.
WITHOUT: set[str] = set()
# Whose residuals a layer normalisation follows on, everywhere, or in a tower of them.
POST_NORM = {"bert", "roberta", "distilbert", "electra", "albert", "xlm-roberta", "marian", "bart", "wav2vec2"}
HALF = {"vision-encoder-bert": {"decoder", "cross"}}


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.follows], ids=lambda family: family.name)
def test_every_familys_projections_are_found(family: Family) -> None:
    wiring = prepare(family.build("eager"))
    inputs = family.inputs() if family.batched else family.split(family.inputs(), 0)
    with torch.inference_mode(), wiring.watching(), record(wiring) as recorder:
        wiring.model(**inputs)
    attended = {module for module in recorder.recorded_modules if module not in wiring.eager}
    assert (set(wiring.projections.of_module) == attended) == (family.name not in WITHOUT)
    for site, records in recorder.records.items():
        for kept, layer in zip(records, recorder.maps(0, {**family.lengths[0]})[site], strict=True):
            assert isinstance(kept, AttentionRecord)
            assert (layer.output_norm is not None) == (family.name not in WITHOUT)
            normalised = family.name in POST_NORM or site in HALF.get(family.name, ())
            assert (layer.normalised_norm is not None, layer.deviation is not None) == (normalised, normalised)
    for module, linear in wiring.projections.of_module.items():
        check(wiring.projections, module, linear)


def check(projections: Projections, module: nn.Module, linear: Any) -> None:
    """Norms beside the projection of one head's value after the other, all other heads being 0."""
    heads = next(count for count in (2, 4, 3, 1) if projections.gram(module, count) is not None)
    gram = projections.gram(module, heads)
    assert gram is not None
    count, size, _ = gram.shape
    v = torch.randn(count, 3, size)
    norms = output_norms(v, gram)
    with torch.inference_mode():
        nothing = linear(torch.zeros(1, count * size))
        for head in range(count):
            alone = torch.zeros(3, count, size)
            alone[:, head] = v[head]
            lengths = (linear(alone.flatten(1)) - nothing).norm(dim=-1)
            torch.testing.assert_close(norms[head], lengths, atol=1e-4, rtol=1e-3)


def test_what_a_gate_stands_before_is_no_projection_of_the_attention() -> None:
    """A linear module that takes something else than attention gave is not taken for it."""

    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.o_proj = nn.Linear(6, 6)

        def forward(self, mixed: torch.Tensor, gate: float) -> torch.Tensor:
            projections.attended(self, mixed)
            return self.o_proj(mixed.transpose(1, 2).flatten(2) * gate)

    for gate, known in ((1.0, True), (0.5, False)):
        projections, module = Projections(), Gated()
        with projections.watching(module):
            module(torch.randn(1, 2, 4, 3), gate)
        assert (projections.gram(module, 2) is not None) == known


def test_what_is_not_linear_is_not_believed() -> None:
    class Squared(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) ** 2

    projections, linear, mixed = Projections(), Squared(6, 6), torch.randn(1, 2, 4, 3)
    with projections.watching(linear):
        projections.attended(linear, mixed)
        linear(mixed.transpose(1, 2).flatten(2))
    assert projections.of_module
    assert projections.gram(linear, 2) is None


@pytest.mark.parametrize("build", [checkpoints.llama, checkpoints.gpt2])
def test_a_served_models_traces_have_the_norms(build: Any, tmp_path: Path) -> None:
    model = served(build(tmp_path), "text-generation")
    kept = trace(model, "Where is the station?", max_new_tokens=3)
    layer = kept.map("decoder", 0)
    assert defined_on("output-norm", layer).window(layer, slice(None), slice(None)).any()
    assert model.cost["decoder"][1] >= layer.heads * 4 * len(kept.layers["decoder"])
    kept.save(tmp_path / "trace.safetensors")
    again = type(kept).load(tmp_path / "trace.safetensors").map("decoder", 0)
    assert layer.output_norm is not None
    assert again.output_norm is not None
    assert torch.equal(again.output_norm, layer.output_norm)


def test_an_adapter_is_a_part_of_the_projection() -> None:
    class Adapted(nn.Module):
        in_features = 6

        def __init__(self) -> None:
            super().__init__()
            self.base_layer, self.more = nn.Linear(6, 5), nn.Linear(6, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.base_layer(x) + self.more(x)

    projections, adapted, mixed = Projections(), Adapted(), torch.randn(1, 2, 4, 3)
    with projections.watching(adapted):
        projections.attended(adapted, mixed)
        adapted(mixed.transpose(1, 2).flatten(2))
    gram = projections.gram(adapted, 2)
    assert gram is not None
    torch.testing.assert_close(gram, gram_of(adapted.base_layer.weight + adapted.more.weight, 2), atol=1e-5, rtol=1e-4)
