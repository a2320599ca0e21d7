"""Layer normalisations behind residuals: found where a block is post-norm, and nowhere else."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
import torch
from torch import Tensor, nn

from heedmap.model.contract import Request, check_edits
from heedmap.model.hub.attention.post_norms import PostNorms
from heedmap.model.hub.attention.projections import Projections
from heedmap.model.hub.attention.recorder import prepare, record
from tests.model.hub import checkpoints
from tests.model.hub.families import BY_NAME
from tests.model.hub.serving import served


class Attending(nn.Module):
    """Two heads of size 3 that give what they take, which they may normalise before; their projection stands inside."""

    def __init__(self, projections: Projections) -> None:
        super().__init__()
        self.projections, self.own, self.output = projections, nn.LayerNorm(6), nn.Linear(6, 6)

    def forward(self, hidden: Tensor, normalise: bool = False) -> Tensor:
        hidden = self.own(hidden) if normalise else hidden
        self.projections.attended(self, hidden.view(1, -1, 2, 3).transpose(1, 2))
        projected: Tensor = self.output(hidden)
        return projected


class Block(nn.Module):
    """An attention with normalisations before and behind it."""

    def __init__(self, projections: Projections) -> None:
        super().__init__()
        self.attention, self.before, self.behind = Attending(projections), nn.LayerNorm(6), nn.LayerNorm(6)


BLOCKS: dict[str, Callable[[Block, Tensor], Tensor]] = {
    "post": lambda block, x: block.behind(x + block.attention(x)),
    "pre": lambda block, x: block.behind(x + block.attention(block.before(x))),
    "pre, inside": lambda block, x: block.behind(x + block.attention(x, normalise=True)),
    "scaled": lambda block, x: block.behind(2 * x + block.attention(x)),
    "sandwich": lambda block, x: block.behind(x + block.before(block.attention(x))),
    "parallel": lambda block, x: block.behind(x + block.attention(x) + block.attention.output(x)),
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_normalisation_is_behind_the_residual_in_a_post_norm_block_alone(kind: str) -> None:
    torch.manual_seed(0)
    projections, norms = Projections(), PostNorms()
    block, x = Block(projections), torch.randn(1, 4, 6)
    with torch.inference_mode(), projections.watching(block), norms.watching(block, [block.attention], projections):
        BLOCKS[kind](block, x)
    assert projections.of_module == {block.attention: block.attention.output}
    assert norms.of_module == ({block.attention: block.behind} if kind == "post" else {})
    found = norms.of(block.attention, 2, projections)
    if kind == "post":
        assert found is not None
        assert norms.of(block.attention, 2, projections) is found
        gram = found[1]
        value = torch.randn(3)
        vector = block.behind.weight * (part := block.attention.output.weight[:, 3:] @ value).sub(part.mean())
        assert (value @ gram[1] @ value).item() == pytest.approx(vector.square().sum().item(), rel=1e-4)
    else:
        assert found is None
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in block.modules()), "nothing stays"


def test_another_threads_pass_leaves_the_record_alone() -> None:
    """Between an attention that is recorded and its normalisation, another thread's pass reaches that one first."""
    family = BY_NAME["bert"]
    wiring = prepare(family.build("eager"))
    inputs = family.inputs()
    with torch.inference_mode(), wiring.watching(), record(wiring) as recorder:
        wiring.model(**inputs)
    expected = recorder.maps(0, {**family.lengths[0]})["encoder"][0].deviation
    other = next(iter(wiring.post_norms.of_module.values()))

    @torch.inference_mode()
    def elsewhere() -> None:
        other(torch.randn(2, 9, 32))

    def interrupt(*_: object) -> None:
        thread = Thread(target=elsewhere)
        thread.start()
        thread.join()

    handle = wiring.projections.of_module[next(iter(wiring.post_norms.of_module))].register_forward_hook(interrupt)
    with torch.inference_mode(), record(wiring) as recorder:
        wiring.model(**inputs)
    handle.remove()
    got = recorder.maps(0, {**family.lengths[0]})["encoder"][0].deviation
    assert expected is not None
    assert got is not None
    assert torch.equal(got, expected)


def test_an_edited_pass_divides_by_its_own_deviations(tmp_path: Path) -> None:
    """With every head of the first layer silent, what is normalised there is the residual and the projection's bias."""
    model = served(checkpoints.bert(tmp_path / "model", "sequence-classification"), "text-classification")
    edits = check_edits([{"kind": "silence", "site": "encoder", "layer": 0, "head": "all"}])
    text = "The girl is reading a book."
    [plain, silent] = [model.trace([Request(text, edits=some)])[0].map("encoder", 0) for some in ((), edits)]
    bert = model.loaded.model.bert
    ids = torch.tensor([model.trace([Request(text)])[0].axes["tokens"].ids])
    with torch.inference_mode():
        summed = bert.embeddings(ids)[0] + bert.encoder.layer[0].attention.output.dense.bias
    eps = bert.config.layer_norm_eps
    torch.testing.assert_close(silent.deviation, (summed.var(dim=-1, unbiased=False) + eps).sqrt())
    assert not torch.allclose(silent.deviation, plain.deviation, rtol=0.05)
