"""JSON values are of the type that the description gives: nothing is converted behind the caller's back."""

from typing import Any

import pytest
from pydantic import ValidationError

from heedmap.app.requests.schemas import AttentionRequest, PredictRequest, check_head, parse_head
from heedmap.model.errors import ParameterError


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"do_sample": 0}, "true or false"),
        ({"do_sample": "no"}, "true or false"),
        ({"beam_size": True}, "a whole number"),
        ({"beam_size": "3"}, "a whole number"),
        ({"beam_size": 1.5}, "a whole number"),
        ({"temperature": "0.5"}, "a number"),
        ({"temperature": True}, "a number"),
        ({"return_timestamps": 0}, "text or true or false"),
        ({"src_lang": 7}, "text"),
    ],
)
def test_a_value_of_another_type_is_refused(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=f"expected {words}, got"):
        PredictRequest.model_validate({"inputs": "a", "parameters": parameters})


def test_what_is_of_the_type_is_taken() -> None:
    given = {"beam_size": 3.0, "temperature": 2, "do_sample": True, "return_timestamps": "word", "normalize": None}
    parameters = PredictRequest.model_validate({"inputs": "a", "parameters": given}).parameters
    assert parameters.model_dump(include=set(given)) == given
    assert AttentionRequest.model_validate({"q": [[1]], "return_weights": False}).return_weights is False


def test_a_flag_is_no_number_in_the_operator() -> None:
    with pytest.raises(ValidationError, match="expected true or false, got 0"):
        AttentionRequest.model_validate({"queries": [[1.0]], "return_weights": 0})


@pytest.mark.parametrize("head", [True, False, 1.5, "1", "some", None, [1], {}])
def test_a_head_is_a_whole_number_or_a_name(head: Any) -> None:
    with pytest.raises(ParameterError, match="expected a whole number, mean, max or all"):
        check_head(head)


def test_a_head_in_an_address_is_a_text() -> None:
    assert [parse_head(text) for text in ("0", "-1", "mean")] == [0, -1, "mean"]
    with pytest.raises(ParameterError, match=r"expected a number, .* got '1\.5'"):
        parse_head("1.5")
