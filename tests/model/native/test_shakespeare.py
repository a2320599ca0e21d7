"""The shipped language model: as small and as good as its card says, with the heads that the card names."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from heedmap.model.contract import Request
from heedmap.model.load import load
from heedmap.model.native.language_model import LanguageModel
from heedmap.model.native.text_generator import TextGenerator
from heedmap.model.native.tokenizer import ByteTokenizer
from heedmap.model.trace.trace import Trace
from heedmap.model.training.run_text import surprise

FOLDER = Path(__file__).resolve().parents[3] / "model" / "weights" / "shakespeare"
READ = 3000  # bytes of the example


@pytest.fixture(scope="module")
def model() -> TextGenerator:
    loaded = load(FOLDER)
    assert isinstance(loaded, TextGenerator)
    return loaded


@pytest.fixture(scope="module")
def text(model: TextGenerator) -> str:
    whole: str = model.describe()["examples"][1]
    return whole


@pytest.fixture(scope="module")
def trace(model: TextGenerator, text: str) -> Trace:
    (recorded,) = model.trace([Request(text[: READ - 1], text[READ - 1])])
    assert isinstance(recorded, Trace)
    return recorded


def test_it_is_small_and_has_a_card_and_a_long_example(model: TextGenerator, text: str) -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 10_000_000
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    facts = json.loads((FOLDER / "training.json").read_text(encoding="utf-8"))
    assert facts["data_sha256"] in card
    assert f"{model.describe()['parameter_count']:,}" in card
    assert model.describe()["licence"] == "apache-2.0"
    assert "public domain" in card
    assert len(model.tokenizer.encode(text).ids) >= 32_000


def test_it_has_learnt_something(model: TextGenerator, text: str) -> None:
    assert isinstance(model.network, LanguageModel)
    assert isinstance(model.tokenizer, ByteTokenizer)
    bits = surprise(model.network, model.tokenizer, text[:8000], 1024)
    assert 1.5 < bits < 2.4  # an untrained one needs 8; the card says 2.23 of all of the held-out part


def share(trace: Trace, layer: int, head: int, where: Tensor, rows: Tensor) -> float:
    """How much of a head's weight lies where, mean over the rows."""
    weights = trace.map("decoder", layer).head(head).dense()[0]
    return float((weights * where).sum(dim=1)[rows].mean())


def test_a_head_looks_at_the_previous_character(trace: Trace) -> None:
    index = torch.arange(READ)
    previous = index[:, None] - 1 == index[None, :]
    assert share(trace, 0, 2, previous, index > 0) == pytest.approx(0.47, abs=0.02)


def test_a_head_stays_inside_the_current_word(trace: Trace, text: str) -> None:
    word = torch.tensor([sum(not c.isalpha() for c in text[:i]) for i in range(READ)])
    letters = torch.tensor([c.isalpha() for c in text[:READ]])
    same = (word[:, None] == word[None, :]) & letters[:, None] & letters[None, :]
    assert share(trace, 0, 3, same, letters) == pytest.approx(0.74, abs=0.02)


def test_heads_look_at_the_speakers_name(trace: Trace, text: str) -> None:
    part, name = text[:READ], torch.zeros(READ, READ)
    for speaker in re.finditer(r"(?:^|\n\n)([A-Z][A-Za-z ]+):\n", part):
        stop = part.find("\n\n", speaker.end())
        name[speaker.end() : stop if stop > 0 else READ, speaker.start(1) : speaker.end(1) + 1] = 1
    speech = name.sum(dim=1) > 0
    even = float((name / torch.arange(1, READ + 1)[:, None]).sum(dim=1)[speech].mean())
    for layer, head in ((0, 0), (3, 1)):
        assert share(trace, layer, head, name, speech) > 4 * even
