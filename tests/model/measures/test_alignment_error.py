"""Alignment error rates, worked by hand, and the hand-made alignments that ship."""

import json
from pathlib import Path

import pytest

from heedmap.model.errors import InputError
from heedmap.model.measures.alignment_error import (
    Reference,
    alignment_error_rate,
    parse_links,
    pharaoh,
    precision_recall,
    read_aligned,
)
from heedmap.model.words import split

DATA = Path(__file__).parents[2] / "data"
HAND_MADE = DATA / "alignments" / "de-en.tsv"


def test_links_are_read_and_written() -> None:
    assert parse_links("2p0 0-0 1-2") == Reference(frozenset({(0, 0), (1, 2)}), frozenset({(0, 0), (1, 2), (2, 0)}))
    assert parse_links("") == Reference(frozenset(), frozenset())
    assert pharaoh({(10, 0), (2, 1)}) == "2-1 10-0"


@pytest.mark.parametrize("text", ["0:0", "0-", "-1-0", "0-0,1-1", "0-0-1", "a-b", "٣-0"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected links such as 0-0 1-2"):
        parse_links(text)


def test_the_error_rate_is_och_and_neys() -> None:
    reference = parse_links("0-0 1-1 2p1 2p2")
    links = frozenset({(0, 0), (2, 1), (3, 3)})
    # |A & S| = 1, |A & P| = 2, |A| = 3, |S| = 2
    assert alignment_error_rate([(links, reference)]) == pytest.approx(1 - 3 / 5)
    assert precision_recall([(links, reference)]) == (pytest.approx(2 / 3), pytest.approx(1 / 2))
    assert alignment_error_rate([(reference.sure, reference)]) == 0
    assert alignment_error_rate([(reference.possible, reference)]) == 0, "possible links do no harm"
    assert alignment_error_rate([(frozenset(), reference)]) == 1
    assert alignment_error_rate([]) == 0


def test_pairs_count_by_their_links_not_alike() -> None:
    short = frozenset({(0, 1)}), parse_links("0-0")
    long = frozenset({(n, n) for n in range(3)}), parse_links("0-0 1-1 2-2")
    assert alignment_error_rate([short, long]) == pytest.approx(1 - (3 + 3) / (4 + 4))


def test_the_hand_made_alignments_are_of_held_out_sentences_and_inside_their_words() -> None:
    pairs = read_aligned(HAND_MADE)
    held_out = [json.loads(line) for line in (DATA / "de-en" / "test.jsonl").read_text("utf-8").splitlines()]
    references = {row["source"]: row["targets"] for row in held_out}
    assert len(pairs) == len({pair.source for pair in pairs}) == 68
    for pair in pairs:
        assert pair.target in references[pair.source]
        assert pair.reference.sure
        for source, target in pair.reference.possible:
            assert source < len(split(pair.source)), pair
            assert target < len(split(pair.target)), pair


def test_no_word_of_the_hand_made_alignments_was_forgotten() -> None:
    """What has no link is what the guidelines name; a word forgotten would be one more."""
    without = []
    for pair in read_aligned(HAND_MADE):
        for text, side in ((pair.source, 0), (pair.target, 1)):
            linked = {link[side] for link in pair.reference.possible}
            words = [text[start:stop] for start, stop in split(text)]
            without += [word for place, word in enumerate(words) if place not in linked and word != ","]
    assert len(without) < 40, without


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "links.tsv"
    path.write_text("a\tb\t0-0\na\tb\t0=0\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"links\.tsv line 2: expected links"):
        read_aligned(path)
    path.write_text("a\tb\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"links\.tsv line 1: expected source, target and links"):
        read_aligned(path)
