"""What an objective may be, and the words that it names."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from heedmap.model.contract import Objective
from heedmap.model.errors import ParameterError, RangeError
from heedmap.model.one_token import one_token
from heedmap.model.trace.gradient import of_label, of_tokens


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "of tokens or of a label"),
        ({"tokens": [1], "label": "x"}, "of tokens or of a label"),
        ({"tokens": []}, "a list of 1 to"),
        ({"tokens": ["1"]}, "expected a whole number"),
        ({"tokens": [True]}, "expected a whole number"),
        ({"tokens": "some"}, "all"),
        ({"label": "x", "minus": ["y", "z"]}, "one other, not with 2"),
        ({"tokens": [1, 2, 3], "minus": ["y", "z"]}, "one word or with 3, not with 2"),
        ({"tokens": [1], "plus": 1}, "Extra"),
    ],
)
def test_what_is_no_objective(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Objective(**given)


def test_json_has_what_was_given() -> None:
    for given in ({"tokens": [3], "minus": [7]}, {"tokens": "all"}, {"label": "good", "minus": ["bad"]}):
        assert Objective(**given).to_json() == given  # type: ignore[arg-type]


def test_values_worked_by_hand() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [1.0, 0.0, 0.0]]).log()  # probabilities 0, 2/3, 1/3 and 1, 0, 0
    ids = [1, 0]

    def token(word: int | str, _: str) -> int:
        return int(word)

    assert float(of_tokens(Objective(tokens=(0,)), logits, ids, token)) == pytest.approx(-0.405465)
    assert float(of_tokens(Objective(tokens="all"), logits, ids, token)) == pytest.approx(-0.405465)
    assert float(of_tokens(Objective(tokens="all"), logits, ids, token, 1)) == pytest.approx(0)
    assert float(of_tokens(Objective(tokens=(-2,), minus=(2,)), logits, ids, token)) == pytest.approx(0.693147)
    with pytest.raises(RangeError, match="the output has 2, 0 to 1"):
        of_tokens(Objective(tokens=(2,)), logits, ids, token)
    with pytest.raises(RangeError, match="empty"):
        of_tokens(Objective(tokens="all"), logits[:0], [], token)
    with pytest.raises(ParameterError, match="2 tokens are compared"):
        of_tokens(Objective(tokens="all", minus=(1, 1, 1)), logits, ids, token)
    scores = torch.tensor([1.0, -2.0])
    assert float(of_label(Objective(label="yes"), scores, ["no", "yes"])) == -2
    assert float(of_label(Objective(label=0, minus=("yes",)), scores, ["no", "yes"])) == 3
    with pytest.raises(ParameterError, match="this model knows no, yes"):
        of_label(Objective(label="maybe"), scores, ["no", "yes"])


def test_a_word_is_one_token_or_refused() -> None:
    vocabulary = {"▁house": 5, "house": 6, "h": 7, "ouse": 8, "<unk>": 3}

    def encode(text: str) -> list[int]:
        return {" house": [5], "house": [6], " h": [7, 9], "h": [7], " ouse": [3], "ouse": [3]}.get(text, [3, 3])

    def one(word: int | str) -> int:
        return one_token(word, "f", 10, encode, vocabulary.get, 3)

    assert one("house") == 5  # at a word's beginning, where both are there
    assert one("▁house") == 5
    assert one("h") == 7
    assert one("ouse") == 8
    assert one(9) == 9
    for wrong in ("mansion", "<unk>", 10, -1):
        with pytest.raises(ParameterError) as caught:
            one(wrong)
        assert caught.value.field == "f"
