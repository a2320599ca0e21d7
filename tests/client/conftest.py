"""A live service, in a process of its own and on a free port, with the shipped model."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.client import Client

SECONDS = 120  # to import PyTorch and load a model, on a machine that does much else
TEXT = "Wo ist der Bahnhof?"


def environment() -> dict[str, str]:
    """The environment without settings of the service that whoever runs the tests may have."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HEEDMAP_")}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for /readyz to answer 200; fail with the log where it never does."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    pytest.fail(f"the service did not become ready:\n{log.read_text()}")


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the live service listens."""
    folder, port = tmp_path_factory.mktemp("live"), free_port()
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "serve",
        "--port",
        str(port),
        "--traces",
        str(folder),
        "--device",
        "cpu",
    ]
    log = folder / "service.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment()) as process,
    ):
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            assert process.wait(30) in (0, -15), log.read_text()


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[Client]:
    """A client of the live service."""
    with Client(url) as client:
        yield client
