"""Memory and descriptors while everything is asked for, again and again.

python -m benchmarks.soak
"""

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks.asking import DE_EN, Background, descriptors, resident, sentences
from benchmarks.measure import Report, verdict
from tests.live import service


def measure(seconds: float = 600.0, looks: int = 6) -> Report:
    """Memory and descriptors while everything is asked for, again and again."""
    rows, first, last = [], (0, 0), (0, 0)
    with tempfile.TemporaryDirectory() as name, service(Path(name), "--model", f"de-en={DE_EN}") as url:
        with Mixed(url, sentences()) as mixed:
            for look in range(looks):
                time.sleep(seconds / looks)
                last = resident(url), descriptors(url)
                first = first if look > 0 else last  # after the first sixth everything has been used once
                counted = sum(mixed.statuses.values())
                rows.append(
                    [f"{(look + 1) * seconds / looks:.0f} s", f"{last[0] / 2**20:.0f}", f"{last[1]}", f"{counted:,}"]
                )
        bad = {status: n for status, n in mixed.statuses.items() if status >= 500 and status != 503}
    targets = [
        verdict("memory at the end over that after the first part", last[0] / first[0], 1.05, at_most=True),
        verdict("descriptors at the end over those after the first part", last[1] / first[1], 1.1, at_most=True),
        f"answers of 500 and over, but 503: {bad or 'none'}",
    ]
    about = "Predictions, lists, streams, traces with maps, mistakes and hang-ups by eight clients, all the time."
    return Report("Soak", about, ["after", "MiB", "descriptors", "answers"], rows, targets)


class Mixed(Background):
    """Clients who do everything that there is, and some who hang up."""

    def __init__(self, url: str, texts: Sequence[str], count: int = 8) -> None:
        super().__init__(url, count)
        self.texts, self.statuses = texts, Counter[int]()

    def ask(self, client: httpx.Client, number: int, turn: int) -> None:
        """One thing after the other."""
        text = f"{self.texts[(turn * 8 + number) % len(self.texts)]} {turn}"
        kind = (turn + number) % 5
        if kind == 0:
            answer = client.post("/v1/traces", json={"inputs": text})
            if answer.status_code == 201:
                trace = answer.json()["id"]
                answer = client.get(f"/v1/traces/{trace}/maps/cross/0/0")
                client.get(f"/v1/traces/{trace}/heads")
                client.delete(f"/v1/traces/{trace}")
        elif kind == 1:
            answer = client.post("/v1/predict", json={"inputs": [text, " ", text[::-1]]})
        elif kind == 2:
            try:
                client.post("/v1/predict", json={"inputs": text, "parameters": {"beam_size": 4}}, timeout=0.02)
            except httpx.TimeoutException:
                return
            return
        elif kind == 3:
            with client.stream("POST", "/v1/predict", json={"inputs": text, "stream": True}) as answer:
                answer.read()
        else:
            answer = client.post("/v1/predict", json={"inputs": text, "parameters": {"beam_size": 99}})
        self.statuses[answer.status_code] += 1


if __name__ == "__main__":
    print(measure().markdown())
