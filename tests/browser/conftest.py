"""A real Chromium that looks at the live service."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

WAIT = 30_000  # milliseconds: the longest that anything on the page may take, on a busy machine
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="module")  # Playwright's loop may not outlive the browser tests: others run loops of their own
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
