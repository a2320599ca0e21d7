"""A first visit to the explorer, in a real Chromium: what comes before the first picture, and how soon the rest.

python -m benchmarks.visit
"""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.measure import Report, verdict
from tests.chromium import chromium
from tests.live import service

ROUNDS = 5
SWITCHES = 20
WINDOW = {"width": 1440, "height": 900}
LONGEST = 60_000  # milliseconds that anything may take
# What the browser's emulation of a slow line is given: milliseconds, and bytes a second.
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 7.5e5 / 8}
TEXTS = [
    *("Wo ist der Bahnhof?", "Ich bin heute sehr müde.", "Der Hund schläft im Garten.", "Sie liest ein neues Buch."),
    *("Das Wetter ist heute schön.", "Wir gehen morgen ins Kino.", "Er hat seinen Schlüssel verloren."),
]
# The targets.
PICTURE_S, SLOW_S, KILOBYTES, REQUESTS = 1.0, 3.0, 250.0, 10
MAP_MS, HEAD_MS, HOVER_MS = 150.0, 16.0, 16.0

# When a small map was first whole, when it was last drawn, and how far things moved.
WATCH = """window.shifts = 0;
new PerformanceObserver((list) => {
  for (const { value } of list.getEntries()) window.shifts += value;
}).observe({ type: "layout-shift", buffered: true });
new MutationObserver(() => {
  if (document.getElementById("cells")?.dataset.state !== "complete") return;
  window.drawn = performance.now();
  window.pictured ??= window.drawn;
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-state"] });"""
FIRST = """() => {
  const before = performance.getEntries().filter(
    ({ entryType, startTime }) => /navigation|resource/.test(entryType) && startTime < window.pictured,
  );
  return [window.pictured, before.length, before.reduce((sum, { transferSize }) => sum + transferSize, 0)];
}"""
# From the press of the button to the map of its answer.
TRANSLATE = """async (text) => {
  const input = document.getElementById("input");
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  const begun = performance.now();
  document.getElementById("run").click();
  while (!document.title.startsWith(text.slice(0, 8)) || window.drawn < begun)
    await new Promise((resolve) => setTimeout(resolve, 2));
  return window.drawn - begun;
}"""
# From a key to the frame after it, in which the other head is drawn.
STEP = """async (times) => {
  const list = [];
  for (let turn = 0; turn < times; turn++) {
    const begun = performance.now();
    const key = turn % 2 ? "ArrowLeft" : "ArrowRight";
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    while (window.drawn < begun)
      await new Promise((resolve) => {
        const channel = new MessageChannel();
        channel.port1.onmessage = resolve;
        channel.port2.postMessage(0);
      });
    document.getElementById("heat").getBoundingClientRect(); // what it changed is laid out
    list.push(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  return list;
}"""
HOVER = """async (times) => {
  const heat = document.getElementById("heat");
  const { left, top, width, height } = document.getElementById("cells").getBoundingClientRect();
  const list = [];
  for (let turn = 0; turn < times; turn++) {
    const [clientX, clientY] = [left + ((turn * 0.37) % 1) * width, top + ((turn * 0.59) % 1) * height];
    const begun = performance.now();
    heat.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true, pointerType: "mouse" }));
    document.getElementById("card").getBoundingClientRect();
    list.push(performance.now() - begun);
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  return list;
}"""


def measure(rounds: int = ROUNDS, switches: int = SWITCHES) -> Report:
    """The first picture here and over a slow line, what it takes; a translation, another head, a pointed cell."""
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as url, chromium() as browser:
        visit(browser, url)  # the service joins its files when they are first asked for
        here = [visit(browser, url) for _ in range(rounds)]
        slow = [visit(browser, url, SLOW) for _ in range(rounds)]
        page = opened(browser, url)
        page.wait_for_timeout(1500)  # Plotly has come
        shift = float(page.evaluate("window.shifts"))
        maps = [translated(page, text) for text in TEXTS[: max(1, rounds + 2)]]
        page.wait_for_timeout(1000)
        heads: list[float] = page.evaluate(STEP, switches)
        hovers: list[float] = page.evaluate(HOVER, 2 * switches)
    pictures = {"first picture": here, "first picture at 1.6 Mbit/s and 150 ms": slow}
    rows = [
        [name, *(f"{value:,.0f} ms" for value in ends([time for time, *_ in visits]))]
        for name, visits in pictures.items()
    ]
    _, requests, size = here[-1]
    rows += [
        ["transferred before it", f"{size / 1e3:.0f} kB", f"{max(each[2] for each in here) / 1e3:.0f} kB"],
        ["requests before it", f"{requests}", f"{max(each[1] for each in here)}"],
        ["a translation, from the button to its map", *(f"{value:.0f} ms" for value in ends(maps))],
        ["another head, in memory", *(f"{value:.1f} ms" for value in ends(heads))],
        ["a cell pointed at", *(f"{value:.1f} ms" for value in ends(hovers))],
        ["layout shift until all is there", f"{shift:.4f}", ""],
    ]
    about = (
        f"The shipped `de-en` with its first example, in headless Chromium at {WINDOW['width']} x {WINDOW['height']} "
        "without a graphics processor, on the cores that the service runs on too. Median and worst of "
        f"{rounds} visits, {len(maps)} translations, {switches} heads and {2 * switches} cells. The slow line is the "
        "browser's own emulation."
    )
    quick, far = (statistics.median(time for time, *_ in visits) / 1e3 for visits in (here, slow))
    targets = [
        verdict("first picture, in s", quick, PICTURE_S, at_most=True),
        verdict("first picture on a slow line, in s", far, SLOW_S, at_most=True),
        verdict("transferred before it, in kB", size / 1e3, KILOBYTES, at_most=True),
        verdict("requests before it", requests, REQUESTS, at_most=True),
        verdict("a translation's map, in ms", statistics.median(maps), MAP_MS, at_most=True),
        verdict("another head, in ms", statistics.median(heads), HEAD_MS, at_most=True),
        verdict("a cell pointed at, in ms", statistics.median(hovers), HOVER_MS, at_most=True),
    ]
    return Report("Visit", about, ["on a small map", "median", "worst"], rows, targets)


def opened(browser: Browser, url: str, line: dict[str, Any] | None = None) -> Page:
    """A new page with its first map drawn; `line` is how slow its connection is."""
    context = browser.new_context(viewport=WINDOW, locale="en-US")
    page = context.new_page()
    page.set_default_timeout(LONGEST)
    page.add_init_script(WATCH)
    if line:
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", line)
    page.goto(url)
    page.wait_for_selector("#cells[data-state=complete]", state="attached")
    page.wait_for_selector("#measures tr", state="attached")
    return page


def visit(browser: Browser, url: str, line: dict[str, Any] | None = None) -> tuple[float, int, int]:
    """Milliseconds to the first picture, and the requests and bytes before it."""
    page = opened(browser, url, line)
    time, requests, size = page.evaluate(FIRST)
    page.context.close()
    return time, requests, size


def translated(page: Page, text: str) -> float:
    """Milliseconds from the button to the map; what comes after it has come too."""
    time = float(page.evaluate(TRANSLATE, text))
    page.wait_for_timeout(700)
    return time


def ends(times: Sequence[float]) -> tuple[float, float]:
    """Median and worst."""
    return statistics.median(times), max(times)


if __name__ == "__main__":
    print(measure().markdown())
