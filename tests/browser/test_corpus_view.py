"""Heads over a corpus on the page: measured, chosen by a point, their top inputs opened; and the report of a file."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from typer.testing import CliRunner

from heedmap.app.cli import cli

from .conftest import WAIT, Opener

pytestmark = pytest.mark.browser

LINES = ["Wo ist der Bahnhof?", "Ich habe heute keine Zeit.", "Tom sagte, dass Tom keine Zeit habe."]
LINK = "#model=de-en&text=Wo+ist+der+Bahnhof%3F&site=cross&layer=1&head=2"
DROP = """([name, text]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], name));
    document.querySelector(".corpus-text").dispatchEvent(
        new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }));
}"""


@pytest.fixture(scope="module")
def server(zoo: str) -> str:
    """A service with a model of every kind."""
    return zoo


def measured(page: Page) -> str:
    """Start the job; its id, once its result is drawn."""
    with page.expect_response(lambda response: response.url.endswith("/v1/jobs")) as response:
        page.click("#corpus .job-start")
    page.wait_for_selector("#corpus .scatter-plot[data-drawn]", timeout=WAIT)
    return str(response.value.json()["id"])


def points(page: Page) -> Any:
    """The points of the scatter."""
    return page.locator("#corpus .scatter-plot .scatterlayer .point")


def test_a_point_is_a_head_and_an_input_of_its_opens(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open(LINK)
    page.keyboard.press("Shift+H")
    assert watched.state()["view"] == "corpus"
    expect(page.locator(".corpus-text")).not_to_have_value("")  # the model's examples
    page.fill(".corpus-text", "\n\n".join(LINES))
    expect(page.locator("#corpus .study-settings").first).to_contain_text("3 inputs")
    result = api.get(f"/v1/jobs/{measured(page)}").json()["result"]
    heads = result["heads"]
    expect(points(page)).to_have_count(len(heads))
    expect(points(page).first).to_be_visible()
    page.locator("#corpus select").nth(1).select_option("sink")
    rows = page.locator("#corpus .curves-table tbody tr")
    by_name = {f"{head['site']} · layer {head['layer']} · head {head['head']}": head for head in heads}
    for row in rows.all_inner_texts():
        name, distance, sink = row.split("\t")
        head = by_name[re.sub(r"(head \d+).*", r"\1", name)]
        assert float(distance) == pytest.approx(head["distance"], abs=6e-4)
        assert float(sink) == pytest.approx(head["sink"], abs=6e-4)
    chosen = page.locator("#corpus .corpus-chosen")
    expect(chosen.locator("h3")).to_contain_text("cross · layer 1 · head 2")
    high = max(heads, key=lambda head: head["sink"])  # nobody is above it
    index = [head for head in heads if head["site"] == high["site"]].index(high)
    site = [site["name"] for site in result["sites"]].index(high["site"])
    point = page.locator("#corpus .scatterlayer .trace").nth(site).locator(".point").nth(index)
    point.hover(force=True)
    expect(page.locator("#corpus .hovertext")).to_contain_text(f"layer {high['layer']} · head {high['head']}")
    point.click(force=True)
    expect(chosen.locator("h3")).to_contain_text(f"{high['site']} · layer {high['layer']} · head {high['head']}")
    state = watched.state()
    assert (state["site"], state["layer"], state["head"]) == (high["site"], str(high["layer"]), str(high["head"]))
    assert state["view"] == "corpus"
    passages = {passage["number"]: passage["text"] for passage in result["passages"]}
    top = [passages[number] for number, _ in high["top"]["sink"]]
    expect(chosen.locator(".corpus-passage")).to_have_text(top)
    last = chosen.locator(".corpus-passage").last
    last.click()
    expect(page.locator("#corpus")).to_be_hidden()
    watched.settled()
    expect(page.locator("#input")).to_have_value(top[-1])
    state = watched.state()
    assert (state["site"], state["layer"], state["head"]) == (high["site"], str(high["layer"]), str(high["head"]))
    assert "view" not in state
    page.keyboard.press("Shift+H")
    expect(points(page)).to_have_count(len(heads))  # another input on show loses nothing
    page.keyboard.press("n")
    expect(page.locator("#corpus .job-start")).to_have_text("重新测量")


def test_files_that_are_dropped_and_bad_ones(watch: Opener) -> None:
    page = watch().open(f"{LINK}&view=corpus")
    good = json.dumps({"inputs": LINES[0]})
    page.evaluate(DROP, ["rows.jsonl", f'{good}\n\n{{"words": 3}}\n'])
    expect(page.locator("#corpus .study-settings").first).to_contain_text("2 inputs")
    page.click("#corpus .job-start")
    expect(page.locator("#corpus .job")).to_contain_text("Line 3 is no JSON with “inputs”.")
    page.evaluate(DROP, ["picture.png", "\0PNG"])
    expect(page.locator("#corpus .study-settings").first).to_contain_text("picture.png is not a text file.")
    page.evaluate(DROP, ["rows.jsonl", f"{good}\n{LINES[1]}"])
    with page.expect_request(lambda request: request.url.endswith("/v1/jobs")) as request:
        page.click("#corpus .job-start")
    assert request.value.post_data_json["inputs"] == LINES[:2]
    page.wait_for_selector("#corpus .scatter-plot[data-drawn]")
    page.fill(".corpus-text", "")
    expect(page.locator("#corpus .job-start")).to_be_disabled()


def test_models_of_other_kinds(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#model=encoder&text=the+cat+sat&view=corpus")
    page.fill(".corpus-text", "the cat sat on the mat\nthe dog")
    measured(page)
    expect(points(page)).to_have_count(8)
    page.goto(f"{watched.server}/#model=llama&text=the+cat&view=corpus")
    page.reload()
    watched.settled()
    page.fill(".corpus-text", "the cat sat on the mat")
    with page.expect_request(lambda request: request.url.endswith("/v1/jobs")) as request:
        measured(page)
    assert request.value.post_data_json["parameters"]["max_new_tokens"] == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_is_drawn_from_its_file_alone(browser: Browser, tmp_path: Path, tiny: Path, scheme: Any) -> None:
    lines, report = tmp_path / "lines.txt", tmp_path / "report.html"
    lines.write_text("\n".join([*LINES, "<script>alert(1)</script>"]), encoding="utf-8")
    given = [str(tiny), str(lines), "--report", str(report), "--device", "cpu", "--max-new-tokens", "6"]
    done = CliRunner().invoke(cli, ["corpus", *given])
    assert done.exit_code == 0, (done.output, done.exception)
    context = browser.new_context(color_scheme=scheme)
    page, said, asked = context.new_page(), list[str](), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    page.wait_for_function("() => document.documentElement.dataset.drawn === 'distance entropy 24'")
    page.select_option("#y", "sink")
    page.wait_for_function("() => document.documentElement.dataset.drawn === 'distance sink 24'")
    page.select_option("#head", "7")
    expect(page.locator("#chosen h3")).to_contain_text("encoder 1.3")
    expect(page.locator("#chosen li")).to_have_count(4)
    expect(page.locator("#chosen li").filter(has_text="<script>")).to_have_count(1)
    point = page.locator("#scatter .trace").nth(2).locator(".point").first
    point.click(force=True)
    expect(page.locator("#chosen h3")).to_contain_text("cross 0.0")
    assert page.locator("#chosen li .answer").first.inner_text().count("line") == 1
    wide = page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert wide
    assert said == []
    assert asked == [report.as_uri()]
    context.close()
