"""Links stay short enough for mail and chat: a long text stands in them by its trace."""

import httpx
import pytest
from playwright.sync_api import expect

from .conftest import Opener, call

pytestmark = pytest.mark.browser

LONG = " ".join(["Schöne Grüße, übermäßig müde."] * 40)  # as a link, 2,600 characters
PLACE = "&site=encoder&layer=1&head=3&palette=grey"


def test_a_long_text_stands_by_its_trace(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open("#text=Hallo." + PLACE)
    watched.translate(LONG)
    state = watched.state()
    assert len(page.url) < 2000
    assert "text" not in state
    trace = api.post("/v1/traces", json={"model": "de-en", "inputs": LONG}).json()["id"]
    assert state["trace"] == trace
    link = page.url.removeprefix(f"{watched.server}/")
    other = watch()
    other.open(link)
    expect(other.page.locator("#input")).to_have_value(LONG)
    expect(other.page.locator("#stale")).to_be_hidden()
    expect(other.page.locator("#now")).to_have_text("layer 1 · head 3")
    # The trace is gone: who asked for it asks again, who has nothing but the link is told.
    api.delete(f"/v1/traces/{trace}").raise_for_status()
    watched.allow("404")
    page.reload()
    watched.settled()
    expect(page.locator("#input")).to_have_value(LONG)
    assert watched.state()["trace"] == trace, "made anew, under the same name"
    api.delete(f"/v1/traces/{trace}").raise_for_status()
    third = watch()
    third.allow("404")
    third.page.goto(f"{watched.server}/{link}")
    expect(third.page.locator("#problem")).to_contain_text("gone")
    third.page.fill("#input", "Hallo.")
    third.page.click("#run")
    third.settled()
    expect(third.page.locator("#now")).to_have_text("layer 1 · head 3")
    assert (third.state()["palette"], third.state()["text"]) == ("grey", "Hallo.")
    assert "trace" not in third.state()


def test_going_back_finds_the_long_text(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#text=Hallo." + PLACE)
    watched.translate(LONG)
    watched.translate("Guten Tag.")
    page.go_back()
    expect(page.locator("#input")).to_have_value(LONG)
    watched.settled()
    assert len(page.url) < 2000
    page.go_forward()
    expect(page.locator("#input")).to_have_value("Guten Tag.")


def test_what_fits_stays_in_the_link(watch: Opener) -> None:
    page = watch().open()
    shortened = "m.fittingLink({...m.DEFAULTS, text: a[0], pins: a[1]}, a[2], 120)"
    assert call(page, "link", shortened, ["short", "", "t"])["text"] == "short"
    assert call(page, "link", shortened, ["x" * 200, "", ""])["text"] == "x" * 200, "no trace stands for it"
    pins = "*".join(f"cross.1.2.{row}.4.note" for row in range(9))
    kept = call(page, "link", shortened, ["x" * 200, pins, "t"])
    assert (kept["text"], kept["trace"]) == ("", "t")
    assert kept["pins"]
    assert pins.startswith(kept["pins"] + "*")


UNKNOWN = {
    "objective": "bogus",
    "measure": "bogus",
    "view": "bogus",
    "over": "median",
    "scale": "cubic",
    "palette": "rainbow",
    "sort": "colour",
    "kind": "bogus",
    "rail": "bogus",
    "point": "bogus",
    "how": "least",
    "layer": "x",
    "rows": "9:2",
    "other": "..",
    "edits": "bogus",
}
BLANK = "list => list.filter((node) => node.checkVisibility() && node.selectedIndex < 0).map((node) => node.id)"


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_falls_back_and_the_page_says_so(watch: Opener, name: str) -> None:
    watched = watch()
    beside = "&measure=gradient-attention" if name == "objective" else ""
    page = watched.open(f"#text=Hallo.&site=cross{beside}&{name}={UNKNOWN[name]}")
    said = page.locator("#toast")
    expect(said).to_have_text(f"Not known here, so left at its default: {name}={UNKNOWN[name]}")
    expect(said).to_be_visible()
    assert page.eval_on_selector_all("select", BLANK) == []
    page.keyboard.press("l")  # what writes the address anew leaves it out
    page.wait_for_function("() => location.hash.includes('scale=')")
    assert watched.state().get(name) != UNKNOWN[name]


def test_names_of_defaults_and_known_values_are_no_news(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#text=Hallo.&site=cross&view=map&point=queries&rail=maps&objective=1&sort=sink&kind=aligns")
    page.wait_for_function("() => document.getElementById('measure').options.length > 1")
    expect(page.locator("#toast")).to_be_hidden()
    assert watched.state()["objective"] == "1"
    assert page.input_value("#sort") == "sink"
    assert page.eval_on_selector_all("select", BLANK) == []


def test_back_to_what_is_not_known_says_it_again_in_the_other_language(watch: Opener) -> None:
    watched = watch(locale="zh-CN")
    page = watched.open("#text=Hallo.&site=cross")
    page.evaluate("location.hash = location.hash + '&objective=99&measure=bogus'")
    expect(page.locator("#toast")).to_have_text("无法识别，已按默认值显示：measure=bogus, objective=99")
    page.wait_for_function("() => !location.hash.includes('bogus')")
