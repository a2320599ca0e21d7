"""How well scores of passages foretell what their removal does, and what they cost, in passes.

    python -m benchmarks.sources [--inputs 12] [--passages 16]

The shipped `shakespeare` reads speeches of a scene, and writes the name of who speaks next: it knows it from the
speeches alone. Each of them is really taken away, one at a time, and the scores of each method are held against that.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Report
from heedmap.app.requests.sources import MOST_CHECKED, SourcesRequest
from heedmap.app.service import sources
from heedmap.app.service.jobs.kind import Work
from heedmap.model.contract import Request
from heedmap.model.load import load
from heedmap.model.sources.fit import spearman

WEIGHTS = Path(__file__).parents[1] / "model" / "weights" / "shakespeare"
SCENES = WEIGHTS / "examples" / "2-scenes.txt"
TEMPLATE = "{context}\n\n{question}\n\n"
ABLATIONS = 32
ROWS = ("answer", "all")


def questions(count: int, passages: int) -> Iterator[dict[str, Any]]:
    """Speeches of a scene, the one after them, and who speaks then; spread over the text."""
    speeches = SCENES.read_text(encoding="utf-8").strip().split("\n\n")
    last = len(speeches) - passages - 2
    for start in np.linspace(0, last, count).astype(int):
        yield {
            "context": speeches[start : start + passages],
            "question": speeches[start + passages],
            "answer": speeches[start + passages + 1].partition("\n")[0],
            "template": TEMPLATE,
        }


def searched(work: Work, **fields: Any) -> dict[str, Any]:
    """What a search finds."""
    body = SourcesRequest(**fields)
    sources.check(body, work.facts)
    steps = sources.steps(body, work)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: dict[str, Any] = end.value
            return result


def timed(work: Work, **fields: Any) -> float:
    """Seconds of a search that checks nothing."""
    start = time.perf_counter()
    searched(work, **fields, check=0)
    return time.perf_counter() - start


def plain(work: Work, fields: dict[str, Any]) -> float:
    """Seconds of one pass over context, question and answer."""
    prompt = TEMPLATE.replace("{context}", "\n\n".join(fields["context"])).replace("{question}", fields["question"])
    start = time.perf_counter()
    [outcome] = work.model.predict([Request(prompt, fields["answer"])])
    assert not isinstance(outcome, Exception), outcome
    return time.perf_counter() - start


def measure(inputs: int = 12, passages: int = 16) -> Report:
    """Rank correlations with leaving each passage out, how often the best is the best, and seconds in plain passes."""
    if passages > MOST_CHECKED:
        raise ValueError(f"at most {MOST_CHECKED} passages can all be checked, not {passages}")
    model = load(WEIGHTS)
    work = Work("shakespeare", model, model.describe())
    names = [f"gradient, rows {rows}" for rows in ROWS] + [f"attention, rows {rows}" for rows in ROWS] + ["ablation"]
    correlations: dict[str, list[float]] = {name: [] for name in names}
    firsts: dict[str, list[bool]] = {name: [] for name in names}
    foretold: dict[str, list[float]] = {name: [] for name in names}
    costs: dict[str, list[float]] = {name: [] for name in names}
    for place, fields in enumerate(questions(inputs, passages)):
        results = {rows: searched(work, **fields, rows=rows, check=passages, ablations=ABLATIONS) for rows in ROWS}
        for name in names:
            method, _, rows = name.partition(", rows ")
            result = results[rows or "answer"]
            scores = np.array([span["scores"][method] for span in result["spans"]])
            effects = np.array([span["checked"]["before"] - span["checked"]["after"] for span in result["spans"]])
            correlations[name].append(spearman(scores, effects) or 0.0)
            firsts[name].append(bool(scores.argmax() == effects.argmax()))
            foretold[name].append(result["methods"][method]["agreement"] or 0.0)
            if place < 3:
                needed = 0 if method == "gradient" else ABLATIONS
                wanted = {"method": [method], "rows": rows or None, "ablations": needed}
                costs[name].append(timed(work, **fields, **wanted) / plain(work, fields))
    rows_of = [
        [
            name,
            f"{np.mean(correlations[name]):.2f} ({min(correlations[name]):.2f} to {max(correlations[name]):.2f})",
            f"{sum(firsts[name])} of {inputs}",
            f"{np.mean(foretold[name]):.2f}",
            f"{np.median(costs[name]):.1f}",
        ]
        for name in names
    ]
    about = (
        f"{inputs} scenes of {passages} speeches each, `shakespeare`; the answer is the name of who speaks next. *left "
        "out* is the rank correlation of a method's scores with what leaving out each speech does to the answer's "
        f"log-probability, mean and range; *held out* that with {ABLATIONS // 4} random removals of half of them that "
        f"nothing was fitted to. Ablation and attention are fitted to {ABLATIONS} such removals. *passes* is the time "
        "in plain passes over the whole, a pass with cuts being dearer than one."
    )
    return Report("Sources", about, ["method", "left out", "best is best", "held out", "passes"], rows_of)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=12)
    parser.add_argument("--passages", type=int, default=16)
    options = parser.parse_args(arguments)
    print(measure(options.inputs, options.passages).markdown())


if __name__ == "__main__":
    main()
