"""How well two answers agree, from 0 to 1."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from heedmap.model.prediction import Prediction

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


@dataclass(frozen=True)
class Judgement:
    """How well one answer agrees with another: whether it is the same, 0 or 1, and how far, 0 to 1, and by what."""

    exact: float
    agreement: float
    by: str


def judged(answer: Prediction, plain: Prediction, reference: str | None, texts: Agreement) -> Judgement:
    """An answer against the one to the input as it is, or against a reference.

    Texts by `texts`. Labels with scores by the scores' overlap, sum of the lesser over sum of the greater (Ruzicka
    1958), or by the reference's score. Numbers alone by their cosine, where it is positive.
    """
    mine, its = (_scores(each.output) for each in (answer, plain))
    if mine is not None and its is not None:
        wanted = plain.text if reference is None else reference
        if reference is not None:
            return Judgement(float(answer.text == wanted), min(1.0, max(0.0, mine.get(wanted, 0.0))), "scores")
        names = mine.keys() | its.keys()
        pairs = [sorted((mine.get(name, 0.0), its.get(name, 0.0))) for name in names]
        most = sum(high for _, high in pairs)
        overlap = 1.0 if mine == its else max(0.0, sum(low for low, _ in pairs) / most if most > 0 else 0.0)
        return Judgement(float(answer.text == wanted), overlap, "scores")
    if not plain.text and _numeric(plain.output) and reference is None:
        cosine = _cosine(answer.output, plain.output)
        return Judgement(float(cosine > 1 - 1e-6), max(0.0, cosine), "cosine")
    said = _said(answer)
    wanted = _said(plain) if reference is None else reference
    return Judgement(float(said == wanted), texts.of(said, wanted), texts.name)


def _scores(output: Any) -> dict[str, float] | None:
    """Labels, or words behind a mask, with their scores; None where the answer is something else."""
    if not isinstance(output, list) or not output or not all(isinstance(entry, dict) for entry in output):
        return None
    name = next((name for name in ("label", "token_str") if name in output[0]), None)
    if name is None or any(name not in entry or not isinstance(entry.get("score"), float) for entry in output):
        return None
    return {str(entry[name]): entry["score"] for entry in output}


def _numeric(output: Any) -> bool:
    while isinstance(output, list) and output:
        output = output[0]
    return isinstance(output, float)


def _cosine(one: Any, other: Any) -> float:
    """Of all numbers of both; -1 where there are not as many."""
    first, second = (np.asarray(each, np.float64).ravel() for each in (one, other))
    if first.shape != second.shape:
        return -1.0
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norms if norms else float(np.array_equal(first, second))


def _said(answer: Prediction) -> str:
    """An answer as a text: of spans, each with what it was found to be."""
    if answer.tokens or not isinstance(answer.output, list):
        return answer.text
    entries = [entry for entry in answer.output if isinstance(entry, dict)]
    names = ("entity_group", "entity", "word")
    parts = [" ".join(str(entry[name]) for name in names if name in entry) for entry in entries]
    return " ".join(parts) if any(parts) else answer.text
