"""A live service: a process of its own on a free port, as `heedmap serve` starts it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

SECONDS = 300.0  # to import PyTorch and load a model, on a machine that does much else


def environment() -> dict[str, str]:
    """The environment without settings of the service that whoever runs the tests may have."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HEEDMAP_")}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def ready(url: str) -> bool:
    """Whether the service answers predictions."""
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def service(folder: Path, *arguments: str, **settings: str) -> Iterator[str]:
    """The address of a service that keeps its traces and its log in `folder`; it must end cleanly.

    settings: by name, those that `heedmap serve` takes from the environment alone.
    """
    with running("serve", folder, *arguments, **settings) as (url, _):
        yield url


@contextmanager
def running(
    command: str, folder: Path, *arguments: str, **settings: str
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The address of what `heedmap serve` or `deploy` serves, and the process; as `service`."""
    port, log = free_port(), folder / "service.log"
    url = f"http://127.0.0.1:{port}"
    line = [sys.executable, "-m", "heedmap.app.cli", command, "--port", str(port), "--device", "cpu"]
    line += ["--traces", str(folder / "traces"), *arguments]
    with log.open("wb") as output, TemporaryDirectory() as ray:
        variables = environment() | {f"HEEDMAP_{name.upper()}": value for name, value in settings.items()}
        # Ray's sockets lie there, whose paths have a hundred characters at most; ours are longer.
        process = subprocess.Popen(line, stdout=output, stderr=output, env=variables | {"RAY_TMPDIR": ray})
        try:
            until = time.monotonic() + SECONDS
            while not ready(url):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the service did not become ready:\n{log.read_text()[-4000:]}")
                time.sleep(0.1)
            yield url, process
        finally:
            process.terminate()
            assert process.wait(30) in (0, -15), log.read_text()
