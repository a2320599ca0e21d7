"""Agreement of answers: by hand, and as sacrebleu has it."""

from collections.abc import Sequence
from typing import Any

import pytest
from sacrebleu.metrics.chrf import CHRF

from heedmap.model.prediction import Prediction
from heedmap.model.robustness.agreement import ChrF, Judgement, TokenAgreement, judged, measured_by


def test_words_in_common_by_hand() -> None:
    agreement = TokenAgreement()
    assert agreement.of("the cat sat .", "the cat sat .") == 1
    assert agreement.of("the cat sat.", "a dog") == 0
    assert agreement.of("the cat sat.", "the dog sat.") == pytest.approx(6 / 8)
    assert agreement.of("", "") == 1


def test_chrf_is_sacrebleus() -> None:
    answer, wanted = "Where is the station?", "Where is the train station?"
    assert ChrF().of(answer, wanted) == pytest.approx(CHRF().sentence_score(answer, [wanted]).score / 100)
    assert ChrF().of(wanted, wanted) == ChrF().of("", "") == 1
    assert measured_by().name == "chrf"


def prediction(output: Any = None, text: str = "", tokens: Sequence[str] = ()) -> Prediction:
    """An answer without axes."""
    if output is None:
        return Prediction(text, list(tokens), 0.0, {})
    return Prediction.from_json(output, {})


def test_labels_agree_by_their_scores() -> None:
    plain = prediction([{"label": "a", "score": 0.75}, {"label": "b", "score": 0.25}])
    other = prediction([{"label": "b", "score": 0.5}, {"label": "a", "score": 0.5}])
    texts = TokenAgreement()
    assert judged(plain, plain, None, texts) == Judgement(1.0, 1.0, "scores")
    assert judged(other, plain, None, texts) == Judgement(0.0, 0.75 / 1.25, "scores")
    assert judged(other, plain, "a", texts) == Judgement(0.0, 0.5, "scores")
    assert judged(plain, plain, "a", texts).exact == 1
    assert judged(plain, plain, "c", texts) == Judgement(0.0, 0.0, "scores")


def test_numbers_agree_by_their_cosine_and_texts_by_their_words() -> None:
    texts = TokenAgreement()
    one, other = prediction([1.0, 0.0]), prediction([1.0, 1.0])
    assert judged(one, one, None, texts) == Judgement(1.0, 1.0, "cosine")
    assert judged(other, one, None, texts).agreement == pytest.approx(0.5**0.5)
    assert judged(prediction([-1.0, 0.0]), one, None, texts).agreement == 0
    assert judged(prediction([1.0]), one, None, texts).agreement == 0
    said, wanted = prediction(text="a b", tokens=["a", "b"]), prediction(text="a c", tokens=["a", "c"])
    assert judged(said, wanted, None, texts) == Judgement(0.0, 0.5, "token_agreement")
    assert judged(said, wanted, "a b", texts).exact == 1


def test_spans_agree_by_what_they_were_found_to_be() -> None:
    texts = TokenAgreement()
    plain = prediction([{"entity_group": "PER", "word": "Ann", "score": 0.9}])
    other = prediction([{"entity_group": "LOC", "word": "Ann", "score": 0.9}])
    assert judged(other, plain, None, texts) == Judgement(0.0, 0.5, "token_agreement")
    assert judged(prediction([]), plain, None, texts).agreement == 0
