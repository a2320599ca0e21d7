"""How good a translation model is: BLEU and chrF on held-out sentences, with every reference that they have."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heedmap.model.contract import Parameters, Prediction, Request, Served
from heedmap.model.errors import InputError
from heedmap.model.load import load
from heedmap.model.training.data import Reference

BATCH = 64  # sentences of like lengths decoded together


@dataclass(frozen=True)
class Scores:
    """Corpus scores with the signatures that make them comparable."""

    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str
    sentences: int
    seconds: float


def translate(
    model: Served[Any],
    sources: Sequence[str],
    parameters: Parameters,
    report: Callable[[int], None] = lambda done: None,
) -> list[str]:
    """Translations in the order of the sources; `report` hears how many are done."""
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    texts = [""] * len(sources)
    for start in range(0, len(order), BATCH):
        members = order[start : start + BATCH]
        for index, result in zip(
            members, model.predict([Request(sources[i], None, parameters) for i in members]), strict=True
        ):
            if isinstance(result, Prediction):
                texts[index] = result.text
        report(start + len(members))
    return texts


def score(hypotheses: Sequence[str], references: Sequence[Reference]) -> tuple[float, str, float, str]:
    """BLEU and chrF by sacreBLEU (Post 2018), each with its signature; sentences may differ in their references."""
    from sacrebleu.metrics.bleu import BLEU  # an optional dependency, of training alone
    from sacrebleu.metrics.chrf import CHRF

    most = max(len(r.targets) for r in references)
    streams: Any = [  # None where a sentence has no more references: more than sacreBLEU's types admit
        [r.targets[i] if i < len(r.targets) else None for r in references] for i in range(most)
    ]
    bleu, chrf = BLEU(), CHRF()
    values = bleu.corpus_score(list(hypotheses), streams).score, chrf.corpus_score(list(hypotheses), streams).score
    return values[0], str(bleu.get_signature()), values[1], str(chrf.get_signature())


def evaluate(
    folder: Path,
    references: Sequence[Reference],
    device: str = "cpu",
    parameters: Parameters | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> Scores:
    """Translate every source with the checkpoint in `folder` and score the result.

    Raises:
        InputError: there is nothing to evaluate.
        CheckpointError: the folder is not a sound checkpoint.
    """
    if not references:
        raise InputError("there are no sentences to evaluate")
    model = load(folder, device)
    start = time.monotonic()
    hypotheses = translate(model, [r.source for r in references], parameters or Parameters(), report)
    seconds = time.monotonic() - start
    return Scores(*score(hypotheses, references), sentences=len(references), seconds=seconds)
