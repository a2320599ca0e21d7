"""Perturbed texts: exact counts, exact places, the same by the same seed."""

import numpy as np
import pytest

from heedmap.model.errors import ParameterError
from heedmap.model.robustness.keyboards import QWERTY, QWERTZ
from heedmap.model.robustness.text import perturbations, share_of, swaps, typing_errors

TEXT = "Gestern habe ich im alten Garten ein interessantes Buch gelesen."


def test_distances_of_keys_by_hand() -> None:
    assert QWERTY.distance("q", "w") == 1
    assert QWERTY.distance("q", "a") == pytest.approx((0.25**2 + 1) ** 0.5)
    assert QWERTY.distance("a", "z") == pytest.approx((0.5**2 + 1) ** 0.5)
    assert QWERTY.distance("Q", "p") == 9
    assert QWERTY.distance("q", "\u00fc") is None
    assert QWERTZ.distance("p", "\u00fc") == 1
    assert QWERTZ.distance("t", "z") == QWERTY.distance("t", "y") == 1
    assert [key for key, _ in QWERTY.near("g")] == ["f", "h", "t", "b", "v", "y"]
    assert "z" in [key for key, _ in QWERTZ.near("g")]


def test_shares_are_rounded_to_the_nearest() -> None:
    assert [share_of(0.1, most) for most in (0, 4, 5, 10, 15)] == [0, 0, 1, 1, 2]
    with pytest.raises(ParameterError, match=r"from 0 to 1, got 1\.5"):
        share_of(1.5, 3)


@pytest.mark.parametrize("name", perturbations())
def test_nothing_changes_at_strength_0_and_the_same_by_the_same_seed(name: str) -> None:
    perturb = perturbations()[name]
    unchanged = perturb(TEXT, 0.0, np.random.default_rng(0))
    assert (unchanged.text, unchanged.touched) == (TEXT, [])
    once, again, other = (perturb(TEXT, 0.3, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert once == again != other
    for empty in ("", " ", "?"):
        assert perturb(empty, 1.0, np.random.default_rng(0)).text == empty


def test_typing_errors_are_near_keys_at_the_places_they_name() -> None:
    letters = sum(character.isalpha() for character in TEXT)
    made = typing_errors(TEXT, 0.25, np.random.default_rng(3), QWERTZ)
    assert len(made.touched) == share_of(0.25, letters)
    assert len(made.text) == len(TEXT)
    changed = [at for at, pair in enumerate(zip(TEXT, made.text, strict=True)) if pair[0] != pair[1]]
    assert [(at, at + 1) for at in changed] == made.touched
    for at in changed:
        distance = QWERTZ.distance(TEXT[at], made.text[at])
        assert distance is not None
        assert 0 < distance <= 1.5
    assert typing_errors("GG", 1.0, np.random.default_rng(0)).text.isupper()


def test_near_keys_are_hit_more_often() -> None:
    draw = np.random.default_rng(0)
    hits = [typing_errors("g", 1.0, draw).text for _ in range(4000)]
    odds = {key: distance**-2 for key, distance in QWERTY.near("g")}
    for key, odd in odds.items():
        assert hits.count(key) / len(hits) == pytest.approx(odd / sum(odds.values()), abs=0.03)


def test_swaps_keep_every_letter() -> None:
    made = swaps("abcd ee fg", 1.0, np.random.default_rng(0))
    assert (made.text, made.touched) == ("badc ee gf", [(0, 2), (2, 4), (8, 10)])


def test_casing_flips_what_has_a_case_of_one_letter() -> None:
    assert perturbations()["casing"]("Stra\u00dfe 7", 1.0, np.random.default_rng(0)).text == "sTRA\u00dfE 7"


def test_words_are_dropped_with_their_space_and_never_all() -> None:
    drop = perturbations()["dropped_words"]
    words = ["one", "two", "three"]
    for seed in range(5):
        made = drop("one two three", 0.5, np.random.default_rng(seed))
        [(start, stop)] = made.touched
        assert made.text.split() == [word for word in words if word != "one two three"[start:stop]]
        assert "  " not in made.text
        assert made.text == made.text.strip()
        assert len(drop("one two three", 1.0, np.random.default_rng(seed)).text.split()) == 1
    assert drop("alone", 1.0, np.random.default_rng(0)).text == "alone"
