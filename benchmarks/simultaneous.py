"""Simultaneous translation of held-out sentences: BLEU against lag, for AlignAtt, for wait-k, and for waiting.

python -m benchmarks.simultaneous [--checkpoint FOLDER] [--sentences N]
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.measure import Report
from heedmap.model.contract import Parameters
from heedmap.model.load import load
from heedmap.model.measures.lagging import average_lagging, length_adaptive_lagging
from heedmap.model.simultaneous import AlignAtt, LiveAnswer, LiveRequest, WaitK
from heedmap.model.training.data import Reference
from heedmap.model.training.evaluate import score, translate
from heedmap.model.training.run import read_references
from heedmap.model.words import split

ROOT = Path(__file__).parents[1]
CHECKPOINT = ROOT / "model" / "weights" / "de-en"
HELD_OUT = ROOT / "tests" / "data" / "de-en" / "test.jsonl"
SENTENCES = 150
FRAMES = (1, 2, 3, 4, 5, 6)
KS = (1, 2, 3, 4, 5, 6, 7)
PASS = 128  # sentences that go on together
Policy = AlignAtt | WaitK


@dataclass
class Interpreted:
    """A sentence on its way: the ends of its words, what is committed, and when each word was."""

    text: str
    ends: list[int]
    ids: tuple[int, ...] = ()
    target: str = ""
    delays: list[int] = field(default_factory=list)


def interpret(model: object, sources: Sequence[str], policy: Policy) -> list[Interpreted]:
    """Each source word by word, with the translation that was there after each."""
    lines = [Interpreted(text, [stop for _, stop in split(text)]) for text in sources]
    order = sorted(lines, key=lambda line: len(line.ends))
    for read in range(1, len(order[-1].ends) + 1):
        reading = [line for line in order if len(line.ends) >= read]
        for start in range(0, len(reading), PASS):
            some = reading[start : start + PASS]
            requests = [
                LiveRequest(line.text[: line.ends[read - 1]], line.ids, read == len(line.ends), policy) for line in some
            ]
            for line, answer in zip(some, model.simultaneous(requests), strict=True):  # type: ignore[attr-defined]
                assert isinstance(answer, LiveAnswer), answer
                line.ids, line.target = tuple(answer.committed), answer.text
                line.delays += [read] * (len(split(line.target)) - len(line.delays))
    return lines


def row_of(name: str, lines: Sequence[Interpreted], references: Sequence[Reference]) -> list[str]:
    """A line of the table."""
    bleu, _, chrf, _ = score([line.target for line in lines], references)
    al, laal = [], []
    for line, reference in zip(lines, references, strict=True):
        if line.delays:
            length = max(len(split(target)) for target in reference.targets)
            al.append(average_lagging(line.delays, len(line.ends)))
            laal.append(length_adaptive_lagging(line.delays, len(line.ends), length))
    return [name, f"{bleu:.1f}", f"{chrf:.1f}", f"{np.mean(al):.2f}", f"{np.mean(laal):.2f}"]


def measure(
    checkpoint: Path = CHECKPOINT,
    sentences: int = SENTENCES,
    frames: Sequence[int] = FRAMES,
    ks: Sequence[int] = KS,
) -> Report:
    """Every policy on the same sentences, which are the first of the held-out ones."""
    references = read_references(HELD_OUT)[:sentences]
    sources = [reference.source for reference in references]
    model = load(checkpoint)
    policies: list[tuple[str, Policy]] = [(f"AlignAtt, f = {f}", AlignAtt(frames=f)) for f in frames]
    policies += [(f"wait-k, k = {k}", WaitK(kind="wait-k", k=k)) for k in ks]
    rows = [row_of(name, interpret(model, sources, policy), references) for name, policy in policies]
    lines = [Interpreted(text, [stop for _, stop in split(text)]) for text in sources]
    for line, target in zip(lines, translate(model, sources, Parameters()), strict=True):
        line.target, line.delays = target, [len(line.ends)] * len(split(target))
    rows.append(row_of("waiting for the end", lines, references))
    lengths = [len(line.ends) for line in lines]
    about = (
        f"{len(lines)} held-out German sentences of {min(lengths)} to {max(lengths)} words (mean "
        f"{np.mean(lengths):.1f}, punctuation counted) into English by {checkpoint.name}, greedily, word by word as "
        "they come in; the model was trained on whole sentences alone. Average lagging (AL, Ma et al. 2019) and its "
        "length-adaptive form (LAAL, Papi et al. 2022) are in source words. AlignAtt (Papi et al. 2023) commits a "
        "token while it looks at a source word before the last f; wait-k (Ma et al. 2019) writes its first word when "
        "k are read, and one more with each."
    )
    return Report("Simultaneous", about, ["policy", "BLEU", "chrF", "AL", "LAAL"], rows, verdicts(rows))


def verdicts(rows: Sequence[Sequence[str]]) -> list[str]:
    """Each AlignAtt beside waiting for the end, and beside the quickest wait-k that lags no less."""
    scored = [(row[0], float(row[1]), float(row[4])) for row in rows]
    whole = scored[-1]
    said = []
    for name, bleu, lag in scored:
        slower = [other for other in scored if other[0].startswith("wait-k") and other[2] >= lag]
        if name.startswith("AlignAtt") and slower:
            anchor = min(slower, key=lambda other: other[2])
            said.append(
                f"{name}: {bleu - whole[1]:+.1f} BLEU beside waiting for the end at {lag / whole[2]:.0%} of its lag; "
                f"{bleu - anchor[1]:+.1f} beside {anchor[0]}, which lags {anchor[2] - lag:.2f} words more"
            )
    return said


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--sentences", type=int, default=SENTENCES)
    options = parser.parse_args(arguments)
    print(measure(options.checkpoint, options.sentences).markdown())


if __name__ == "__main__":
    main()
