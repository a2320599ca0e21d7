"""A language model's training: bytes, windows, held-out parts, the best epoch, a card, and going on after a stop."""

import json
import math
from pathlib import Path

import pytest
import torch

from heedmap.model.errors import CheckpointError, InputError
from heedmap.model.load import load
from heedmap.model.native.language_model import LanguageModel, LanguageModelConfig
from heedmap.model.native.text_generator import TextGenerator
from heedmap.model.native.tokenizer import ByteTokenizer, Tokenizer
from heedmap.model.training.loop import Recipe
from heedmap.model.training.run_text import score_text, surprise, train_text
from heedmap.model.training.text import Windows, read_text

SHAPE = {"width": 32, "feed_forward": 48, "heads": 2, "kv_heads": 1, "windows": (8, None)}
RECIPE = Recipe(epochs=3, batch_tokens=256, learning_rate=5e-3, warmup_steps=2, label_smoothing=0.0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "play.txt"
    path.write_text("KING:\nSpeak, speak again. Über 世界.\n\n" * 60, encoding="utf-8")
    return path


def test_bytes_are_tokens_and_come_back(tmp_path: Path) -> None:
    tokenizer = ByteTokenizer.build()
    text = "A b\n\tÜ世界🙂 \x00"
    encoding = tokenizer.encode(text)
    assert len(encoding.ids) == len(text.encode())
    assert tokenizer.decode(encoding.ids) == text
    assert tokenizer.describe(encoding.ids) == encoding
    assert encoding.labels[:6] == ["A", "␣", "b", "⏎", "⇥", "<0xC3>"]
    tokenizer.save(tmp_path / "tokenizer.json")
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    assert isinstance(again, ByteTokenizer)
    assert again.encode(text) == encoding


def test_half_a_character_is_told() -> None:
    tokenizer = ByteTokenizer.build()
    ids = tokenizer.encode("世").ids[:2]
    assert tokenizer.decode(ids) == "\ufffd"
    assert tokenizer.describe(ids).labels == ["<0xE4>", "<0xB8>"]
    assert tokenizer.describe(ids).spans == [(0, 1), (0, 1)]


def test_the_held_out_parts_are_the_end_of_the_text(data: Path) -> None:
    parts = read_text(data)
    assert parts.train + parts.valid + parts.test == data.read_text(encoding="utf-8")
    assert len(parts.valid) == pytest.approx(len(parts.test), abs=1)
    assert len(parts.test) == pytest.approx(0.05 * len(data.read_text(encoding="utf-8")), abs=2)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe" * 40])
def test_what_is_no_text_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=r"^a (has|is not UTF-8)"):
        read_text(tmp_path / "a")


def test_windows_hold_each_byte_and_the_one_after() -> None:
    tokenizer = ByteTokenizer.build()
    text = "".join(chr(33 + i % 90) for i in range(300))
    windows = Windows(text, tokenizer, 64, (8, 16))
    batches = windows.epoch(1)
    assert {batch.ids.shape for batch in batches} == {(8, 8), (4, 16)}
    assert sum(batch.tokens for batch in batches) == pytest.approx(299, abs=64)
    ids = tokenizer.encode(text).ids
    for batch in batches:
        for row, after in zip(batch.ids.tolist(), batch.labels.tolist(), strict=True):
            start = next(i for i in range(len(ids)) if ids[i : i + len(row)] == row)
            assert after == ids[start + 1 : start + 1 + len(row)] or ids.count(row[0]) > 1
    assert not torch.equal(windows.epoch(2)[0].ids, batches[0].ids)
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(windows.epoch(1), batches, strict=True))


def test_surprise_worked_by_hand() -> None:
    """A model that knows nothing needs log2 of its vocabulary for every byte."""
    tokenizer = ByteTokenizer.build()
    network = LanguageModel(LanguageModelConfig(language="en", vocabulary=len(tokenizer), **SHAPE))
    torch.nn.init.zeros_(network.embedding.weight)
    assert surprise(network, tokenizer, "any text at all", 4) == pytest.approx(math.log2(len(tokenizer)), rel=1e-5)


def test_a_run_learns_keeps_its_best_epoch_and_goes_on(data: Path, tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    out = tmp_path / "run"
    parts = train_text(data, out, RECIPE, torch.device("cpu"), lengths=(16, 32), shape=SHAPE, report=rows.append)
    assert rows[-1]["valid"] < rows[0]["valid"] < 8
    facts = json.loads((out / "training.json").read_text())
    assert facts["best"]["valid"] == min(row["valid"] for row in rows)
    bits = score_text(out)
    assert bits["valid"] == pytest.approx(facts["best"]["valid"], abs=0.02)  # the weights were rounded to float16
    card = (out / "README.md").read_text(encoding="utf-8")
    assert f"{bits['test']:.3f} (test)" in card
    assert "public" in card
    model = load(out)
    assert isinstance(model, TextGenerator)
    assert model.describe()["licence"] == "apache-2.0"
    assert (out / "test.txt").read_text(encoding="utf-8") == parts.test
    before = (out / "model.safetensors").read_bytes()
    train_text(data, out, RECIPE, torch.device("cpu"), lengths=(16, 32), shape=SHAPE)  # nothing is left to do
    assert (out / "model.safetensors").read_bytes() == before


def test_an_unfinished_run_has_no_scores(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="finish there first"):
        score_text(tmp_path)
