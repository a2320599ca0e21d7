"""Brief calls while a long trace is made, predictions while maps are read, and windows among many traces.

python -m benchmarks.sharing
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx

from benchmarks.asking import DE_EN, ROOT, Background, asked, bodies, late, sentences, timed
from benchmarks.measure import Report, verdict
from tests.live import service

LINKS = 30_000  # of one file: ext4 allows twice as many
STARTS = 3  # of the service at every count: one process answers in 4.5 ms what another takes 6.5 for
SHAKESPEARE = ROOT / "model" / "weights" / "shakespeare"


def measure(seconds: float = 20.0, characters: int | None = None) -> Report:
    """What brief calls wait for while a long trace is made, and predictions while maps are read."""
    text = (SHAKESPEARE / "examples" / "2-scenes.txt").read_text(encoding="utf-8")[:characters]
    models = ("--model", f"de-en={DE_EN}", "--model", f"shakespeare={SHAKESPEARE}")
    with tempfile.TemporaryDirectory() as name, service(Path(name), *models) as url:
        file = bodies(Path(name), sentences(64), model="de-en")
        with httpx.Client(base_url=url, timeout=600) as client:
            body = {"model": "shakespeare", "inputs": text[:2000], "parameters": {"max_new_tokens": 1}}
            trace = client.post("/v1/traces", json=body).raise_for_status().json()
            idle = asked(url, file, "--clients", "1", "--seconds", str(seconds))
            quiet = windows(client, trace["id"], seconds)
            with Tracing(url, text):
                busy = asked(url, file, "--clients", "1", "--seconds", str(seconds))
                read = windows(client, trace["id"], seconds)
            alone = asked(url, file, "--clients", "8", "--seconds", str(seconds))
            with Readers(url, trace["id"], 24):
                crowded = asked(url, file, "--clients", "8", "--seconds", str(seconds))
    idle_p99, busy_p99 = (run["statuses"]["200"]["p99"] for run in (idle, busy))
    rows = [
        ["a prediction, 99th percentile", f"{idle_p99:.0f} ms", f"{busy_p99:.0f} ms", "a long trace is made"],
        ["windows and tiles, 99th percentile", f"{late(quiet):.1f} ms", f"{late(read):.1f} ms", "a long trace is made"],
        ["predictions a second", f"{alone['goodput']:.1f}", f"{crowded['goodput']:.1f}", "24 clients read maps"],
    ]
    targets = [
        verdict("prediction, 99th percentile, over idle while a trace is made", busy_p99 / idle_p99, 2.0, at_most=True),
        verdict("windows and tiles, 99th percentile in ms", late(read), 50.0, at_most=True),
        verdict("predictions' rate beside 24 readers", crowded["goodput"] / alone["goodput"], 0.5, at_most=False),
    ]
    about = (
        f"`de-en` and `shakespeare`; the long trace is {len(text):,} characters of the latter, made again and again. "
        f"{seconds:g} s a cell."
    )
    return Report("Sharing", about, ["what", "alone", "meanwhile", "while"], rows, targets)


def windows(client: httpx.Client, trace: str, seconds: float) -> list[float]:
    """Milliseconds of windows and tiles in turn."""
    times, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        at = len(times) * 7 % 300
        path = f"maps/decoder/{len(times) % 6}/{len(times) % 5}?rows={at}:{at + 64}&cols={at}:{at + 64}"
        if len(times) % 2:
            path = f"tiles/decoder/{len(times) % 6}/{len(times) % 5}/max/1/0/0"
        began = time.perf_counter()
        client.get(f"/v1/traces/{trace}/{path}").raise_for_status()
        times.append(1e3 * (time.perf_counter() - began))
        time.sleep(0.02)
    return times


class Tracing(Background):
    """Somebody who makes long traces, each another."""

    def __init__(self, url: str, text: str) -> None:
        super().__init__(url)
        self.text = text

    def ask(self, client: httpx.Client, number: int, turn: int) -> None:
        """One trace, which is thrown away."""
        body = {"model": "shakespeare", "inputs": self.text[turn:], "parameters": {"max_new_tokens": 1}}
        answer = client.post("/v1/traces", json=body).raise_for_status().json()
        client.delete(f"/v1/traces/{answer['id']}")


class Readers(Background):
    """Clients who read whole maps."""

    def __init__(self, url: str, trace: str, count: int) -> None:
        super().__init__(url, count)
        self.trace = trace

    def ask(self, client: httpx.Client, number: int, turn: int) -> None:
        """One map."""
        answer = client.get(f"/v1/traces/{self.trace}/maps/decoder/{turn % 6}/{number % 6}?format=npy")
        if answer.status_code not in (429, 503):
            answer.raise_for_status()


def stored(counts: Sequence[int] = (1, 10_000, 100_000), reads: int = 300, starts: int = STARTS) -> Report:
    """What a window costs among few traces and among many."""
    times: dict[int, list[list[float]]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with service(folder, "--model", f"de-en={DE_EN}") as url:
            answer = httpx.post(f"{url}/v1/traces", json={"inputs": sentences(1)[0]}, timeout=600).raise_for_status()
        trace = answer.json()["id"]
        [file] = (folder / "traces").rglob(f"{trace}*")
        for count in counts:
            for number in range(count - 1):
                copy = file.with_name(f"{number:032x}{file.suffix}")
                first = file.with_name(f"{number // LINKS * LINKS:032x}{file.suffix}")
                if not first.exists():
                    shutil.copyfile(file, first)
                elif not copy.exists():
                    os.link(first, copy)
            for _ in range(starts):
                with (
                    service(folder, "--model", f"de-en={DE_EN}", trace_bytes=str(1 << 50)) as url,
                    httpx.Client(base_url=url, timeout=600) as client,
                ):
                    metrics = client.get("/metrics").text
                    assert f"heedmap_traces {float(count)}" in metrics, "every copy counts as a trace"
                    path = f"/v1/traces/{trace}/maps/cross/0/0"
                    client.get(path).raise_for_status()
                    times[count].append([1e3 * timed(partial(client.get, path)) for _ in range(reads)])
    quickest = {count: min(runs, key=statistics.median) for count, runs in times.items()}
    medians = {count: statistics.median(values) for count, values in quickest.items()}
    rows = [[f"{count:,}", f"{medians[count]:.2f}", f"{late(values):.2f}"] for count, values in quickest.items()]
    ratio = medians[max(counts)] / medians[min(counts)]
    targets = [verdict("a window among the most traces over that among the fewest", ratio, 1.2, at_most=True)]
    about = (
        f"A map of a sentence over HTTP, {reads} times, with so many traces in the folder; of {starts} starts of the "
        "service the quickest."
    )
    return Report("Stored", about, ["traces", "median ms", "99th ms"], rows, targets)


if __name__ == "__main__":
    print(measure().markdown())
    print(stored().markdown())
