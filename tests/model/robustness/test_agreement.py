"""Agreement of answers: by hand, and as sacrebleu has it."""

import pytest
from sacrebleu.metrics.chrf import CHRF

from heedmap.model.robustness.agreement import ChrF, TokenAgreement, measured_by


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
