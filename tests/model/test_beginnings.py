"""What is too long is refused by its beginning; what fits is answered as ever, however many characters it has."""

from pathlib import Path
from typing import Any

import pytest

from heedmap.model.beginnings import BLANK, CHARACTERS, SLACK, tokens_over
from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.errors import InputTooLong
from heedmap.model.load import load
from heedmap.model.native.tokenizer import SPECIAL, ByteTokenizer
from tests.model.hub import checkpoints
from tests.model.hub.serving import served

LONG = "the train is late " * 11_000  # 198,000 characters
PART = 20_000  # characters that may be tokenized of it at models of 512 positions and fewer


def test_a_beginning_tells_what_is_too_long() -> None:
    lengths: list[int] = []

    def words(part: str) -> int:
        lengths.append(len(part))
        return len(part.split())

    first = CHARACTERS * (10 + SLACK)
    over = tokens_over(LONG, 10, words)
    assert over is not None
    assert 10 < over <= 44_000
    assert len(lengths) == 1
    assert first - BLANK <= lengths[0] <= first


def test_what_may_fit_is_tokenized_whole() -> None:
    def words(part: str) -> int:
        return len(part.split())

    assert tokens_over("word", 10, words) is None
    assert tokens_over(" " * 100_000 + "word", 10, words) is None  # many characters, one token
    assert tokens_over("x" * 100_000, 10, words) is None
    assert tokens_over(LONG, None, words) is None
    assert tokens_over(LONG, 44_000, words) is None
    assert tokens_over(" " * 100_000 + LONG, 100, words) is not None  # the second or third beginning tells


def test_bytes_are_counted() -> None:
    tokenizer = ByteTokenizer.build()
    text = f"Köln{SPECIAL[2]} ü"
    assert len(tokenizer.encode(text).ids) == 9
    assert tokenizer.tokens_over(text, 9) is None
    assert tokenizer.tokens_over(text, 8) == 9


def watched(monkeypatch: pytest.MonkeyPatch, kind: Any, name: str) -> list[int]:
    """The lengths of the texts that a method of a class is called with from now on."""
    lengths: list[int] = []
    plain = getattr(kind, name)

    def counting(self: Any, text: str = "", *args: Any, **options: Any) -> Any:
        lengths.append(len(text or options.get("text_target", "")))
        return plain(self, text, *args, **options) if text else plain(self, *args, **options)

    monkeypatch.setattr(kind, name, counting)
    return lengths


def test_our_translator_tokenizes_a_part_of_what_is_too_long(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = load(str(tiny))
    lengths = watched(monkeypatch, type(model.tokenizer), "encode")
    [error] = model.predict([Request(LONG)])
    assert isinstance(error, InputTooLong)
    assert error.field == "inputs"
    assert "positions for 512" in str(error)
    [error] = model.predict([Request("the train", LONG)])
    assert (type(error), error.field) == (InputTooLong, "target")
    assert max(lengths) < PART


def test_blanks_are_no_tokens(tiny: Path) -> None:
    model: Any = load(str(tiny))
    parameters = Parameters(max_new_tokens=3)
    plain, spaced = model.predict(
        [Request("the train", None, parameters), Request(" " * 50_000 + "the train", None, parameters)]
    )
    assert isinstance(spaced, Prediction)
    assert (spaced.text, spaced.axes["source"].ids) == (plain.text, plain.axes["source"].ids)


@pytest.mark.parametrize(
    ("family", "changes", "task"),
    [
        ("bert", {"head": "sequence-classification"}, "text-classification"),
        ("llama", {}, "text-generation"),
        ("bart", {}, "translation"),
    ],
)
def test_models_of_the_hub_tokenize_a_part_of_what_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, changes: dict[str, Any], task: str
) -> None:
    model = served(getattr(checkpoints, family)(tmp_path, **changes), task)
    lengths = watched(monkeypatch, type(model.loaded.tokenizer), "__call__")
    requests = [Request(LONG)]
    if task != "text-classification":
        requests.append(Request("the train", LONG))
    errors = model.predict(requests)
    assert [(type(error), getattr(error, "field", None)) for error in errors] == [
        (InputTooLong, field) for field in ("inputs", "target")[: len(requests)]
    ]
    assert max(lengths) < PART
