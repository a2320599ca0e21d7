"""The shipped demonstration of Chinese: small, as good as its card says, in both scripts, and stored in 8-bit rows."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.load import load, peek
from heedmap.model.native.translator import Translator
from heedmap.model.trace.trace import Trace
from heedmap.model.training.data import Reference
from heedmap.model.training.evaluate import evaluate
from heedmap.model.training.run import read_references

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = ROOT / "model" / "weights"
FOLDER = WEIGHTS / "zh-en"
TEST = ROOT / "tests" / "data" / "zh-en" / "test.jsonl"
MOST = 45_000_000  # bytes of all weights that ship


@pytest.fixture(scope="module")
def model() -> Translator:
    loaded = load(FOLDER)
    assert isinstance(loaded, Translator)
    return loaded


def carded(storage: str, decoding: str) -> float:
    """The test BLEU that the card states."""
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    match = re.search(rf"\| {storage} \| test \| [\d,]+ \| {decoding} \| ([\d.]+) \|", card)
    assert match is not None
    return float(match[1])


def test_it_is_small_and_its_card_says_that_it_is_a_demonstration(model: Translator) -> None:
    described = model.describe()
    assert described["parameter_count"] <= 4_000_000
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 4_000_000
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("model.safetensors")) <= MOST
    assert load_file(FOLDER / "model.safetensors")["embedding.weight"].dtype == torch.int8
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    facts = json.loads((FOLDER / "training.json").read_text(encoding="utf-8"))
    assert facts["data_sha256"] in card
    assert facts["data_sha256"] in (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert f"{described['parameter_count']:,}" in card
    for part in ("a small demonstration", "CC BY 2.0 FR", "OpenCC", "translates Chinese to English", "## Scores"):
        assert part in card
    assert peek(str(FOLDER))["languages"] == {"source": "zh", "target": "en"}


def test_what_its_storage_loses_is_little() -> None:
    for decoding in ("greedy", "beam 5"):
        assert carded("int8", decoding) == pytest.approx(carded("float16", decoding), abs=0.5)


def test_the_score_is_the_cards() -> None:
    """Every fourth sentence, greedily: within sampling noise of the card's figure for all of them."""
    scores = evaluate(FOLDER, read_references(TEST)[::4], parameters=Parameters())
    assert scores.bleu == pytest.approx(carded("int8", "greedy"), abs=3)


def test_both_scripts_are_one_to_it(model: Translator) -> None:
    simple, traditional = model.predict([Request("他在看书。"), Request("他在看書。")])
    assert isinstance(simple, Prediction)
    assert isinstance(traditional, Prediction)
    assert simple.text == traditional.text
    assert simple.axes["source"].ids == traditional.axes["source"].ids
    assert simple.axes["source"].labels == ["他", "在", "看", "书", "。", "</s>"]


def test_a_head_looks_at_the_character_that_it_translates(model: Translator) -> None:
    (trace,) = model.trace([Request("我没有钱。", "I have no money.")])
    assert isinstance(trace, Trace)
    assert trace.certificate.warning is None
    rows = {label.strip("▁"): row for row, label in enumerate(trace.axes["target"].labels)}
    columns = {label: column for column, label in enumerate(trace.axes["source"].labels)}
    looked = [
        float(layer.window(slice(rows["money"], rows["money"] + 1))[head, 0, columns["钱"]])
        for layer in trace.layers["cross"]
        for head in range(layer.heads)
    ]
    assert max(looked) > 0.3


def test_no_sentence_of_the_test_part_is_a_reference_of_another() -> None:
    references = read_references(TEST)
    assert all(isinstance(each, Reference) for each in references)
    assert len({each.source for each in references}) == len(references) >= 2000
