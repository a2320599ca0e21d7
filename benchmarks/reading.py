"""Reading a map while the device is busy: windows over HTTP from an idle server, and while a generation runs.

python -m benchmarks.reading
"""

import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks.measure import Report, verdict
from tests.live import service

MODEL = Path(__file__).parents[1] / "model" / "weights" / "shakespeare"
EXAMPLE = MODEL / "examples" / "2-scenes.txt"
CHARACTERS = 2000  # of the text whose map is read
ROUNDS = 5
SECONDS = 30.0  # of generation
PAUSE = 0.02  # seconds between two windows: a reader who drags the map
SIDE = 64  # cells of a window
NEW_TOKENS = 512  # the most that one request may ask for
TARGET_MS = 20.0


def measure(rounds: int = ROUNDS, seconds: float = SECONDS, text: str | None = None) -> Report:
    """The median and the 99th percentile of a window's milliseconds, idle and while a generation runs."""
    text = EXAMPLE.read_text(encoding="utf-8") if text is None else text
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder), "--model", f"shakespeare={MODEL}") as url,
        httpx.Client(base_url=url, timeout=600) as client,
    ):
        body = {"inputs": text[:CHARACTERS], "parameters": {"max_new_tokens": 1}}
        answer = client.post("/v1/traces", json=body).raise_for_status().json()
        windows(client, answer["id"], answer["sites"][0]["shape"][0], 0.5)
        idle, busy = [], []
        for turn in range(rounds):
            idle.append(windows(client, answer["id"], answer["sites"][0]["shape"][0], seconds))
            with Generating(url, text, turn):
                busy.append(windows(client, answer["id"], answer["sites"][0]["shape"][0], seconds))
    rows, medians = [], {}
    for name, runs in (("idle", idle), ("while a generation runs", busy)):
        middle = statistics.median(statistics.median(run) for run in runs)
        medians[name] = high = statistics.median(late(run) for run in runs)
        worst = max(max(run) for run in runs)
        rows.append([name, str(sum(map(len, runs))), f"{middle:.2f}", f"{high:.2f}", f"{worst:.2f}"])
    ratio = medians["while a generation runs"] / medians["idle"]
    about = (
        f"Windows of {SIDE} x {SIDE} weights as JSON over HTTP, each another one, {1 / PAUSE:.0f} a second at most, of "
        f"the shipped `shakespeare` over {answer['sites'][0]['shape'][0]:,} tokens; *while a generation runs*, "
        f"the same model writes all the time. Medians of {rounds} runs of {seconds:g} s each, idle and busy in turn."
    )
    targets = [
        verdict("99th percentile of a window while a generation runs, in ms", medians[rows[1][0]], TARGET_MS, True),
        f"against the idle server: {ratio:.1f} times",
    ]
    return Report(
        "Reading", about, ["windows from a server", "windows", "median ms", "99th ms", "worst ms"], rows, targets
    )


class Generating:
    """Somebody for whom the service writes without a pause, until the block ends."""

    def __init__(self, url: str, text: str, turn: int) -> None:
        self.url, self.text, self.turn = url, text, turn
        self.over, self.begun = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.ask, daemon=True)
        self.error: Exception | None = None

    def ask(self) -> None:
        """Ask for one text after the other."""
        with httpx.Client(base_url=self.url, timeout=600) as client:
            while not self.over.is_set():
                body = {"inputs": self.text[self.turn :], "parameters": {"max_new_tokens": NEW_TOKENS}}
                self.begun.set()
                try:
                    client.post("/v1/predict", json=body).raise_for_status()
                except httpx.HTTPError as error:
                    self.error = error
                    return

    def __enter__(self) -> None:
        self.thread.start()
        self.begun.wait()
        time.sleep(0.5)  # until the device has it

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        self.thread.join()
        if self.error is not None:
            raise self.error


def windows(client: httpx.Client, trace: str, length: int, seconds: float) -> list[float]:
    """Milliseconds of each window that was read in so long a time."""
    times: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        start = len(times) * 7 % max(1, length - SIDE)
        part = f"{start}:{min(length, start + SIDE)}"
        path = f"/v1/traces/{trace}/maps/decoder/{len(times) % 6}/{len(times) % 5}"
        began = time.perf_counter()
        client.get(path, params={"rows": part, "cols": part}).raise_for_status()
        times.append(1e3 * (time.perf_counter() - began))
        time.sleep(PAUSE)
    return times


def late(times: Sequence[float]) -> float:
    """The 99th percentile."""
    return sorted(times)[int(0.99 * len(times))]


if __name__ == "__main__":
    print(measure().markdown())
