"""An answer is watched while it is written: its text, and a map that grows by a row a token, equal to the trace's."""

import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from .conftest import Opener, call

pytestmark = pytest.mark.browser

BODY = {"model": "writer", "inputs": "Wo ist", "parameters": {"max_new_tokens": 40}}


@pytest.fixture(scope="module")
def server(writer: str) -> str:
    """The service with a language model on bytes."""
    return writer


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_events_are_read_however_they_are_cut(alone: Page, size: int) -> None:
    text = 'event: start\ndata: {"a": "ß\\n"}\n\n: ping\n\nevent: token\ndata: {"text": "x: y"}\n\n'
    events = call(
        alone,
        "api/stream",
        """(async () => {
          const bytes = new TextEncoder().encode(a[0]);
          const stream = new ReadableStream({
            start(controller) {
              for (let at = 0; at < bytes.length; at += a[1]) controller.enqueue(bytes.slice(at, at + a[1]));
              controller.close();
            },
          });
          const events = [];
          for await (const event of m.eventsOf(stream)) events.push(event);
          return events;
        })()""",
        [text, size],
    )
    assert events == [{"name": "start", "data": {"a": "ß\n"}}, {"name": "token", "data": {"text": "x: y"}}]


def test_rows_that_are_watched_are_those_of_the_trace(alone: Page, server: str) -> None:
    seen: dict[str, Any] = call(
        alone,
        "source/writing",
        """(async () => {
          const writing = new m.Writing({ site: "decoder", layer: 1, head: 2 });
          let tokens = 0;
          const trace = await writing.run(a, new AbortController().signal, () => { tokens += 1; });
          const { map, queries, keys } = writing.drawn();
          return { trace, tokens, text: writing.text(), weights: [...map.weights], cols: map.cols, queries, keys };
        })()""",
        BODY,
    )
    summary = httpx.get(f"{server}/v1/traces/{seen['trace']}").raise_for_status().json()
    assert seen["text"] == summary["prediction"]["text"]
    assert seen["tokens"] == len(summary["prediction"]["tokens"])
    answer = httpx.get(f"{server}/v1/traces/{seen['trace']}/maps/decoder/1/2?format=npy").raise_for_status()
    exact = np.load(io.BytesIO(answer.content))
    watched = np.array(seen["weights"], dtype=np.float32).reshape(-1, seen["cols"])
    first = (
        len(summary["axes"]["tokens"]["labels"]) - seen["tokens"] - 1
    )  # the row that the first token is written from
    np.testing.assert_allclose(watched, exact[first : first + len(watched), : seen["cols"]], atol=1e-5)
    labels = summary["axes"]["tokens"]["labels"]
    assert seen["keys"]["labels"] == labels[: seen["cols"]]
    assert seen["queries"]["labels"] == summary["prediction"]["tokens"][: len(watched)]


# Each state of an answer that is being written, however short it is there.
SEEN = """() => {
  window.seen = [];
  new MutationObserver(() => {
    const written = document.querySelector("#prediction .written");
    const now = document.getElementById("now").textContent;
    if (!written?.checkVisibility() || !now.includes("so far")) return;
    window.seen.push([written.textContent.length, document.getElementById("run").getAttribute("aria-busy")]);
  }).observe(document.getElementById("now"), { childList: true, characterData: true, subtree: true });
}"""


def test_the_page_shows_what_is_written_so_far(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#model=writer&text=Wo+ist&parameters=%7B%22max_new_tokens%22%3A4%7D")
    expect(page.locator("#options summary")).to_have_text("Options · 1")
    page.keyboard.press("o")
    page.fill("#option-max_new_tokens", "250")
    page.evaluate(SEEN)
    page.click("#run")
    page.wait_for_function("() => window.seen.length > 2")
    watched.settled()
    seen = page.evaluate("window.seen")
    lengths = [length for length, _ in seen]
    assert lengths == sorted(lengths)
    assert 0 < lengths[0] < lengths[-1]
    assert all(busy == "true" for _, busy in seen)
    expect(page.locator("#now")).to_contain_text("layer")
    expect(page.locator("#prediction .written")).to_be_hidden()
    expect(page.locator("#stale")).to_be_hidden()


def test_a_stream_that_fails_in_the_middle_leaves_the_answer_before(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#model=writer&text=Wo+ist&parameters=%7B%22max_new_tokens%22%3A4%7D")
    before = page.inner_text("#now")
    problem = {"type": "urn:heedmap:problem:model-failed", "status": 422, "detail": "the model gave up"}
    start = {"model": "writer", "task": "text-generation", "axes": {}}

    def fail(route: Route) -> None:
        events = f"event: start\ndata: {json.dumps(start)}\n\nevent: error\ndata: {json.dumps(problem)}\n\n"
        route.fulfill(status=200, headers={"content-type": "text/event-stream"}, body=events)

    page.route("**/v1/predict", fail)
    page.fill("#input", "Und nun")
    page.click("#run")
    expect(page.locator("#problem")).to_have_text("the model gave up")
    assert page.inner_text("#now") == before
    assert page.input_value("#input") == "Und nun"


def test_what_was_written_is_told_from_the_prompt(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#model=writer&text=Wo+ist&parameters=%7B%22max_new_tokens%22%3A6%7D")
    expect(page.locator("#legend-made")).to_be_visible()
    expect(page.locator(".word.made-word").first).to_be_visible()
    assert page.locator(".word:not(.made-word)").all_inner_texts() == ["Wo", "ist"]
    summary = httpx.post(
        f"{watched.server}/v1/traces",
        json={"model": "writer", "inputs": "Wo ist", "parameters": {"max_new_tokens": 6}},
    ).json()
    count = len(summary["axes"]["tokens"]["labels"])
    first = count - len(summary["prediction"]["tokens"])
    plot, rows, cols = (page.locator(s).bounding_box() for s in ("#plot .nsewdrag", "#made-rows", "#made-cols"))
    assert plot
    assert rows
    assert cols
    assert rows["y"] - plot["y"] == pytest.approx(plot["height"] * first / count, abs=2)
    assert cols["x"] - plot["x"] == pytest.approx(plot["width"] * first / count, abs=2)
    assert rows["y"] + rows["height"] == pytest.approx(plot["y"] + plot["height"], abs=2)


def test_labels_of_letters_are_words_and_small_letters(watch: Opener) -> None:
    watched = watch()
    text = "the quick brown fox jumps over the lazy dog " * 4
    page = watched.open(
        f"#model=writer&parameters=%7B%22max_new_tokens%22%3A1%7D&text={text.strip().replace(' ', '+')}"
    )
    for side in ("x", "y"):
        labels = page.eval_on_selector_all(f"#plot .{side}tick text", "list => list.map((node) => node.textContent)")
        words = {label.strip("\u2066\u2067\u2068\u2069") for label in labels}
        assert {"quick", "brown", "jumps"} <= words, labels
    row = int(page.inner_text("#cell-place").strip("()").split(",")[0])
    assert row > 0
    sizes = [call(page, "map/atlas/ticks", "m.ticksOf([0, 60], 1000, 600, 50, a).step", least) for least in (9, 14)]
    assert sizes == [1, 5]
