"""The loop learns, resumes after a kill as if nothing had happened, and its loss is PyTorch's."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from heedmap.model.errors import CheckpointError
from heedmap.model.native import checkpoint
from heedmap.model.native.checkpoint import Network
from heedmap.model.native.recurrent import RecurrentConfig
from heedmap.model.native.tokenizer import PAD, Tokenizer
from heedmap.model.native.transformer import TransformerConfig
from heedmap.model.training.data import Batches, Pair
from heedmap.model.training.loop import Recipe, Trainer
from heedmap.model.training.loss import smoothed_cross_entropy

PAIRS = [Pair(f"Satz {a} {b}", f"sentence {b} {a}") for a in range(6) for b in range(6)]
CPU = torch.device("cpu")


def network(tokenizer: Tokenizer, architecture: str = "transformer", dropout: float = 0.1) -> Network:
    torch.manual_seed(0)
    common = {
        "source_language": "de",
        "target_language": "en",
        "vocabulary": len(tokenizer),
        "width": 32,
        "dropout": dropout,
    }
    if architecture == "recurrent":
        return checkpoint.build(RecurrentConfig(**common))
    shape = {"feed_forward": 64, "heads": 2, "kv_heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    return checkpoint.build(TransformerConfig(**common, **shape))


def recipe(**changes: object) -> Recipe:
    return Recipe(**({"epochs": 2, "batch_tokens": 100, "learning_rate": 5e-3, "warmup_steps": 4} | changes))


def test_the_chunked_loss_is_pytorchs_own() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(1300, 16, requires_grad=True)
    weight = torch.randn(50, 16, requires_grad=True)
    labels = torch.randint(0, 50, (1300,))
    ours = smoothed_cross_entropy(hidden, weight, labels, ignore=PAD, smoothing=0.1)
    theirs = F.cross_entropy(hidden @ weight.T, labels, ignore_index=PAD, label_smoothing=0.1)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    for got, expected in zip(
        torch.autograd.grad(ours, (hidden, weight)), torch.autograd.grad(theirs, (hidden, weight)), strict=True
    ):
        torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("architecture", ["transformer", "recurrent"])
def test_the_loss_falls(tokenizer: Tokenizer, tmp_path: Path, architecture: str) -> None:
    trainer = Trainer(network(tokenizer, architecture, dropout=0), recipe(epochs=12), tmp_path, CPU)
    reports = list(trainer.run(Batches(PAIRS, tokenizer, 100)))
    assert [r["epoch"] for r in reports] == list(range(1, 13))
    assert reports[-1]["loss"] < 0.75 * reports[0]["loss"]


class Killed(BaseException):
    """Stands for the signal that ends a process between two steps."""


def test_a_killed_run_resumes_as_if_nothing_had_happened(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heedmap.model.training.loop.SAVE_EVERY", 0.0)
    batches = Batches(PAIRS, tokenizer, 100)
    whole = Trainer(network(tokenizer), recipe(), tmp_path / "whole", CPU)
    list(whole.run(batches))

    broken = Trainer(network(tokenizer), recipe(), tmp_path / "broken", CPU)
    steps = len(batches.epoch(0)) + 3
    update = broken._update

    def dying(*arguments: object) -> float:
        if broken.step == steps:
            raise Killed
        return update(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(broken, "_update", dying)
    with pytest.raises(Killed):
        list(broken.run(batches))
    again = Trainer(network(tokenizer), recipe(), tmp_path / "broken", CPU)
    assert again.resume()
    assert again.step == steps
    list(again.run(batches))
    assert again.step == whole.step
    for name, parameter in whole.network.named_parameters():
        torch.testing.assert_close(again.network.state_dict()[name], parameter, atol=1e-6, rtol=1e-5, msg=name)


def test_the_state_of_another_network_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    Trainer(network(tokenizer), recipe(), tmp_path, CPU).save()
    with pytest.raises(CheckpointError, match="another network"):
        Trainer(network(tokenizer, dropout=0.3), recipe(), tmp_path, CPU).resume()
    assert not Trainer(network(tokenizer), recipe(), tmp_path / "empty", CPU).resume()


def test_the_rate_warms_up_and_decays() -> None:
    plan = recipe(learning_rate=1.0, warmup_steps=10)
    assert plan.rate(0, 110) == pytest.approx(0.1)
    assert plan.rate(9, 110) == pytest.approx(1.0)
    assert plan.rate(60, 110) == pytest.approx(0.01 + 0.99 / 2)
    assert plan.rate(110, 110) == pytest.approx(0.01)
