"""Word alignments beside eflomal's, on pairs aligned by hand: error rates, and seconds a thousand sentences.

eflomal (GPL 3, not a dependency of ours) is a command, found on the PATH: `pip install eflomal` in an environment of
its own, which takes a C compiler. It has no model: it learns from the pairs that it aligns, so it gets the whole
corpus, the pairs aligned by hand among them. Both see the words of `heedmap.model.words.split`.

    python -m benchmarks.alignment [--checkpoint FOLDER ...] [--corpus FILE] [--links FILE]

`--links` writes eflomal's symmetrised links of the whole corpus, a line a pair: what `heedmap train --align` reads.
"""

import argparse
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measure import Report, verdict
from heedmap.model.contract import Request
from heedmap.model.load import load
from heedmap.model.measures.aligner import HeadChoice, align
from heedmap.model.measures.alignment import CROSS
from heedmap.model.measures.alignment_error import (
    Aligned,
    Links,
    alignment_error_rate,
    parse_links,
    pharaoh,
    precision_recall,
    read_aligned,
)
from heedmap.model.measures.word_alignment import READINGS, symmetrise
from heedmap.model.taught_head import Reading
from heedmap.model.trace.trace import Trace
from heedmap.model.training.data import Pair, read_pairs
from heedmap.model.words import split

ROOT = Path(__file__).parents[1]
CHECKPOINTS = (ROOT / "model" / "weights" / "de-en",)
HAND_MADE = ROOT / "tests" / "data" / "alignments" / "de-en.tsv"
COMMAND = "eflomal-align"
CORPUS = ROOT / "data" / "deu-eng.zip"  # of manythings.org/anki; where it lies there, eflomal learns from it
TARGET, GOAL = 0.10, 0.06  # error rates of a head that was taught
PASS = 64  # pairs traced together
Row = list[str]


def words(text: str) -> str:
    """A text's words with spaces between, as aligners read them."""
    return " ".join(text[start:stop] for start, stop in split(text))


def traces_of(folder: Path, pairs: Sequence[Aligned]) -> tuple[list[Trace], float]:
    """A trace of each pair, and the seconds a thousand that tracing and aligning took."""
    model = load(folder)
    requests = [Request(pair.source, pair.target) for pair in pairs]
    model.trace(requests[:PASS])  # so that what happens once is not counted
    traces: list[Trace] = []
    start = time.perf_counter()
    for first in range(0, len(requests), PASS):
        for trace in model.trace(requests[first : first + PASS]):
            assert isinstance(trace, Trace), trace
            align(trace)
            traces.append(trace)
    return traces, 1000 * (time.perf_counter() - start) / len(pairs)


def rows_of(name: str, traces: Sequence[Trace], pairs: Sequence[Aligned], seconds: float) -> tuple[list[Row], float]:
    """A model's best head in each reading, the mean of its last layer, and what it chooses itself; that one's rate."""
    layers, heads = len(traces[0].layers[CROSS]), traces[0].layers[CROSS][0].heads

    def links(choice: HeadChoice) -> list[Links]:
        return [align(trace, choice).links for trace in traces]

    def rate(choice: HeadChoice) -> float:
        return error_rate(links(choice), pairs)

    rows = []
    for reading in READINGS:
        choices = [HeadChoice(layer, head, reading) for layer in range(layers) for head in range(heads)]
        best = min(choices, key=rate)
        rows.append(
            row(f"{name}: best head, layer {best.layer} head {best.head}", reading, links(best), pairs, seconds)
        )
        mean = HeadChoice(layers - 1, "mean", reading)
        rows.append(row(f"{name}: mean of the last layer", reading, links(mean), pairs, seconds))
    taught = "alignment" in traces[0].model
    label = "the head that was taught" if taught else "mean of all heads, its default"
    own = [align(trace) for trace in traces]
    seen: set[Reading] = {each.reading for each in own}
    rows.append(row(f"{name}: {label}", " or ".join(sorted(seen)), [each.links for each in own], pairs, seconds))
    return rows, error_rate([each.links for each in own], pairs)


def error_rate(links: Iterable[Links], pairs: Sequence[Aligned]) -> float:
    """The alignment error rate over all pairs."""
    return alignment_error_rate(zip(links, (pair.reference for pair in pairs), strict=True))


def row(label: str, reading: str, links: Sequence[Links], pairs: Sequence[Aligned], seconds: float) -> Row:
    """A line of the table."""
    precision, recall = precision_recall(zip(links, (pair.reference for pair in pairs), strict=True))
    rate = error_rate(links, pairs)
    return [label, reading, f"{rate:.3f}", f"{precision:.3f}", f"{recall:.3f}", f"{seconds:.2f}"]


def eflomal(pairs: Sequence[Pair]) -> tuple[list[Links], list[Links], float]:
    """eflomal's links of both directions, source first in both, and the seconds that it took."""
    with TemporaryDirectory() as scratch:
        paths = {name: Path(scratch) / name for name in ("source", "target", "forward", "backward")}
        for side in ("source", "target"):
            lines = (words(getattr(pair, side)) for pair in pairs)
            paths[side].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        files = ["-s", paths["source"], "-t", paths["target"], "-f", paths["forward"], "-r", paths["backward"]]
        start = time.perf_counter()
        subprocess.run([COMMAND, *map(str, files), "--overwrite", "-m", "3"], check=True, capture_output=True)
        seconds = time.perf_counter() - start
        forward, backward = (
            [parse_links(line).sure for line in paths[name].read_text("utf-8").splitlines()]
            for name in ("forward", "backward")
        )
    return forward, backward, seconds


def places(pairs: Sequence[Pair], wanted: Sequence[Aligned]) -> list[int]:
    """Where in a corpus the hand-aligned pairs stand."""
    by_pair = {(pair.source, pair.target): place for place, pair in enumerate(pairs)}
    return [by_pair[each.source, each.target] for each in wanted]


def measure(checkpoints: Sequence[Path] = CHECKPOINTS, corpus: Path = CORPUS, links_to: Path | None = None) -> Report:
    """Error rates of every model's heads and of eflomal, where it and a corpus are there.

    corpus: English-German pairs as the training reads them; links_to: where eflomal's links of all of it go.
    """
    pairs = read_aligned(HAND_MADE)
    rows: list[Row] = []
    rates: dict[str, float] = {}
    for folder in checkpoints:
        traces, seconds = traces_of(folder, pairs)
        some, rates[folder.name] = rows_of(folder.name, traces, pairs, seconds)
        rows += some
    if corpus.exists() and shutil.which(COMMAND):
        whole = read_pairs(corpus, swap=True)
        forward, backward, seconds = eflomal(whole)
        at = places(whole, pairs)
        thousand = 1000 * seconds / len(whole)
        ways: dict[str, Callable[[int], Links]] = {
            "one direction": lambda n: forward[n],
            "intersection": lambda n: symmetrise(forward[n], backward[n], "intersection"),
            "grow-diag-final": lambda n: symmetrise(forward[n], backward[n], "grow-diag-final"),
        }
        rows += [row(f"eflomal: {way}", "", [of(n) for n in at], pairs, thousand) for way, of in ways.items()]
        if links_to is not None:
            lines = (pharaoh(ways["grow-diag-final"](n)) for n in range(len(whole)))
            links_to.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    lengths = [len(split(pair.source)) for pair in pairs]
    about = (
        f"{len(pairs)} held-out German-English pairs of {min(lengths)} to {max(lengths)} German words (mean "
        f"{np.mean(lengths):.1f}), aligned by hand (tests/data/alignments); error rates after Och and Ney 2003. "
        "*reading* is the row of a target token: that which writes it (output), or that which reads it next (input). A "
        "best head is the best on these very pairs. Seconds are of a thousand pairs: a model's for a teacher-forced "
        "pass and its trace in batches, eflomal's for learning from the corpus and aligning it."
    )
    headers = ["what", "reading", "error rate", "precision", "recall", "s / 1,000"]
    targets = [verdict(f"error rate of {name}", rate, TARGET, at_most=True) for name, rate in rates.items()]
    return Report("Alignment", about, headers, rows, targets)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, action="append")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--links", type=Path, default=None)
    options = parser.parse_args(arguments)
    print(measure(options.checkpoint or CHECKPOINTS, options.corpus, options.links).markdown())


if __name__ == "__main__":
    main()
