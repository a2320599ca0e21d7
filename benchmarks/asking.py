"""What benchmarks of the service share: bodies, clients of other processes, peers, and who asks in the background."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from tests.live import free_port

ROOT = Path(__file__).parents[1]
DE_EN = ROOT / "model" / "weights" / "de-en"
SENTENCES = ROOT / "tests" / "data" / "de-en" / "test.jsonl"
COUNT = 512  # sentences


def sentences(count: int = COUNT) -> list[str]:
    """The first sentences of the held-out set."""
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()[:count]
    return [json.loads(line)["source"] for line in lines]


def bodies(folder: Path, texts: Sequence[str], **more: Any) -> Path:
    """A file with a body a line."""
    path = folder / f"bodies-{len(list(folder.glob('bodies-*')))}"
    path.write_text("\n".join(json.dumps({"inputs": text, **more}) for text in texts), encoding="utf-8")
    return path


def asked(url: str, path: Path, *arguments: str) -> dict[str, Any]:
    """What clients of a process of their own report."""
    command = [sys.executable, "-m", "benchmarks.clients", url, str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def peer(name: str, folder: Path) -> Iterator[str]:
    """Another server of the same model, and its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "benchmarks.peers", name, str(port)]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + 120
        while not answers(f"{url}/health"):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((folder / f"{name}.log").read_text()[-2000:])
            time.sleep(0.1)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def answers(url: str) -> bool:
    """Whether something answers there."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def timed(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def late(times: Sequence[float]) -> float:
    """The 99th percentile."""
    return sorted(times)[int(0.99 * len(times))]


class Background:
    """Threads that ask until the block ends."""

    def __init__(self, url: str, count: int = 1) -> None:
        self.url, self.over = url, threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(count)]

    def run(self, number: int) -> None:
        """Ask."""
        with httpx.Client(base_url=self.url, timeout=600) as client:
            asked = 0
            while not self.over.is_set():
                self.ask(client, number, asked)
                asked += 1

    def ask(self, client: httpx.Client, number: int, turn: int) -> None:
        """One question."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        time.sleep(1)
        return self

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()


def process(url: str) -> Path:
    """The folder in /proc of the service at an address."""
    port = url.rpartition(":")[2].encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"heedmap.app.cli" in words and port in words:
            return entry
    raise RuntimeError("the memory of the service is read on Linux alone")


def resident(url: str) -> int:
    """Bytes that the service holds."""
    return int((process(url) / "status").read_text().split("VmRSS:")[1].split()[0]) << 10


def descriptors(url: str) -> int:
    """Files and sockets that the service has open."""
    return len(list((process(url) / "fd").iterdir()))
