"""How well two answers agree, from 0 to 1."""

import re
from abc import ABC, abstractmethod
from difflib import SequenceMatcher
from importlib.util import find_spec
from typing import ClassVar

WORDS = re.compile(r"\w+|[^\w\s]")


class Agreement(ABC):
    """A way to compare an answer with what it should be."""

    name: ClassVar[str]

    @abstractmethod
    def of(self, answer: str, wanted: str) -> float:
        """1 for equal texts, 0 for those that share nothing."""


class ChrF(Agreement):
    """The F-score of character n-grams, by sacrebleu. Source: Popović, chrF, WMT 2015."""

    name: ClassVar[str] = "chrf"

    def __init__(self) -> None:
        from sacrebleu.metrics.chrf import CHRF  # an optional dependency

        self._metric = CHRF()

    def of(self, answer: str, wanted: str) -> float:
        """A hundredth of sacrebleu's sentence score."""
        if answer == wanted:
            return 1.0
        return float(self._metric.sentence_score(answer, [wanted]).score) / 100


class TokenAgreement(Agreement):
    """Twice the words in common, in order, over the words of both (Ratcliff and Obershelp 1988)."""

    name: ClassVar[str] = "token_agreement"

    def of(self, answer: str, wanted: str) -> float:
        """By difflib, over words and signs."""
        return SequenceMatcher(None, WORDS.findall(answer), WORDS.findall(wanted), autojunk=False).ratio()


def measured_by() -> Agreement:
    """chrF where sacrebleu is installed, else the agreement of words."""
    return ChrF() if find_spec("sacrebleu") is not None else TokenAgreement()
