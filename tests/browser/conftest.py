"""A real server in its own process with the shipped checkpoint, and a real Chromium that looks at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
SHIPPED = ROOT / "model" / "weights" / "de-en"
STARTS = 120.0  # seconds: importing torch and loading the model on a busy machine
WAIT = 30_000  # milliseconds: the longest that anything on the page may take, on a busy machine
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server process; HEEDMAP_TEST_MODEL names another checkpoint than the shipped one."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    folder = tmp_path_factory.mktemp("server")
    environment = {
        **os.environ,
        "HEEDMAP_MODELS": f"de-en={os.environ.get('HEEDMAP_TEST_MODEL', SHIPPED)}",
        "HEEDMAP_TRACES": str(folder / "traces"),
        "HEEDMAP_DEVICE": "cpu",
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + STARTS
        while not ready(address):
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"the server did not start:\n{(folder / 'log').read_text()[-4000:]}")
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def ready(address: str) -> bool:
    """Whether the server answers predictions."""
    try:
        return httpx.get(f"{address}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium, or else the one that `playwright install chromium` brought."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield chromium
        chromium.close()


@dataclass
class Watched:
    """A page, and everything that it should not have done."""

    page: Page
    server: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Listen from before the first request."""
        host = urlsplit(self.server).netloc
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.complain(message.text))
        self.page.on("pageerror", lambda error: self.complain(str(error)))
        self.page.on(
            "request",
            lambda request: (
                request.url.startswith(("http", "ws"))
                and urlsplit(request.url).netloc != host
                and self.foreign.append(request.url)
            ),
        )

    def complain(self, text: str) -> None:
        """Note what the console said, unless the test expects it."""
        if not any(part in text for part in self.allowed):
            self.complaints.append(text)

    def allow(self, *parts: str) -> None:
        """Console messages that a test of a failure expects: Chromium logs every refused request."""
        self.allowed = parts

    def open(self, link: str = "") -> Page:
        """The page at a link, with its map drawn."""
        self.page.goto(f"{self.server}/{link}")
        self.settled()
        return self.page

    def settled(self) -> None:
        """Wait until a map is drawn and nothing is under way."""
        self.page.wait_for_selector("#map[data-state=ready]:not([aria-busy])")
        self.page.wait_for_selector(".hm image", state="attached")

    def translate(self, text: str) -> str:
        """Type a text, translate it, and say what came of it."""
        self.page.fill("#input", text)
        with self.page.expect_response(lambda response: response.url.endswith("/v1/traces")):
            self.page.click("#translate")
        self.page.wait_for_selector("#stale", state="hidden")
        self.settled()
        return shown(self.page, "#target-sentence")

    def state(self) -> dict[str, str]:
        """What the link says."""
        return dict(self.page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))"))


def shown(page: Page, selector: str) -> str:
    """The text of an element, without the marks of special tokens."""
    return str(page.inner_text(selector)).replace("</s>", "").strip()


Opener = Callable[..., Watched]


@pytest.fixture
def watch(server: str, browser: Browser) -> Iterator[Opener]:
    """Opens watched pages, each in a fresh context; at the end none may have complained or gone elsewhere."""
    contexts: list[BrowserContext] = []
    pages: list[Watched] = []

    def opener(**options: Any) -> Watched:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "locale": "en-US", **options})
        context.set_default_timeout(WAIT)
        contexts.append(context)
        pages.append(Watched(context.new_page(), server))
        return pages[-1]

    yield opener
    for context in contexts:
        context.close()
    for watched in pages:
        assert watched.complaints == []
        assert watched.foreign == []


@pytest.fixture
def api(server: str) -> Iterator[httpx.Client]:
    """A client that asks the same server what the page asks."""
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client
