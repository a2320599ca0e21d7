"""A real Chromium that looks at the live service."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tests.chromium import chromium
from tests.live import service

WEIGHTS = Path(__file__).resolve().parents[2] / "model" / "weights"
AXES = "[data-axes=drawn]:not([hidden])"  # Plotly's, around what is on show
WAIT = 30_000  # milliseconds: the longest that anything on the page may take, on a busy machine


@contextmanager
def serving(folder: Path, sources: Callable[[Path], Iterable[str]]) -> Iterator[str]:
    """The address of a live service with the models that `sources` writes into a folder."""
    models = [argument for source in sources(folder) for argument in ("--model", source)]
    with service(folder, *models) as url:
        yield url


@pytest.fixture(scope="package")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a live service with a tiny random model for every kind of input."""
    from tests.browser.zoo import sources

    with serving(tmp_path_factory.mktemp("zoo"), sources) as url:
        yield url


@pytest.fixture(scope="package")
def translators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a live service with both translators that ship."""
    models = [argument for name in ("de-en", "de-en-gru") for argument in ("--model", f"{name}={WEIGHTS / name}")]
    with service(tmp_path_factory.mktemp("translators"), *models) as url:
        yield url


@pytest.fixture(scope="package")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a live service with a tiny random language model on bytes: a long text has a long map."""
    from tests.writer import tiny

    folder = tmp_path_factory.mktemp("writer")
    with service(folder, "--model", f"writer={tiny(folder / 'writer')}") as url:
        yield url


@pytest.fixture(scope="package")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a live service with tiny random models of many frames and patches."""
    from tests.browser.beside import sources

    with serving(tmp_path_factory.mktemp("many"), sources) as url:
        yield url


@pytest.fixture(scope="module")  # Playwright's loop may not outlive the browser tests: others run loops of their own
def browser() -> Iterator[Browser]:
    """One browser for all tests of a module."""
    with chromium() as launched:
        yield launched


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
        self.page.wait_for_selector("#map[data-state=ready]:not([data-waiting])")
        self.page.wait_for_selector("#cells[data-state=complete], #tiles[data-state=complete]", state="attached")
        if self.page.locator("#plotly").count():
            self.page.wait_for_selector(AXES, state="attached")  # Plotly comes after the picture, with its gestures
        self.page.wait_for_selector("#measures tr", state="attached")  # the heads' statistics come after the map

    def ask(self) -> dict[str, Any]:
        """Press the button, and say what the service answered once it is on show."""
        with self.page.expect_request(asks_for_trace) as request:  # this one's: an answer may be another's, overtaken
            self.page.click("#run")
        summary = answer_to(request.value)
        self.page.wait_for_selector("#stale", state="hidden")
        self.settled()
        return summary

    def translate(self, text: str) -> str:
        """Type a text, translate it, and say what came of it."""
        self.page.fill("#input", text)
        self.ask()
        return text_of(self.page, "#target-sentence")

    def choose(self, model: str) -> dict[str, Any]:
        """Take a model from the menu, and say what it answers to its own example."""
        with self.page.expect_request(asks_for_trace) as request:
            self.page.select_option("#model", model)
        summary = answer_to(request.value)
        expect(self.page.locator("#model-note")).not_to_be_empty()
        self.page.wait_for_function("model => location.hash.includes(`model=${model}`)", arg=model)
        self.settled()
        return summary

    def state(self) -> dict[str, str]:
        """What the link says."""
        return dict(self.page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))"))


def asks_for_trace(request: Request) -> bool:
    """Whether a request is for a trace, made for it or by an answer that was watched."""
    return re.search(r"/v1/traces(/[0-9a-f]{32})?$", request.url) is not None


def answer_to(request: Request) -> dict[str, Any]:
    """The JSON that a request is answered with."""
    response = request.response()
    assert response is not None, request.failure
    answer: dict[str, Any] = response.json()
    return answer


def text_of(page: Page, selector: str) -> str:
    """The text of an element, without the marks of special tokens."""
    return str(page.inner_text(selector)).replace("</s>", "").strip()


def call(page: Page, module: str, code: str, argument: Any = None) -> Any:
    """The value of an expression in which `m` is a module of the page and `a` an argument."""
    return page.evaluate(f"async (a) => {{ const m = await import('/js/{module}.js'); return {code}; }}", argument)


@pytest.fixture(scope="module")
def alone(browser: Browser, server: str) -> Iterator[Page]:
    """A page of the same origin with nothing on it, so that modules are alone."""
    page = browser.new_page()
    page.goto(server + "/icon.svg")
    yield page
    page.close()


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
def lab(watch: Opener, server: str) -> Callable[..., Page]:
    """Opens the lab, watched as any page is."""

    def opener(**options: Any) -> Page:
        page = watch(**options).page
        page.goto(f"{server}/lab")
        page.wait_for_selector("html[data-begun]")
        return page

    return opener


@pytest.fixture
def api(server: str) -> Iterator[httpx.Client]:
    """A client that asks the same server what the page asks."""
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


@pytest.fixture
def page(watch: Opener) -> Page:
    """A page of the same origin with nothing on it, so that modules are alone."""
    watched = watch()
    watched.allow("404")  # a picture links no icon, so Chromium asks for favicon.ico
    watched.page.goto(watched.server + "/icon.svg")
    return watched.page
