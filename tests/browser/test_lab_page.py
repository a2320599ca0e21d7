"""The lab as a page: what is asked on demand, languages, looks, trouble, what assistive technology meets."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Opener
from tests.browser.test_lab import SENTENCE, a_map, measured, number, table, trace

pytestmark = pytest.mark.browser
SECTIONS = ("sum", "scale", "choice", "heads", "masks", "translation", "cost", "noise", "why")
CHINESE = r"[\u4e00-\u9fff]"


@pytest.fixture(scope="module")
def server(translators: str) -> str:
    """The address of the live service with both translators."""
    return translators


def all_measured(page: Page) -> None:
    """Every figure that is measured by itself, and every answer unfolded."""
    for section in SECTIONS:
        if section not in ("cost", "choice"):
            measured(page, section)
        page.locator(f"#{section} details").evaluate("node => { node.open = true }")


def bytes_of(text: str) -> float:
    """A number of bytes as the page writes it."""
    value, unit = text.split()
    return float(value) * {"B": 1, "kB": 1e3, "MB": 1e6}[unit]


def test_cost_is_measured_when_it_is_asked_for(lab: Callable[..., Page], api: httpx.Client) -> None:
    page = lab()
    page.locator("#cost").scroll_into_view_if_needed()
    expect(page.locator("#cost .charts")).to_be_hidden()
    page.locator("#cost .controls button").click()
    page.wait_for_selector("#cost .figure-room[data-state=ready]", timeout=120_000)
    times, sizes, traces = (table(page, f"#cost .chart:nth-child({place})") for place in (1, 2, 3))
    assert [row[0] for row in times] == ["64", "128", "256", "512", "1024"]
    assert all(number(cell) > 0 for row in times for cell in row[1:])
    for row in sizes:
        length = int(row[0])
        body = {"queries": [[0.5] * 16] * length, "values": [[1]] * length}
        bare = len(api.post("/v1/attention", json=body | {"return_weights": False}).content)
        assert bytes_of(row[2]) == pytest.approx(bare, rel=0.9), "as many numbers, of other digits"
        assert 5 * length**2 < bytes_of(row[1]) < 24 * length**2, "so many characters a weight"
    for repeats, row in zip((1, 2, 4, 8, 16, 32), traces, strict=True):
        asked = {"model": "de-en", "inputs": " ".join([SENTENCE] * repeats), "parameters": {"max_new_tokens": 1}}
        summary = api.post("/v1/traces", json=asked).raise_for_status().json()
        maps = sum(4 * site["layers"] * site["heads"] * np.prod(site["shape"]) for site in summary["sites"])
        assert int(row[0]) == summary["sites"][0]["shape"][0]
        assert bytes_of(row[1]) == pytest.approx(maps, rel=6e-3)
        assert bytes_of(row[2]) == pytest.approx(summary["bytes"], rel=6e-3)


def test_a_mistyped_sentence_is_the_apis_and_its_curves_the_jobs(lab: Callable[..., Page], api: httpx.Client) -> None:
    page = lab()
    measured(page, "noise")
    source, text = re.findall("“(.*)” becomes “(.*)”", page.locator("#noise .half p").nth(2).inner_text())[0]
    assert source != SENTENCE
    assert sorted(source) == sorted(SENTENCE), "letters trade places"
    assert trace(api, text=source)["prediction"]["text"] == text
    page.locator("#noise input[type=range]").fill("0")
    expect(page.locator("#noise .half p").nth(2)).to_contain_text(f"“{SENTENCE}” becomes")
    page.locator("#noise button.main").click()
    body = {
        "kind": "robustness",
        "model": "de-en",
        "inputs": [SENTENCE],
        "strengths": [0.05, 0.1, 0.2, 0.4],
        "seeds": 5,
    }
    names = ["typing_errors", "fgsm", "embedding_noise"]
    job = api.post("/v1/jobs", json=body | {"perturbations": names}).raise_for_status().json()
    expect(page.locator("#noise .charts")).to_be_visible(timeout=120_000)
    with api.stream("GET", f"/v1/jobs/{job['id']}/events", timeout=120) as events:
        assert any("event: end" in line for line in events.iter_lines())
    curves = api.get(f"/v1/jobs/{job['id']}").json()["result"]["curves"]
    quality, moved = (table(page, f"#noise .chart:nth-child({place})") for place in (1, 2))
    for at, row in enumerate(quality):
        for column, name in enumerate(names, 1):
            found = [each for each in curves if each["perturbation"] == name][at]
            assert number(row[column].split()[0]) == pytest.approx(found["agreement"]["mean"], rel=6e-3)
            cross = found["divergence"]["cross"]["mean"]
            assert number(moved[at][column].split()[0]) == pytest.approx(cross, rel=0.06, abs=6e-4)


def test_distance_is_scored_as_the_api_scores_it(lab: Callable[..., Page], api: httpx.Client) -> None:
    page = lab()
    measured(page, "translation")
    page.locator("#translation button.main").click()
    page.wait_for_selector("#translation .chart:not([hidden])", timeout=120_000)
    rows = table(page, "#translation .chart")
    assert [row[0] for row in rows] == ["0", "1", "2", "4", "8", "16"]
    for column, model in enumerate(("de-en", "de-en-gru"), 1):
        alone, filler = (trace(api, model, text) for text in (SENTENCE, "Wo ist der Bahnhof?"))
        length = len(alone["prediction"]["tokens"])
        assert number(rows[0][column]) == pytest.approx(alone["objective"]["value"] / length, rel=6e-3)
        for many, row in ((2, rows[2]), (16, rows[5])):
            target = " ".join([filler["prediction"]["text"]] * many + [alone["prediction"]["text"]])
            body = {"model": model, "inputs": " ".join(["Wo ist der Bahnhof?"] * many + [SENTENCE]), "target": target}
            whole = len(api.post("/v1/traces", json=body).json()["axes"]["target"]["ids"])
            body["objective"] = {"tokens": list(range(whole - length, whole))}
            value = api.post("/v1/traces", json=body).json()["objective"]["value"]
            assert number(row[column]) == pytest.approx(value / length, rel=6e-3)


def test_weights_and_effects_correlate_as_numpy_says(lab: Callable[..., Page], api: httpx.Client) -> None:
    page = lab()
    measured(page, "why")
    id = trace(api)["id"]
    weights = a_map(api, id, "cross", 1, "mean")
    places = [(query, key) for query in range(weights.shape[0]) for key in range(weights.shape[1])]
    edit: dict[str, Any] = {"kind": "cut", "site": "cross", "layer": 1, "head": "all"}
    edits = [edit | {"query": query, "key": key} for query, key in places]
    effects = api.post(f"/v1/traces/{id}/effects", json={"edits": edits, "measured": True}).json()["effects"]
    size = np.abs([each["measured"] for each in effects])
    assert page.locator("#why .point").count() == weights.size
    said = re.findall(r"Pearson (\S+)\s+Spearman (\S+)", page.inner_text("#why .equation"))[0]
    assert number(said[0]) == pytest.approx(np.corrcoef(weights.ravel(), size)[0, 1], abs=2e-3)
    order = [np.argsort(np.argsort(each)) for each in (weights.ravel(), size)]  # ties among the effects are few
    assert number(said[1]) == pytest.approx(np.corrcoef(*order)[0, 1], abs=0.05)
    page.locator("#why input[value='0']").check(force=True)
    page.wait_for_function("said => !document.querySelector('#why .equation').textContent.includes(said)", arg=said[0])


def test_every_text_stands_in_both_languages(lab: Callable[..., Page]) -> None:
    page = lab()
    names = ("page", *SECTIONS)
    for name in names:
        english, chinese = page.evaluate(
            "name => import(`./js/text/strings/lab/${name}.js`)"
            ".then(({ en, zh }) => [Object.entries(en), Object.entries(zh)])",
            name,
        )
        assert [key for key, _ in english] == [key for key, _ in chinese], name
        assert all(text.strip() for _, text in english + chinese)
        slots = [[sorted(re.findall(r"{(\w+)}", text)) for _, text in each] for each in (english, chinese)]
        assert slots[0] == slots[1], name


def test_the_language_changes_all_that_is_said(lab: Callable[..., Page]) -> None:
    page = lab(locale="zh-CN")
    all_measured(page)
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    for section in SECTIONS:
        parts = page.locator(f"#{section} :is(h2, .prose, summary, .question p, .onward, caption, .caption, .source)")
        for text in parts.all_inner_texts():
            assert not text or re.search(CHINESE, text), (section, text)
    page.click("#language")
    assert page.title() == "Heedmap lab: attention, section by section"
    left = page.evaluate("() => document.body.textContent.replace('中文', '')")
    assert re.search(f".{{0,20}}{CHINESE}.{{0,20}}", left) is None
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_axe_finds_no_violation(lab: Callable[..., Page], theme: str, locale: str) -> None:
    page = lab(color_scheme=theme, locale=locale)
    all_measured(page)
    found = {
        f"{violation['id']} at {', '.join(node['target'][0] for node in violation['nodes'][:4])}"
        for violation in Axe().run(page).response["violations"]
    }
    assert not found


def test_axe_finds_what_there_is_to_find(lab: Callable[..., Page]) -> None:
    page = lab()
    page.evaluate("() => document.querySelector('#sum').append(document.createElement('button'))")
    assert "button-name" in {violation["id"] for violation in Axe().run(page).response["violations"]}


def test_a_phone_has_all_of_it_in_one_column(lab: Callable[..., Page]) -> None:
    page = lab(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2)
    all_measured(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
    small = page.evaluate(
        """() => [...document.querySelectorAll(":is(.bar, .contents) a, button, summary, .onward")]
          .filter((node) => !node.matches(".skip, .head-tile"))
          .filter((node) => node.checkVisibility())
          .map((node) => [node.textContent, node.getBoundingClientRect().height])
          .filter(([, height]) => height < 44)"""
    )
    assert small == []


def test_a_chosen_theme_is_kept_and_drawings_follow(lab: Callable[..., Page]) -> None:
    page = lab(color_scheme="light")
    measured(page, "masks")
    fill = "() => document.querySelector('#masks .cell:not(.masked)').getAttribute('fill')"
    before = page.evaluate(fill)
    page.click("#theme")
    assert page.evaluate(fill) != before
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_explorer_and_the_lab_lead_to_each_other(watch: Opener, server: str) -> None:
    page = watch().open()
    page.click("#lab")
    page.wait_for_selector("#contents a")
    assert page.url == f"{server}/lab"
    assert [link.get_attribute("href") for link in page.locator("#contents a").all()] == [
        f"#{name}" for name in SECTIONS
    ]
    measured(page, "sum")
    page.locator("#sum .onward").click()
    page.wait_for_selector("#map[data-state=ready]")
    expect(page.locator("#cell-place")).to_have_text("(1, 1)")


def test_trouble_is_said_and_can_be_tried_again(watch: Opener, server: str) -> None:
    watched = watch()
    watched.allow("503")
    page = watched.page
    busy = True

    def refuse(route: Route) -> None:
        if not busy:
            route.continue_()
            return
        body = '{"type": "urn:heedmap:problem:overloaded", "title": "Overloaded", "status": 503, "detail": "full"}'
        route.fulfill(status=503, content_type="application/problem+json", body=body)

    page.route("**/v1/attention", refuse)
    page.goto(f"{server}/lab#sum")
    alert = page.locator("#sum .figure > .problem")
    expect(alert).to_be_visible()
    busy = False
    alert.locator("button").click()
    page.wait_for_selector("#sum .figure-room[data-state=ready]")
    expect(alert).to_be_hidden()


def test_a_model_that_is_not_served_is_named(watch: Opener, server: str) -> None:
    page = watch().page

    def without(route: Route) -> None:
        answer = route.fetch()
        models = [model for model in answer.json()["models"] if model["name"] != "de-en-gru"]
        route.fulfill(response=answer, json={"models": models})

    page.route("**/v1/models", without)
    page.goto(f"{server}/lab")
    page.locator("#translation .figure-room").scroll_into_view_if_needed()
    expect(page.locator("#translation .figure > .problem")).to_contain_text("--model de-en-gru=")
    measured(page, "heads")
