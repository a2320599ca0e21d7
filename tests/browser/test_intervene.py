"""Heads silenced and cells cut on the page: answer, worth and maps are the edited pass's, as the service has it."""

import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from . import long_map
from .conftest import Opener
from .modules import call

pytestmark = pytest.mark.browser

TEXT = "Wo ist der Bahnhof?"
SILENCE = {"kind": "silence", "site": "cross", "layer": 1, "head": 2}
ROWS = "#edit-effect tbody tr"


def link(**state: Any) -> str:
    """The page at a head of a short sentence."""
    return "#" + urlencode({"text": TEXT, "site": "cross", "layer": 1, "head": 2, **state})


def figures(page: Page, row: int = 0) -> list[str]:
    """The numbers of a line of the effect's table."""
    expect(page.locator(ROWS).first).to_be_visible()
    return [text.replace("−", "-") for text in page.locator(f"{ROWS}").nth(row).locator("td.tabular").all_inner_texts()]


def worth(api: httpx.Client, edits: list[Any], target: str | None = None) -> tuple[str, float]:
    """What the service answers to the sentence with edits, and its score."""
    body = {"model": "de-en", "inputs": TEXT, "edits": edits, **({"target": target} if target else {})}
    prediction = api.post("/v1/predict", json=body).json()["prediction"]
    return prediction["text"], prediction["score"]


def test_a_silenced_head_and_its_undoing(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open(link(row=0, col=0))
    page.click("#silence")
    expect(page.locator("#edits")).to_contain_text("silent: cross · layer 1 · head 2")
    (_, before), (_, after) = worth(api, []), worth(api, [SILENCE])
    assert figures(page) == [f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}"]
    expect(page.locator("#cell-weight")).to_have_text("0")  # the map on show is the edited pass's
    expect(page.locator("#head-1-2")).to_have_class("head silenced")
    assert json.loads(watched.state()["edits"]) == [SILENCE]
    page.reload()
    watched.settled()
    assert figures(page)[1] == f"{after:.3f}"
    page.keyboard.press("Shift+U")
    expect(page.locator("#edits")).to_be_hidden()
    expect(page.locator("#cell-weight")).not_to_have_text("0")
    assert "edits" not in watched.state()
    page.go_back()
    expect(page.locator("#edits")).to_be_visible()
    page.click("#undo-all")
    expect(page.locator(".head.silenced")).to_have_count(0)


def test_another_answer_stands_beside_the_one_before(watch: Opener, api: httpx.Client) -> None:
    page = watch().open(link(layer=2, over="mean"))
    page.click("#silence")
    edits = [{**SILENCE, "layer": 2, "head": "all"}]
    (old, was), (new, now) = worth(api, []), worth(api, edits)
    assert old != new
    expect(page.locator(ROWS)).to_have_count(2)
    assert figures(page)[:2] == [f"{was:.3f}", f"{worth(api, edits, old)[1]:.3f}"]
    assert figures(page, 1)[:2] == [f"{worth(api, [], new)[1]:.3f}", f"{now:.3f}"]
    words = page.locator("#edit-effect del").all_inner_texts(), page.locator("#edit-effect ins").all_inner_texts()
    assert [[word.strip() for word in side] for side in words] == [
        [word for word in old.split() if word not in new.split()],
        [word for word in new.split() if word not in old.split()],
    ]


def test_a_refused_cut_loses_nothing(watch: Opener) -> None:
    watched = watch()
    watched.allow("422")
    page = watched.open(link(site="decoder", layer=0, head=1, row=0, col=0))
    weight = page.inner_text("#cell-weight")
    page.keyboard.press("Shift+D")
    expect(page.locator("#problem")).to_contain_text("left nothing to see")
    expect(page.locator("#edits")).to_be_hidden()
    expect(page.locator("#cell-weight")).to_have_text(weight)
    assert "edits" not in watched.state()


def test_a_cut_cell_of_another_sentence_is_dropped_and_a_silent_head_stays(watch: Opener) -> None:
    watched = watch()
    page = watched.open(link(row=1, col=1, edits=json.dumps([SILENCE | {"head": 3}])))
    page.click("#cut")
    expect(page.locator(".cut-cell")).to_be_visible()
    watched.settled()
    cut, chosen = page.locator(".cut-cell").bounding_box(), page.locator("#chosen-cell").bounding_box()
    assert cut == chosen
    expect(page.locator("#cell-weight")).to_have_text("0")
    watched.translate("Wo ist er?")
    assert json.loads(watched.state()["edits"]) == [SILENCE | {"head": 3}]


def test_a_cell_of_a_long_map_is_cut(browser: Browser, writer: str) -> None:
    page = browser.new_page()
    page.goto(f"{writer}/{long_map.link(row=100, col=90)}")
    long_map.drawn(page)
    expect(page.locator("#cell-place")).to_have_text("(100, 90)")
    expect(page.locator("#cell-weight")).not_to_have_text("—")
    page.keyboard.press("Shift+D")
    expect(page.locator("#cell-weight")).to_have_text("—")
    expect(page.locator(".cut-cell")).to_be_visible()
    expect(page.locator("#edits")).to_contain_text("decoder · layer 1 · head 2")
    page.close()


LINKS = [
    ("[]", ""),
    ("{", ""),
    ('{"kind": "silence"}', ""),
    (json.dumps([{**SILENCE, "layer": -1}]), ""),
    (json.dumps([{**SILENCE, "how": "uniform"}]), ""),
    (json.dumps([{**SILENCE, "kind": "cut", "query": 1.5, "key": 0}]), ""),
    (json.dumps([SILENCE, None, {**SILENCE, "extra": "<b>"}]), json.dumps([SILENCE, SILENCE], separators=(",", ":"))),
]


@pytest.mark.parametrize(("said", "read"), LINKS)
def test_what_a_link_says_of_edits(alone: Page, said: str, read: str) -> None:
    assert call(alone, "link", "m.decodeState('#' + new URLSearchParams({edits: a})).edits", said) == read


def test_words_that_changed(alone: Page) -> None:
    changed = "Object.values(m.changes(a[0], a[1])).map((side) => side.filter(([, c]) => c).map(([w]) => w.trim()))"
    assert call(alone, "beside/intervene/diff", changed, ["a b c d", "a c e d"]) == [["b"], ["e"]]
    assert call(alone, "beside/intervene/diff", changed, ["我在家", "我回家"]) == [["在"], ["回"]]
    assert call(alone, "beside/intervene/diff", changed, ["", "a"]) == [[], ["a"]]
