"""Sentences, paragraphs and their tokens, worked by hand."""

import pytest

from heedmap.model.contract import Axis
from heedmap.model.sources.spans import Span, paragraphs, sentences, spans_of, token_ranges


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ('He said: "Go." Then he left.', ['He said: "Go."', "Then he left."]),
        ('"Go!" he said. (Why?) Nobody knows', ['"Go!" he said.', "(Why?)", "Nobody knows"]),
        (
            "Dr. Who met J. R. Smith at 3.5 km, e.g. here. Yes.",
            ["Dr. Who met J. R. Smith at 3.5 km, e.g. here.", "Yes."],
        ),
        ("Das ist z.B. so, bzw. anders. Ja.", ["Das ist z.B. so, bzw. anders.", "Ja."]),
        ("我喜欢北京。你呢？好！走", ["我喜欢北京。", "你呢？", "好！", "走"]),
        ("他说：“走吧。”然后走了。", ["他说：“走吧。”", "然后走了。"]),
        ("A title\n\nA line\nthat goes on. End", ["A title", "A line\nthat goes on.", "End"]),
        ("  \n\n ", []),
        ("...", ["..."]),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert [text[start:stop] for start, stop in sentences(text)] == parts


def test_paragraphs_are_what_empty_lines_part() -> None:
    text = "One.\nTwo.\n\n \nThree.\n"
    assert [text[start:stop] for start, stop in paragraphs(text)] == ["One.\nTwo.", "Three."]


def test_long_texts_are_split_in_linear_time() -> None:
    text = "Dr. " * 50_000
    assert len(sentences(text)) == 1
    assert len(sentences("No. " * 40_000)) == 40_000


def test_passages_are_joined_and_their_spans_count_in_both() -> None:
    whole, spans = spans_of([" One. Two.", "Three."], "passages")
    assert whole == " One. Two.\n\nThree."
    assert spans == [Span(0, 1, 10, 1, 10), Span(1, 0, 6, 12, 18)]
    _, spans = spans_of([" One. Two.", "Three."], "sentences")
    assert spans == [Span(0, 1, 5, 1, 5), Span(0, 6, 10, 6, 10), Span(1, 0, 6, 12, 18)]
    assert spans_of("One. Two.\n\nThree.", "passages")[1] == [Span(0, 0, 9, 0, 9), Span(0, 11, 17, 11, 17)]


def test_a_token_that_straddles_two_spans_is_the_firsts() -> None:
    # <s> | One | . T | wo | . | (blank) | 3 4 | .
    spans = [(0, 0), (0, 3), (3, 6), (6, 8), (8, 9), (9, 9), (10, 12), (12, 13)]
    axis = Axis("text", [""] * 8, [0] * 8, spans, [True] + [False] * 7)
    assert token_ranges(axis, range(1, 8), [(0, 4), (5, 9), (10, 11), (11, 13)]) == [(1, 3), (3, 5), (6, 7), (7, 8)]
    assert token_ranges(axis, range(1, 8), [(3, 4), (4, 6), (6, 9)]) == [(2, 3), (0, 0), (3, 5)]
