"""Views that take the stage: word alignment, robustness and faithfulness, the last two by jobs on the page."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from .conftest import WAIT, Opener, text_of

pytestmark = pytest.mark.browser

TEXT = "Wo ist der Bahnhof?"
LINK = "#text=Wo+ist+der+Bahnhof%3F&site=cross&layer=1&head=2"


def aligned(api: httpx.Client, target: str, **head: int) -> dict[str, Any]:
    """What the service makes of the pair."""
    answer = api.post("/v1/align", json={"model": "de-en", "pairs": [[TEXT, target]], **head}).raise_for_status()
    alignment: dict[str, Any] = answer.json()["alignments"][0]
    return alignment


def begun(page: Page, view: str) -> str:
    """Start the job of a view; its id."""
    with page.expect_response(lambda response: response.url.endswith("/v1/jobs")) as response:
        page.click(f"#{view} .job-start")
    return str(response.value.json()["id"])


def numbers(table: Locator) -> list[list[str]]:
    """The cells of a table's body."""
    rows = table.locator("tbody tr")
    return [rows.nth(row).locator("th, td").all_inner_texts() for row in range(rows.count())]


def test_the_pair_on_show_is_aligned(watch: Opener, api: httpx.Client) -> None:
    watched = watch(permissions=["clipboard-read", "clipboard-write"])
    page = watched.open(LINK)
    wanted = aligned(api, text_of(page, "#target-sentence"))
    page.keyboard.press("Shift+A")
    expect(page.locator(".pharaoh")).to_have_text(wanted["pharaoh"])
    assert watched.state()["view"] == "alignment"
    words = page.locator("#alignment .ribbon-side")
    expect(words.first.locator("text")).to_have_text(wanted["source"])
    expect(words.last.locator("text")).to_have_text(wanted["target"])
    expect(page.locator("#alignment .ribbon")).to_have_count(len(wanted["scores"]))
    page.click(".pharaoh-line button")
    expect(page.locator("#toast")).to_have_text("Alignment copied")
    assert page.evaluate("navigator.clipboard.readText()") == wanted["pharaoh"]
    page.locator("#alignment input[value=shown]").check()
    by_head = aligned(api, text_of(page, "#target-sentence"), layer=1, head=2)
    expect(page.locator("#alignment .sheet-bar")).to_contain_text("layer 1 · head 2")
    expect(page.locator(".pharaoh")).to_have_text(by_head["pharaoh"])
    page.keyboard.press("Shift+A")
    expect(page.locator("#alignment")).to_be_hidden()
    assert "view" not in watched.state()


def test_robustness_is_measured_stopped_and_told(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open(f"{LINK}&view=robustness")
    stopped = begun(page, "robustness")
    page.click(".job-stop >> visible=true")
    expect(page.locator("#robustness .job-start")).to_be_visible()
    expect(page.locator("#robustness .job-line")).to_be_hidden()
    for name in ("swapped letters", "upper and lower case"):
        page.get_by_label(name).uncheck()
    page.get_by_label("random draws of each").select_option("3")
    job = begun(page, "robustness")
    expect(page.locator("#robustness .curves-plot[data-drawn='2']")).to_have_count(2, timeout=WAIT)
    assert stopped not in {row["id"] for row in api.get("/v1/jobs").json()["jobs"]}, "cancelled and forgotten"
    result = api.get(f"/v1/jobs/{job}").json()["result"]
    rows = numbers(page.locator("#robustness figure").first)
    curves = {(row["perturbation"], f"{row['strength']:.0%}"): row["agreement"] for row in result["curves"]}
    assert [row[0] for row in rows] == ["5%", "10%", "20%", "40%"]
    for strength, typing, dropped in rows:
        for name, cell in (("typing_errors", typing), ("dropped_words", dropped)):
            value = curves[name, strength]
            figures = [float(figure) for figure in re.findall(r"[\d.]+", cell)]
            wanted = [value["mean"]] + [value[end] for end in ("low", "high")] * (value["low"] != value["high"])
            assert figures == pytest.approx(wanted, abs=6e-4)
    first = result["heads"][0]
    link = page.locator("#robustness .head-link").first
    expect(link).to_have_text(f"{first['site']} · layer {first['layer']} · head {first['head']}")
    page.click("#theme")
    ink = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--text').trim()")
    tick = page.locator("#robustness .xtick text").first
    rgb = f"rgb({', '.join(str(int(ink[at : at + 2], 16)) for at in (1, 3, 5))})"
    expect(tick).to_have_css("fill", rgb)
    link.click()
    expect(page.locator("#robustness")).to_be_hidden()
    watched.settled()
    state = watched.state()
    assert (state["site"], state["layer"], state["head"]) == (first["site"], str(first["layer"]), str(first["head"]))
    page.go_back()
    expect(page.locator("#robustness .head-link").first).to_be_visible()  # the result is still there
    watched.translate("Ich bin hier.")
    expect(page.locator("#robustness .study-result")).to_be_hidden()


def test_faithfulness_stands_beside_chance(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open(LINK)
    page.keyboard.press("Shift+F")
    told: list[str] = []

    def cut_off(route: Any) -> None:
        """A stream that ends in its middle: the page asks again."""
        told.append(route.request.url)
        body = {"state": "running", "progress": {"done": 7, "of": 21, "what": "orders"}}
        route.fulfill(content_type="text/event-stream", body=f"event: progress\ndata: {json.dumps(body)}\n\n")

    page.route("**/events", cut_off, times=1)
    job = begun(page, "faithfulness")
    expect(page.locator("#faithfulness .job-line")).to_contain_text("7 of 21")
    expect(page.locator("#faithfulness .curves-plot[data-drawn]")).to_have_count(2, timeout=WAIT)
    expect(page.locator("#faithfulness .scatterlayer .trace").first).to_be_visible()
    assert len(told) == 1
    result = api.get(f"/v1/jobs/{job}").json()["result"]
    rows = numbers(page.locator("#faithfulness .study-table"))
    assert [row[0] for row in rows] == [row["measure"] for row in result["measures"]] + ["random order"]
    metrics = ("comprehensiveness", "sufficiency", "deletion", "insertion", "degradation")
    for row, wanted in zip(rows, [*result["measures"], result["random"]], strict=True):
        assert [float(cell) for cell in row[1:6]] == pytest.approx([wanted[name]["mean"] for name in metrics], rel=0.01)
    drawn = page.locator("#faithfulness .curve-legend li")
    expect(drawn.first).to_have_text("random order")
    before = drawn.count()
    page.locator("#faithfulness tbody input:not(:checked)").first.check()
    expect(page.locator(f"#faithfulness .curves-plot[data-drawn='{before + 1}']")).to_have_count(2)


def test_a_page_without_a_service_offers_no_such_views(watch: Opener, api: httpx.Client, tmp_path: Path) -> None:
    trace = api.post("/v1/traces", json={"model": "de-en", "inputs": TEXT}).json()["id"]
    (tmp_path / "trace.html").write_bytes(api.get(f"/v1/traces/{trace}/page").raise_for_status().content)
    watched = watch()
    watched.page.goto((tmp_path / "trace.html").as_uri())
    watched.settled()
    expect(watched.page.locator("#view label:visible")).to_have_text(["Map", "Ribbons", "Compare"])
    expect(watched.page.locator("#card-open")).to_be_hidden()
