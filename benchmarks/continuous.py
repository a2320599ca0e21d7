"""Sentences that arrive one by one: a batch that is joined while it runs beside batches of whoever waits.

Both are called on one thread with the same sentences at the same moments. *waiting* has all of them there from the
start, which is what a full queue is; the other rows draw arrivals (Poisson) at a part of the rate that fixed batches
reached then.

    python -m benchmarks.continuous [--checkpoint FOLDER] [--sentences FILE]
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.decode import CHECKPOINT, LONGEST, SENTENCES
from benchmarks.measure import ROUNDS, Report, verdict
from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.native.continuous import ROWS, TranslatorSession
from heedmap.model.native.translator import Translator

COUNT = 512  # sentences of a round
LOADS = (0.5, 0.8)  # of the rate that fixed batches reach
TARGET = 1.0  # tokens/s over fixed batches, everybody waiting
Serve = Callable[[Sequence[Request], Sequence[float]], tuple[float, list[float]]]


def fixed(translator: Translator, size: int) -> Serve:
    """Batches of whoever waits, one after the other."""

    def serve(requests: Sequence[Request], arrivals: Sequence[float]) -> tuple[float, list[float]]:
        start, at = time.perf_counter(), 0
        waits: list[float] = []
        while at < len(requests):
            now = time.perf_counter() - start
            stop = at
            while stop < len(requests) and stop - at < size and arrivals[stop] <= now:
                stop += 1
            if stop == at:
                time.sleep(arrivals[at] - now)
                continue
            translator.predict(requests[at:stop])
            done = time.perf_counter() - start
            waits += [done - arrivals[place] for place in range(at, stop)]
            at = stop
        return time.perf_counter() - start, waits

    return serve


def joined(translator: Translator, size: int) -> Serve:
    """One batch that is joined while it runs."""

    def serve(requests: Sequence[Request], arrivals: Sequence[float]) -> tuple[float, list[float]]:
        assert translator.engine is not None
        session = TranslatorSession(translator, translator.engine, size)
        start, at = time.perf_counter(), 0
        places: dict[int, int] = {}
        waits: list[float] = []
        while at < len(requests) or session.busy:
            now = time.perf_counter() - start
            while at < len(requests) and session.room and arrivals[at] <= now:
                places[session.add(requests[at])] = at
                at += 1
            if not session.busy:
                time.sleep(max(0.0, arrivals[at] - now))
                continue
            for ticket, _ in session.step():
                waits.append(time.perf_counter() - start - arrivals[places[ticket]])
        return time.perf_counter() - start, waits

    return serve


def measure(
    folder: Path = CHECKPOINT, sentences: Path = SENTENCES, count: int = COUNT, size: int = ROWS, rounds: int = ROUNDS
) -> Report:
    """Tokens a second, and how long a sentence takes from its arrival on."""
    translator = Translator.load(folder)
    parameters = Parameters(max_new_tokens=LONGEST)
    lines = sentences.read_text(encoding="utf-8").splitlines()[:count]
    requests = [Request(json.loads(line)["source"], None, parameters) for line in lines]
    answers = [answer for at in range(0, count, size) for answer in translator.predict(requests[at : at + size])]
    tokens = sum(len(answer.tokens) for answer in answers if isinstance(answer, Prediction))
    ways = {"fixed batches": fixed(translator, size), "joined while it runs": joined(translator, size)}
    rows, reached, rate = [], 0.0, 0.0
    for load in (None, *LOADS):
        draw, clock = random.Random(0), 0.0
        arrivals = [0.0] * count
        for place in range(count if load is not None else 0):
            clock += draw.expovariate(load * rate if load else 1)
            arrivals[place] = clock
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        waits: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds):
            for name in list(ways)[:: 1 if turn % 2 else -1]:
                took, waited = ways[name](requests, arrivals)
                seconds[name].append(took)
                waits[name] += waited
        if load is None:
            rate = count / statistics.median(seconds["fixed batches"])
            pairs = zip(seconds["fixed batches"], seconds["joined while it runs"], strict=True)
            reached = statistics.median(a / b for a, b in pairs)
        for name in ways:
            ordered = sorted(waits[name])
            numbers = [statistics.median(ordered), ordered[int(0.95 * len(ordered))]]
            speed = tokens / statistics.median(seconds[name])
            label = "waiting" if load is None else f"{load:.0%} of the rate"
            rows.append([label, name, f"{speed:,.0f}", *(f"{1e3 * number:,.0f}" for number in numbers)])
    about = (
        f"{folder.name}, greedy, {count} sentences of the held-out set, at most {size} decoded together, "
        f"{torch.get_num_threads()} threads. Medians of {rounds} interleaved rounds."
    )
    headers = ["arrivals", "batches", "tokens/s", "median ms", "95% ms"]
    targets = [verdict("tokens/s over fixed batches, everybody waiting", reached, TARGET, at_most=False)]
    return Report("Continuous", about, headers, rows, targets)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--sentences", type=Path, default=SENTENCES)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    print(measure(options.checkpoint, options.sentences, options.count, rounds=options.rounds).markdown())


if __name__ == "__main__":
    main()
