"""Titles: papers and their split by date, ROUGE worked by hand, and a run that learns to copy."""

import json
import lzma
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from heedmap.app.cli import cli
from heedmap.model.contract import Prediction, Request
from heedmap.model.errors import CheckpointError, InputError
from heedmap.model.load import load
from heedmap.model.native.summarizer import Summarizer
from heedmap.model.training import rouge
from heedmap.model.training.loop import Recipe
from heedmap.model.training.title_scores import score_titles
from heedmap.model.training.titles import by_date, first_sentence, first_words, read_papers, train_titles

NAMES = [f"{a}{b}" for a in ("Ra", "Ko", "Li", "Mu", "Se", "To") for b in ("ban", "dur", "fex", "gol", "hin", "jap")]
SHAPE = {"width": 32, "feed_forward": 64, "heads": 2, "kv_heads": 2, "encoder_layers": 1, "decoder_layers": 1,
         "copying": {"layer": 0, "head": 1}, "source_words": 8, "dropout": 0.0}  # fmt: skip
RECIPE = Recipe(epochs=12, batch_tokens=200, learning_rate=6e-3, warmup_steps=10)
CPU = torch.device("cpu")


def line(number: int, date: str, title: str, abstract: str) -> str:
    return "\t".join((f"1907.{number:05}", date, "cs.CL", title, abstract))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Abstracts that name a method, and titles that are that name: 36 x 4 to train, as many later ones."""
    lines = []
    for year, date in ((2018, "2018-03-01"), (2019, "2019-08-01"), (2020, "2019-11-01")):
        for number, name in enumerate(NAMES * (4 if year == 2018 else 1)):
            words = ["here", "there", "now", "then"]
            words.insert(number % 4, name)
            lines.append(line(number, date, f"On {name}", f"We show {' '.join(words)}. It is good. Nobody reads on."))
    path = tmp_path / "papers.tsv.xz"
    path.write_bytes(lzma.compress(("\n".join(lines) + "\n").encode()))
    return path


def test_papers_are_read_and_split_by_date(data: Path, tmp_path: Path) -> None:
    papers = read_papers(data)
    parts = by_date(papers)
    assert [len(part) for part in vars(parts).values()] == [144, 36, 36]
    assert parts.train[0].title == "On Raban"
    assert parts.train[0].abstract == "We show Raban here there now then. It is good. Nobody reads on."
    plain = tmp_path / "plain.tsv"
    plain.write_bytes(lzma.decompress(data.read_bytes()))
    assert read_papers(plain) == papers
    with pytest.raises(InputError, match="no paper is of the valid part"):
        by_date(parts.train)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1\t2018-01-01\tcs.CL\tTitle\n", r"papers\.tsv line 1: expected identifier, date"),
        (b"1\t2018\tcs.CL\tTitle\tAbstract\n", r"papers\.tsv line 1: expected identifier, date"),
        (b"\xff\xfe", r"papers\.tsv is not UTF-8: byte 0"),
    ],
)
def test_what_are_no_papers_is_told(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "papers.tsv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_papers(tmp_path / "papers.tsv")


def test_an_archive_that_is_cut_is_told(data: Path) -> None:
    data.write_bytes(data.read_bytes()[:-40])
    with pytest.raises(InputError, match="no whole xz archive"):
        read_papers(data)


def test_beginnings_of_an_abstract() -> None:
    text = "We use approx. 3.5 words, i.e. few. Then more? No."
    assert first_sentence(text) == "We use approx. 3.5 words, i.e. few."
    assert first_words(text, 3) == "We use approx."


def test_rouge_worked_by_hand() -> None:
    """Three of four words shared with five: F1 6/9; one pair of three with four: 2/7; in order: a, b and d."""
    text, wanted = rouge.words("A b, x D"), rouge.words("a b C d e")
    assert rouge.shared(text, wanted, 1) == pytest.approx(6 / 9)
    assert rouge.shared(text, wanted, 2) == pytest.approx(2 / 7)
    assert rouge.in_order(text, wanted) == pytest.approx(6 / 9)
    assert rouge.in_order(["b", "a"], ["a", "b"]) == pytest.approx(0.5)
    assert rouge.shared(["a", "a"], ["a"], 1) == pytest.approx(2 / 3)
    assert rouge.shared(["a"], ["a"], 2) == 0.0
    both = rouge.rouge(["a b", "x"], ["a b", "y"])
    assert (both.one, both.two, both.longest, both.texts) == pytest.approx((50, 50, 50, 2))


def test_a_run_learns_to_copy_names_that_it_has_never_written(data: Path, tmp_path: Path) -> None:
    out, rows = tmp_path / "titles", list[dict[str, float]]()
    train_titles(data, out, RECIPE, CPU, vocabulary=120, shape=SHAPE, report=rows.append)
    assert rows[-1]["loss"] < rows[0]["loss"] / 2
    scores = score_titles(out, storage="int8")
    assert scores["test", "model"].longest > scores["test", "first sentence"].longest
    assert scores["test", "first 8 words"].texts == 36
    card = (out / "README.md").read_text(encoding="utf-8")
    assert f"| int8 | test | 36 | model | {scores['test', 'model'].one:.1f} |" in card
    assert "| float16 | test | 36 | model |" in card
    assert "144 papers before 2019-07-01 to train" in card
    model = load(out)
    assert isinstance(model, Summarizer)
    assert model.describe()["licence"] == "apache-2.0"
    [answer] = model.predict([Request("We show here Lifex there now then. It is good.")])
    assert isinstance(answer, Prediction)
    assert len(answer.output["p_gen"]) == len(answer.tokens)
    told = CliRunner().invoke(cli, ["evaluate", "--checkpoint", str(out), "--beam-size", "1", "--device", "cpu"])
    assert told.exit_code == 0, told.output
    best = scores["test", "model"]
    assert f"model: ROUGE-1 {best.one:.1f}, ROUGE-2 {best.two:.1f}, ROUGE-L {best.longest:.1f}" in told.output
    before = (out / "model.safetensors").read_bytes()
    train_titles(data, out, RECIPE, CPU, vocabulary=120, shape=SHAPE)  # nothing is left to do
    assert score_titles(out, storage="int8")["test", "model"] == scores["test", "model"]
    assert (out / "model.safetensors").read_bytes() == before
    assert json.loads((out / "training.json").read_text())["papers"] == {"train": 144, "valid": 36, "test": 36}


def test_an_unfinished_run_has_no_scores(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="finish there first"):
        score_titles(tmp_path)
