"""Text to tokens and back, and the characters that each token stands for."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heedmap.model.errors import CheckpointError
from heedmap.model.native.tokenizer import END, PAD, SPECIAL, START, UNKNOWN, Tokenizer

GERMAN = st.text(alphabet="abcdefghijklmnopqrstuvwxyzäöüßABCDE .,?!\"'-0123", min_size=1, max_size=60)


def test_special_ids_are_those_of_the_exported_layout(tokenizer: Tokenizer) -> None:
    assert (START, PAD, END, UNKNOWN) == (0, 1, 2, 3)
    assert [tokenizer.backend.id_to_token(i) for i in range(4)] == list(SPECIAL)


def test_a_sentence_by_hand(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode("Wo ist?")
    text = "Wo ist?"
    assert encoding.ids[-1] == END
    assert encoding.labels[-2:] == ["?", "</s>"]
    assert encoding.spans[-2:] == [(6, 7), (7, 7)]
    assert "".join(text[a:b] for a, b in encoding.spans) == "Woist?"


@settings(max_examples=200, deadline=None)
@given(GERMAN)
def test_spans_cover_every_letter_once_and_in_order(tokenizer: Tokenizer, text: str) -> None:
    encoding = tokenizer.encode(text)
    covered = "".join(text[a:b] for a, b in encoding.spans)
    assert covered == "".join(text.split())
    assert all(a <= b for a, b in encoding.spans)
    assert [a for a, _ in encoding.spans] == sorted(a for a, _ in encoding.spans)


@settings(max_examples=200, deadline=None)
@given(GERMAN)
def test_decoded_spans_spell_the_decoded_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text).ids
    decoded, described = tokenizer.decode(ids), tokenizer.describe(ids)
    for (start, stop), label in zip(described.spans, described.labels, strict=True):
        expected = "" if label in SPECIAL else label.replace("▁", " ").strip()
        assert decoded[start:stop] == expected


def test_unknown_characters_keep_their_own_label(tokenizer: Tokenizer) -> None:
    encoding = tokenizer.encode("Köln 你好")
    assert UNKNOWN in encoding.ids
    shown = [label for token, label in zip(encoding.ids, encoding.labels, strict=True) if token == UNKNOWN]
    assert "".join(shown) == "你好"


def test_saved_and_loaded(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    assert again.encode("Wo ist der Bahnhof?") == tokenizer.encode("Wo ist der Bahnhof?")
    assert len(again) == len(tokenizer) <= 200


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path / "tokenizer.json")
