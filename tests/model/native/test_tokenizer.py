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
    labels = [label for token, label in zip(encoding.ids, encoding.labels, strict=True) if token == UNKNOWN]
    assert "".join(labels) == "你好"


def test_saved_and_loaded(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    assert again.encode("Wo ist der Bahnhof?") == tokenizer.encode("Wo ist der Bahnhof?")
    assert len(again) == len(tokenizer) <= 200


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path / "tokenizer.json")


BLANK = [chr(n) for n in (9, 10, 11, 12, 13, 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200C), 0x2028, 0x2029)]
BLANK += ["\u202f", "\u205f", "\u3000"]


def kinds() -> list[Tokenizer]:
    """The shipped models', and what training makes."""
    weights = Path(__file__).parents[3] / "model" / "weights"
    shipped = [Tokenizer.load(weights / name / "tokenizer.json") for name in ("de-en", "de-en-gru")]
    return [*shipped, Tokenizer.train(["Ich habe keine Zeit.", "der alte Mann liest ein Buch."] * 4, 60)]


@pytest.mark.parametrize("tokenizer", kinds(), ids=["de-en", "de-en-gru", "trained"])
@pytest.mark.parametrize("blank", [*BLANK, "  ", "\r\n", "\n\n\t "], ids=ascii)
def test_every_blank_parts_words(tokenizer: Tokenizer, blank: str) -> None:
    words = ["Ich", "habe", "keine", "Zeit."]
    plain = tokenizer.encode(" ".join(words))
    for text in (blank.join(words), f"{blank}{blank.join(words)}{blank}"):
        encoded = tokenizer.encode(text)
        assert (encoded.ids, encoded.labels) == (plain.ids, plain.labels)
        covered = [text[start:stop] for start, stop in encoded.spans]
        assert covered == [" ".join(words)[start:stop] for start, stop in plain.spans]
        assert "".join(covered) == "".join(words), "the caller's own characters, and no blank"
        assert encoded.spans[-1] == (len(text), len(text))


def test_spans_survive_what_has_no_width() -> None:
    for tokenizer in kinds():
        text = "\ufeffIch\u00a0\u00a0ha\u00adbe \u00e4lte\u2028Zeit"
        encoded = tokenizer.encode(text)
        assert encoded.ids == tokenizer.encode("Ich habe \u00e4lte Zeit").ids
        covered = "".join(text[start:stop] for start, stop in encoded.spans)
        assert covered.replace("\u00ad", "") == "Ichhabe\u00e4lteZeit"


def test_blanks_alone_are_no_words() -> None:
    for tokenizer in kinds():
        assert tokenizer.encode("\u00a0 \n\u200b").ids == [END]
