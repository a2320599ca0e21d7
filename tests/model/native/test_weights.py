"""The shipped checkpoints are as small and as good as their cards say, and their attention aligns."""

import json
import re
from pathlib import Path

import pytest

from heedmap.model.contract import Parameters, Prediction, Request, Served
from heedmap.model.load import load
from heedmap.model.trace.trace import Trace
from heedmap.model.training.evaluate import evaluate
from heedmap.model.training.run import read_references

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = ROOT / "model" / "weights"
TEST = ROOT / "tests" / "data" / "de-en" / "test.jsonl"
NAMES = ("de-en", "de-en-gru")


@pytest.fixture(scope="module", params=NAMES)
def shipped(request: pytest.FixtureRequest) -> tuple[str, Served]:
    return request.param, load(WEIGHTS / request.param)


def test_a_checkpoint_is_small_and_has_a_card(shipped: tuple[str, Served]) -> None:
    name, model = shipped
    described = model.describe()
    assert described["parameter_count"] <= 12_000_000
    assert sum(path.stat().st_size for path in (WEIGHTS / name).iterdir()) <= 25_000_000
    assert described["licence"] == "apache-2.0"
    card = (WEIGHTS / name / "README.md").read_text(encoding="utf-8")
    facts = json.loads((WEIGHTS / name / "training.json").read_text(encoding="utf-8"))
    assert facts["data_sha256"] in card
    assert f"{described['parameter_count']:,}" in card
    for part in ("## Scores", "## Data", "## Training", "## What it cannot do", "CC BY 2.0 FR"):
        assert part in card


def test_everyday_sentences(shipped: tuple[str, Served]) -> None:
    _, model = shipped
    expected = {"Wo ist der Bahnhof?": "station", "Ich habe heute keine Zeit.": "time", "Das Wasser ist kalt.": "cold"}
    results = model.predict([Request(text) for text in expected])
    for result, word in zip(results, expected.values(), strict=True):
        assert isinstance(result, Prediction)
        assert word in result.text
        assert result.tokens[-1] == "</s>"


def carded(name: str, decoding: str) -> float:
    """The test BLEU that the card states."""
    card = (WEIGHTS / name / "README.md").read_text(encoding="utf-8")
    match = re.search(rf"\| test \| [\d,]+ \| {decoding} \| ([\d.]+) \|", card)
    assert match is not None
    return float(match[1])


@pytest.mark.parametrize("name", NAMES)
def test_the_score_is_the_cards(name: str) -> None:
    """Every fourth sentence, greedily: within sampling noise of the card's figure for all of them."""
    scores = evaluate(WEIGHTS / name, read_references(TEST)[::4], parameters=Parameters())
    assert scores.bleu == pytest.approx(carded(name, "greedy"), abs=3)


def test_the_shipped_translation_is_worth_looking_at() -> None:
    assert carded("de-en", "beam 5") >= 42


def test_a_shipped_head_aligns_words(shipped: tuple[str, Served]) -> None:
    """Some cross head looks at "Bahnhof" more than anywhere else when "station" is made."""
    _, model = shipped
    (trace,) = model.trace([Request("Wo ist der Bahnhof?", "Where is the station?")])
    assert isinstance(trace, Trace)
    rows = {label.strip("▁"): row for row, label in enumerate(trace.axes["target"].labels)}
    columns = {label.strip("▁"): column for column, label in enumerate(trace.axes["source"].labels)}
    hits = []
    for layer in trace.layers["cross"]:
        looked = layer.window(slice(rows["station"], rows["station"] + 1))[:, 0]
        largest, place = looked.max(dim=-1)
        hits += [w for w, p in zip(largest.tolist(), place.tolist(), strict=True) if p == columns["Bahnhof"]]
    assert max(hits, default=0.0) > 0.4
