"""The encoder-decoders: caches, padding, captures and gradients."""

import pytest
import torch

from heedmap.model.native import checkpoint
from heedmap.model.native.checkpoint import Network
from heedmap.model.native.dropout import dropout
from heedmap.model.native.recurrent import RecurrentConfig
from heedmap.model.native.tokenizer import END, PAD
from heedmap.model.native.transformer import TransformerConfig
from heedmap.model.trace.recorder import Recorder

SHAPES = {
    "plain": {"heads": 4, "kv_heads": 4, "encoder_layers": 2, "decoder_layers": 2},
    "grouped": {"heads": 4, "kv_heads": 1, "encoder_layers": 1, "decoder_layers": 3},
    "recurrent": None,
}


def network(name: str) -> Network:
    torch.manual_seed(5)
    shape = SHAPES[name]
    common = {"source_language": "de", "target_language": "en", "vocabulary": 50, "width": 32, "max_positions": 40}
    if shape is None:
        return checkpoint.build(RecurrentConfig(**common)).eval()
    return checkpoint.build(TransformerConfig(**common, feed_forward=48, **shape)).eval()


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(6)
    source = torch.randint(4, 50, (3, 7))
    lengths = torch.tensor([7, 4, 1])
    source[torch.arange(7)[None] >= lengths[:, None]] = PAD
    target = torch.randint(4, 50, (3, 6))
    target[:, 0] = END
    return source, lengths, target


@pytest.mark.parametrize("name", SHAPES)
def test_cached_decoding_gives_the_uncached_logits(name: str) -> None:
    model = network(name)
    source, lengths, target = batch()
    with torch.inference_mode():
        whole = model(source, lengths, target)
        state = model.start(model.encode(source, lengths), lengths)
        steps = [model.decode(target[:, i : i + 1], state) for i in range(4)]
        steps.append(model.decode(target[:, 4:], state))  # a chunk after single steps
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SHAPES)
def test_padding_changes_nothing(name: str) -> None:
    model = network(name)
    source, lengths, target = batch()
    with torch.inference_mode():
        together = model(source, lengths, target)
        for row, length in enumerate(lengths.tolist()):
            alone = model(source[row : row + 1, :length], lengths[row : row + 1], target[row : row + 1])
            torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SHAPES)
def test_a_reordered_state_goes_on_with_its_rows(name: str) -> None:
    model = network(name)
    source, lengths, target = batch()
    rows = torch.tensor([2, 0])
    with torch.inference_mode():
        state = model.start(model.encode(source, lengths), lengths)
        model.decode(target[:, :3], state)
        state.reorder(rows)
        got = model.decode(target[rows, 3:4], state)
        torch.testing.assert_close(got, model(source, lengths, target)[rows, 3:4], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SHAPES)
def test_capture_changes_nothing_and_sees_every_layer(name: str) -> None:
    model = network(name)
    source, lengths, target = batch()
    recorder = Recorder()
    with torch.inference_mode():
        torch.testing.assert_close(
            model(source, lengths, target, recorder), model(source, lengths, target), atol=1e-5, rtol=0
        )
    layers = {site: len(records) for site, records in recorder.records.items()}
    expected = {"plain": (2, 2, 2), "grouped": (1, 3, 3)}.get(name)
    assert layers == (
        {"cross": 1} if expected is None else dict(zip(("encoder", "decoder", "cross"), expected, strict=True))
    )


def test_the_decoder_never_sees_the_future() -> None:
    model = network("plain")
    source, lengths, target = batch()
    changed = target.clone()
    changed[:, 4:] = 9
    with torch.inference_mode():
        before, after = model(source, lengths, target), model(source, lengths, changed)
    torch.testing.assert_close(before[:, :4], after[:, :4], atol=1e-6, rtol=0)
    assert (before[:, 4:] - after[:, 4:]).abs().max() > 1e-3


@pytest.mark.parametrize("name", SHAPES)
def test_every_parameter_learns(name: str) -> None:
    model = network(name).train()
    source, lengths, target = batch()
    model.hidden(source, lengths, target).square().sum().backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A key's bias moves all scores of a row alike, and softmax does not see that.
    assert [n for n in silent if not n.endswith("key.bias")] == []


def test_dropout_keeps_the_mean_and_its_share() -> None:
    torch.manual_seed(7)
    dropped = dropout(torch.ones(100, 1000), 0.1, training=True)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert (dropped == 0).float().mean().item() == pytest.approx(round(25.6) / 256, abs=0.005)
    assert torch.equal(dropout(torch.ones(3, 3), 0.1, training=False), torch.ones(3, 3))


def test_an_unknown_config_field_is_refused() -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        TransformerConfig(source_language="de", target_language="en", vocabulary=8, layers=3)  # type: ignore[call-arg]
