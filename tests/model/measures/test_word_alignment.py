"""From maps to word links, with values worked by hand."""

import numpy as np
import pytest

from heedmap.model.measures.alignment import token_rows
from heedmap.model.measures.alignment_error import Links
from heedmap.model.measures.word_alignment import (
    Symmetrisation,
    aligned_words,
    content_words,
    null_columns,
    reversed_links,
    shared_words,
    symmetrise,
    word_scores,
)
from heedmap.model.prediction import Axis

# "ab c" by "x yz": the second row of a token is the row after it.
SOURCE = Axis("text", ["▁a", "b", "▁c", "</s>"], [4, 5, 6, 2], [(0, 1), (1, 2), (3, 4), (4, 4)], [False] * 3 + [True])
TARGET = Axis("text", ["▁x", "▁y", "z", "</s>"], [7, 8, 9, 2], [(0, 1), (2, 3), (3, 4), (4, 4)], [False] * 3 + [True])
MAP = np.array([[0.1, 0.2, 0.6, 0.1], [0.2, 0.5, 0.1, 0.2], [0.1, 0.0, 0.7, 0.2], [0.0, 0.1, 0.1, 0.8]])


def links(*pairs: str) -> Links:
    return frozenset((int(pair[0]), int(pair[1])) for pair in pairs)


def test_a_token_is_read_in_the_row_that_writes_it_or_in_the_next_one() -> None:
    np.testing.assert_array_equal(token_rows(MAP, "output"), MAP)
    np.testing.assert_array_equal(token_rows(MAP, "input"), MAP[[1, 2, 3, 3]])
    np.testing.assert_array_equal(token_rows(np.stack([MAP, 2 * MAP]), "input")[1], 2 * MAP[[1, 2, 3, 3]])


def test_words_are_linked_where_a_part_of_them_is() -> None:
    source, target = content_words(SOURCE), content_words(TARGET)
    assert [word.text for word in source] == ["ab", "c"]
    assert [word.text for word in target] == ["x", "yz"]
    # x looks at c; y at b and z at c
    assert aligned_words(MAP, target, source, "output") == links("10", "01", "11")
    # x looks at b and y at c; z, whose next row is the end's, at b as well as at c: the first
    assert aligned_words(MAP, target, source, "input") == links("00", "11", "01")
    assert aligned_words(MAP, target, source, "input", null=[3]) == links("00", "11"), "z looks at the end most"
    np.testing.assert_allclose(word_scores(MAP, target, source, "output"), [[0.2, 0.6], [0.5, 0.7]])


def test_of_a_head_that_shares_a_word_out_those_with_a_share_of_it_are_linked() -> None:
    source, target = content_words(SOURCE), content_words(TARGET)
    # x: ab has 0.5 + 0 and c 0.45. yz, the mean of both tokens: ab (0.5 + 0.1) / 2, c 0.1; the rest is at the end.
    shared = np.array([[0.5, 0.0, 0.45, 0.05], [0.3, 0.2, 0.1, 0.4], [0.05, 0.05, 0.1, 0.8], [0.0, 0.0, 0.0, 1.0]])
    assert shared_words(shared, target, source, "output") == links("00", "10")
    # Read as next inputs: x as y was, with 0.5 at ab; yz the mean of z's and the end's rows.
    assert shared_words(shared, target, source, "input") == links("00")
    # No word has a share at c that makes a link, and yz looks at it most: with a quarter of its weight they are linked.
    left = np.array([[0.6, 0.3, 0.05, 0.05], [0.05, 0.0, 0.3, 0.65], [0.1, 0.0, 0.2, 0.7], [0.0, 0.0, 0.0, 1.0]])
    assert shared_words(left, target, source, "output") == links("00", "11")
    assert shared_words(left - [0, 0, 0.01, 0], target, source, "output") == links("00")
    assert shared_words(shared, [], source, "output") == shared_words(shared, target, [], "input") == frozenset()


def test_what_the_vocabulary_does_not_know_is_a_word_of_the_text_all_the_same() -> None:
    axis = Axis(
        "text", ["▁", "‽", "▁a", "</s>"], [5, 3, 6, 2], [(0, 0), (0, 1), (2, 3), (3, 3)], [False, True, False, True]
    )
    assert [word.text for word in content_words(axis)] == ["‽", "a"]
    assert null_columns(axis) == [3]


def test_a_side_without_words_has_no_links() -> None:
    source = content_words(SOURCE)
    assert aligned_words(MAP, [], source, "output") == frozenset()
    assert aligned_words(MAP, source, [], "output", null=[3]) == frozenset()
    assert word_scores(MAP, [], source, "output").shape == (0, 2)


FORWARD, BACKWARD = links("00", "11", "12", "33", "41"), links("00", "11", "22", "34", "50")


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("intersection", links("00", "11")),
        ("union", FORWARD | BACKWARD),
        # 12 and 22 touch 11 or each other, 33 then 22, 34 then 33; 41 touches nothing that has grown and 50 neither,
        # but source words 4 and 5 have no link yet: the last step takes both.
        ("grow-diag-final", links("00", "11", "12", "22", "33", "34", "41", "50")),
    ],
)
def test_both_directions_are_joined(how: Symmetrisation, expected: Links) -> None:
    assert symmetrise(FORWARD, BACKWARD, how) == expected


def test_growing_takes_no_link_between_two_linked_words() -> None:
    forward, backward = links("00", "11", "01"), links("00", "11")
    assert symmetrise(forward, backward, "grow-diag-final") == backward


def test_links_turn_round() -> None:
    assert reversed_links(links("01", "23")) == links("10", "32")
