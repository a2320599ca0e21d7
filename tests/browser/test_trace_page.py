"""A trace's page in a real browser, opened from disk: it asks nobody for anything, and lets nobody in."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from heedmap.app.render.gallery import entry, index
from heedmap.model.page.files import STATIC
from heedmap.model.page.trace_page import trace_page
from tests.small_trace import small_trace

from .conftest import WAIT
from .test_policy import INTRUDE

pytestmark = pytest.mark.browser

TEXT = "Ein <i>Haus</i>."
# What a program in a page can do: read the trace beside it, evaluate a map, begin a worker, draw with Plotly.
PROGRAM = """
import { plotly } from "./map/plotly.js";
import { unpacked } from "./source/packed.js";
import { TraceFile } from "./source/trace_file.js";
import * as twice from "./twice.js";

async function begin() {
  const trace = new TraceFile(await unpacked(document.getElementById("trace")?.textContent ?? ""));
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  const doubled = await new Promise((resolve) => {
    worker.addEventListener("message", ({ data }) => resolve(data));
    worker.addEventListener("error", () => console.error("the worker did not begin"));
    worker.postMessage(21);
  });
  const { summary } = trace;
  const map = [...trace.layer("cross", 0).window(2, [0, 5], [0, 7])];
  const Plotly = await plotly();
  globalThis.seen = { text: summary.prediction.text, map, doubled, again: twice.twice(1), react: typeof Plotly.react };
}
begin().catch((error) => console.error(String(error)));
"""
BESIDE = {
    "js/main.js": PROGRAM,
    "js/twice.js": "export const twice = (n) => 2 * n;\n",
    "js/worker.js": 'import { twice } from "./twice.js";\n'
    "addEventListener('message', ({ data }) => postMessage(twice(data)));\n",
}
Opener = Callable[..., Page]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose program is the one above."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(STATIC, folder / "static", ignore=shutil.ignore_patterns("built"))
    for name, source in BESIDE.items():
        (folder / "static" / name).write_text(source)
    small_trace(TEXT, "</script>").save(folder / "t.safetensors", {"model": "m", "id": "1"})
    content = (folder / "t.safetensors").read_bytes()
    (folder / "page.html").write_bytes(trace_page(content, plotly=True, folder=folder / "static"))
    row = entry("page.html", content, 1_000_000)
    (folder / "index.html").write_bytes(index([row], "Traces"))
    return folder / "page.html"


@pytest.fixture
def from_disk(browser: Browser) -> Iterator[Opener]:
    """Opens a file, which may ask for nothing and complain of nothing unless the test expects it."""
    contexts: list[BrowserContext] = []
    asked: list[str] = []
    said: list[str] = []

    def opener(path: Path, expected: tuple[str, ...] = (), before: str = "", **options: Any) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()
        if before:
            page.add_init_script(before)
        folder = path.parent.as_uri()
        page.on(
            "request",
            lambda request: (
                not request.url.startswith(("data:", "blob:"))
                and not (request.is_navigation_request() and request.url.startswith(folder))
                and asked.append(request.url)
            ),
        )
        page.on("console", lambda message: any(e in message.text for e in expected) or said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield opener
    for context in contexts:
        context.close()
    assert asked == []
    assert said == []


def test_a_page_opens_from_disk_and_asks_for_nothing(page_file: Path, from_disk: Opener) -> None:
    page = from_disk(page_file)
    page.wait_for_function("() => globalThis.seen")
    seen = page.evaluate("globalThis.seen")
    weights = small_trace(TEXT, "</script>").map("cross", 0).window(slice(0, 5), slice(0, 7))[2]
    assert (seen["text"], seen["doubled"], seen["again"], seen["react"]) == ("</script>", 42, 2, "function")
    assert np.allclose(np.array(seen["map"]).reshape(5, 7), weights.numpy(), atol=1e-6)
    assert page.title() == "Ein <i>Haus</i>. · m · Heedmap"
    assert page.locator("html").get_attribute("data-source") == "file"
    expect(page.locator("#unstarted")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.querySelector('.bar')).display") == "flex", "the styles hold"


def test_nobody_gets_in(page_file: Path, from_disk: Opener) -> None:
    page = from_disk(page_file, ("Content Security Policy", "violates", "Refused to", "ERR_"))
    page.wait_for_function("() => globalThis.seen")
    assert page.evaluate(INTRUDE) == {
        "script": False,
        "style": False,
        "seen": ["connect-src", "script-src-elem", "style-src-elem"],
    }


def test_an_old_browser_is_told(page_file: Path, from_disk: Opener) -> None:
    page = from_disk(page_file, before="delete globalThis.DecompressionStream")
    expect(page.locator("#unstarted")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_leads_to_the_page(page_file: Path, from_disk: Opener, scheme: str) -> None:
    page = from_disk(page_file.with_name("index.html"), color_scheme=scheme, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
    assert dark is (scheme == "dark")
    page.get_by_role("link", name=TEXT).click()
    page.wait_for_function("() => globalThis.seen")


def test_the_explorer_shows_the_trace_of_its_page(tmp_path: Path, from_disk: Opener) -> None:
    path = tmp_path / "trace.html"
    trace = small_trace(TEXT, "A house.")
    trace.page(path)
    page = from_disk(path, viewport={"width": 1440, "height": 900})
    page.wait_for_selector("#map[data-state=ready]:not([data-waiting])")
    state = {name: int(value[0]) for name, value in parse_qs(urlsplit(page.url).fragment).items() if value[0].isdigit()}
    weights = trace.map("cross", state["layer"]).dense()[state["head"]]
    kept = re.findall(r"\d+", page.inner_text("#cell-place"))
    assert float(page.inner_text("#cell-weight")) == pytest.approx(float(weights[int(kept[0]), int(kept[1])]), abs=1e-6)


@pytest.mark.parametrize(("before", "workers"), [("", 1), ("delete globalThis.Worker", 0)], ids=["worker", "no worker"])
def test_a_long_trace_opens_from_disk(tmp_path: Path, from_disk: Opener, before: str, workers: int) -> None:
    """In a worker that the page carries, and without one."""
    path = tmp_path / "trace.html"
    trace = small_trace(TEXT, "A house.", times=150)
    trace.page(path)
    page = from_disk(path, before=before, viewport={"width": 1440, "height": 900})
    page.wait_for_selector("#tiles[data-state=complete]")
    expect(page.locator("#measures tr")).not_to_have_count(0)
    assert len(page.workers) == workers
    state = {name: value[0] for name, value in parse_qs(urlsplit(page.url).fragment).items()}
    weights = trace.map("cross", int(state["layer"])).dense()[int(state["head"])]
    row, col = (int(index) for index in re.findall(r"\d+", page.inner_text("#cell-place")))
    assert float(page.inner_text("#cell-weight")) == pytest.approx(float(weights[row, col]), abs=1e-6)
