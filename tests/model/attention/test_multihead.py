"""MultiHeadAttention against PyTorch's own."""

import pytest
import torch

from heedmap.model.attention.masks import Causal, Padding
from heedmap.model.attention.multihead import MultiHeadAttention
from heedmap.model.attention.positions import sinusoidal
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.records import AttentionRecord


def paired(width: int = 16, heads: int = 4) -> tuple[MultiHeadAttention, torch.nn.MultiheadAttention]:
    torch.manual_seed(3)
    ours = MultiHeadAttention(width, heads)
    theirs = torch.nn.MultiheadAttention(width, heads, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.out_proj.bias.copy_(ours.output.bias)
    return ours, theirs


@pytest.mark.parametrize("case", ["full", "causal", "padded", "cross"])
def test_parity_with_torch(case: str) -> None:
    ours, theirs = paired()
    hidden = torch.randn(2, 6, 16)
    memory = torch.randn(2, 9, 16) if case == "cross" else hidden
    lengths = torch.tensor([6, 4])
    mask = {"causal": Causal(), "padded": Padding(lengths)}.get(case)
    expected, weights = theirs(
        hidden,
        memory,
        memory,
        key_padding_mask=torch.arange(6)[None] >= lengths[:, None] if case == "padded" else None,
        attn_mask=torch.ones(6, 6).triu(1).bool() if case == "causal" else None,
        average_attn_weights=False,
    )
    recorder = Recorder()
    got = ours(hidden, *ours.keys_values(memory), mask, recorder, "encoder")
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(ours(hidden, *ours.keys_values(memory), mask), expected, atol=1e-6, rtol=0)
    record = recorder.records["encoder"][0]
    assert isinstance(record, AttentionRecord)
    logits = record.score(record.q, record.k) - record.lse[..., None]
    if mask is not None:
        logits = logits.masked_fill(~mask.dense(6, memory.shape[1])[:, None], -torch.inf)
    torch.testing.assert_close(logits.exp(), weights, atol=1e-6, rtol=0)


def test_grouped_heads_equal_repeated_ones() -> None:
    torch.manual_seed(4)
    grouped, full = MultiHeadAttention(16, 4, 2), MultiHeadAttention(16, 4)
    with torch.no_grad():
        for name in ("key", "value"):
            few, many = getattr(grouped, name), getattr(full, name)
            many.weight.copy_(few.weight.view(2, 4, 16).repeat_interleave(2, 0).reshape(16, 16))
            many.bias.copy_(few.bias.view(2, 4).repeat_interleave(2, 0).reshape(16))
        for name in ("query", "output"):
            getattr(full, name).load_state_dict(getattr(grouped, name).state_dict())
    hidden = torch.randn(2, 5, 16)
    expected = full(hidden, *full.keys_values(hidden))
    torch.testing.assert_close(grouped(hidden, *grouped.keys_values(hidden)), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("width", "heads", "kv_heads"), [(16, 3, 3), (16, 4, 3), (16, 0, 1), (16, 4, 0)])
def test_heads_that_do_not_divide_are_refused(width: int, heads: int, kv_heads: int) -> None:
    with pytest.raises(ValueError, match="divide"):
        MultiHeadAttention(width, heads, kv_heads)


def test_sinusoidal_positions_by_hand() -> None:
    got = sinusoidal(torch.tensor([0, 1]), 4)
    assert got[0].tolist() == [0, 0, 1, 1]
    expected = [torch.tensor(1.0).sin(), torch.tensor(1e-4).sin(), torch.tensor(1.0).cos(), torch.tensor(1e-4).cos()]
    torch.testing.assert_close(got[1], torch.stack(expected))
    with pytest.raises(ValueError, match="even"):
        sinusoidal(torch.tensor([0]), 5)
