"""Chinese in one script: a token a character, and a model that reads both scripts."""

from pathlib import Path

import pytest

from heedmap.model.errors import InputError
from heedmap.model.native.tokenizer import SPECIAL, UNKNOWN, Tokenizer
from heedmap.model.training.chinese import simplified, table
from heedmap.model.training.languages import CHINESE, LANGUAGES, languages

TEXTS = ["我们在看书。", "谁是汤姆？", "他买了12本书。", "Who is reading a book?", "Tom bought twelve books."] * 3


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return CHINESE.tokenizer(TEXTS, 120)


def test_traditional_characters_become_simplified_ones() -> None:
    assert simplified("誰在看書？我瞭解你的計畫。") == "谁在看书？我了解你的计划。"
    assert table()["書"] == "书"
    assert "书" not in table()


def test_a_character_is_a_token_and_both_scripts_are_read(tokenizer: Tokenizer) -> None:
    """The spans are of the text as it was given; no mark of a word's beginning stands before a character."""
    simple, traditional = tokenizer.encode("谁在看书？"), tokenizer.encode("誰在看書？")
    assert simple.labels == ["谁", "在", "看", "书", "？", SPECIAL[2]]
    assert traditional.ids == simple.ids
    assert traditional.spans == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 5)]
    assert UNKNOWN not in simple.ids
    mixed = tokenizer.encode("我们 买 12本 book")
    assert mixed.labels[:6] == ["我", "们", "买", "▁", "1", "2"]
    assert mixed.spans[0:3] == [(0, 1), (1, 2), (3, 4)]
    assert tokenizer.encode("龘").ids[:-1] == [UNKNOWN]


def test_what_occurs_once_is_not_known_and_training_again_gives_the_same(tokenizer: Tokenizer) -> None:
    again = CHINESE.tokenizer([*TEXTS, "龘"], 120)
    assert again.backend.to_str() == tokenizer.backend.to_str()


def test_it_comes_back_from_its_file_without_opencc(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    monkeypatch.setitem(__import__("sys").modules, "opencc", None)
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    assert again.encode("誰在看書？") == tokenizer.encode("誰在看書？")
    assert again.decode(again.encode("Tom bought twelve books.").ids) == "Tom bought twelve books."


def test_a_pair_of_languages_is_known_or_refused() -> None:
    assert languages("zh-en") is CHINESE
    assert set(LANGUAGES) == {"de-en", "zh-en"}
    with pytest.raises(InputError, match="'en-fr' is no pair of languages that can be trained: choose de-en or zh-en"):
        languages("en-fr")
