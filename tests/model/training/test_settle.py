"""What follows a changed head is fitted to what the network did before."""

import copy

import pytest
import torch

from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.native.transformer import Transformer
from heedmap.model.training.data import Batches, PairBatch
from heedmap.model.training.settle import parts_behind, settle

from .test_guide import PAIRS, network


@pytest.fixture(scope="module")
def batches(tokenizer: Tokenizer) -> list[PairBatch]:
    return list(Batches(PAIRS, tokenizer, 200).epoch(0))


def changed(former: Transformer) -> Transformer:
    """The same with another query in one head of the first layer."""
    net = copy.deepcopy(former)
    cross = net.decoder[0].cross
    with torch.no_grad():
        cross.query.weight[: cross.size] += torch.randn(cross.size, cross.query.weight.shape[1])
    return net


@torch.no_grad()
def distance(one: Transformer, other: Transformer, batches: list[PairBatch]) -> float:
    """Mean squared difference of the last hidden states."""
    both = [[net.hidden(b.source, b.source_lengths, b.target) for b in batches] for net in (one, other)]
    return sum(float((a - b).pow(2).mean()) for a, b in zip(*both, strict=True))


def test_hidden_states_come_back(tokenizer: Tokenizer, batches: list[PairBatch]) -> None:
    former = network(tokenizer, kv_heads=4).eval()
    net = changed(former)
    before = {name: weight.clone() for name, weight in net.named_parameters()}
    far = distance(net, former, batches)
    settle(net, former, 0, batches)
    assert distance(net, former, batches) < far / 4
    learnt = {f"decoder.{part}.{kind}" for kind in ("weight", "bias") for part in (
        "0.cross.output", "0.feed_forward.down", "1.attention.output", "1.cross.output", "1.feed_forward.down"
    )}  # fmt: skip
    assert {name for name, weight in net.named_parameters() if not torch.equal(weight, before[name])} == learnt


def test_what_did_not_change_stays(tokenizer: Tokenizer, batches: list[PairBatch]) -> None:
    former = network(tokenizer, kv_heads=4).eval()
    net = copy.deepcopy(former)
    settle(net, former, 0, batches)
    for (name, weight), was in zip(net.named_parameters(), former.parameters(), strict=True):
        torch.testing.assert_close(weight, was, msg=name, rtol=0, atol=1e-6)
    assert len(parts_behind(net, 1)) == 2
