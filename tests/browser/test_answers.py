"""What the service says of answers and models, on the page: the head to begin with, a cut output, options."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from .conftest import Opener
from .modules import call

pytestmark = pytest.mark.browser

MOST_TOKENS = 32_768  # of an output, as the service takes it
CUT = {
    "en-US": "The output is cut here: it reached its greatest length. Options can allow more tokens.",
    "zh-CN": "输出到此被截断：已达到最大长度。可在选项中放宽词元数。",
}
UNMASKED = {
    "en-US": "There is no mask in this text, so there is nothing to fill in. The map is the model’s all the same.",
    "zh-CN": "文中没有掩码，因此无需填空。注意力图仍是模型自己的。",
}


@pytest.fixture(scope="module")
def server(zoo: str) -> str:
    """The service with a model of every kind."""
    return zoo


def name_best(page: Page, best: dict[str, int] | None) -> None:
    """Let the service name this head as the one of every site that shows most."""

    def answer(route: Route) -> None:
        heads: dict[str, Any] = route.fetch().json()
        sites = {row["site"] for row in heads["heads"]}
        route.fulfill(json={**heads, "best": dict.fromkeys(sites, best)})

    page.route("**/heads", answer)


@pytest.mark.parametrize(
    ("best", "layer", "head"), [({"layer": 0, "head": 2}, "0", "2"), (None, "1", "0")], ids=["named", "none named"]
)
def test_a_map_opens_at_the_head_that_shows_most(
    watch: Opener, best: dict[str, int] | None, layer: str, head: str
) -> None:
    watched = watch()
    name_best(watched.page, best)
    page = watched.open("#model=classifier")
    expect(page.locator(f"#head-{layer}-{head}")).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize("site", ["encoder", "cross", "decoder"])
def test_the_page_opens_at_the_head_that_the_route_names(watch: Opener, site: str) -> None:
    """Nothing stands between them here: the page's own trace, and the service's own answer about it."""
    watched = watch()
    with watched.page.expect_response("**/heads") as caught:
        page = watched.open(f"#model=de-en&text=Ich+habe+gestern+ein+Buch+gelesen.&site={site}")
    best = httpx.get(caught.value.url).json()["best"]
    assert best[site] not in [place for other, place in best.items() if other != site], "else any site's would do"
    head = page.locator(f"#head-{best[site]['layer']}-{best[site]['head']}")
    expect(head).to_have_attribute("aria-selected", "true")


def test_a_head_that_a_link_names_comes_before_the_best(watch: Opener) -> None:
    watched = watch()
    name_best(watched.page, {"layer": 0, "head": 2})
    watched.open("#model=classifier&site=encoder&layer=1&head=3")
    assert (watched.state()["layer"], watched.state()["head"]) == ("1", "3")


@pytest.mark.parametrize("locale", CUT)
def test_an_output_that_is_cut_says_so_quietly(watch: Opener, locale: str) -> None:
    watched = watch(locale=locale)
    page = watched.open("#model=de-en&text=Ich+habe+gestern+ein+Buch+gelesen.")
    expect(page.locator("#ending")).to_be_hidden()
    page.keyboard.press("o")
    page.fill("#option-max_new_tokens", "2")
    assert watched.ask()["prediction"]["finish_reason"] == "length"
    expect(page.locator("#target-sentence + #ending")).to_have_text(CUT[locale])
    expect(page.locator("#problem")).to_be_hidden()
    page.keyboard.press("o")  # it closed when the button was pressed
    page.fill("#option-max_new_tokens", "")
    assert watched.ask()["prediction"]["finish_reason"] == "stop"
    expect(page.locator("#ending")).to_be_hidden()


@pytest.mark.parametrize("locale", UNMASKED)
def test_a_text_without_a_mask_has_a_map_and_a_calm_line(watch: Opener, locale: str) -> None:
    watched = watch(locale=locale)
    page = watched.open("#model=masks&text=The+girl+is+here.")
    expect(page.locator("#prediction p")).to_have_text(UNMASKED[locale])
    assert page.locator("#prediction .bar-item").count() == 0
    expect(page.locator("#problem")).to_be_hidden()
    assert page.locator("#heads .head").count() > 0


def test_a_model_with_a_slash_in_its_name_opens_by_a_link(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open("#model=org/encoder&text=The+girl+is+here.")
    assert page.input_value("#model") == "org/encoder"
    assert watched.state()["model"] == "org/encoder"
    other = watch()
    other.open(page.url.removeprefix(watched.server).lstrip("/"))
    assert other.page.input_value("#model") == "org/encoder"
    assert api.get("/v1/models/org%2Fencoder").json()["name"] == "org/encoder"


def test_the_form_offers_exactly_what_each_model_takes(watch: Opener, api: httpx.Client) -> None:
    page = watch().open()
    models = api.get("/v1/models").json()["models"]
    offered, taken = {}, {}
    for model in models:
        page.select_option("#model", model["name"])
        read = "(list, own) => list.map((node) => node.name).filter((name) => !own.includes(name))"
        own = ["chat", "turns", "given_answer"]  # of the page: they become inputs and target
        offered[model["name"]] = sorted(page.eval_on_selector_all("#options-list [data-option]", read, own))
        elsewhere = {"candidate_labels", "stop"}  # those have a field of the form, or are for programs
        taken[model["name"]] = sorted(set(model["parameters"]) - elsewhere)
    assert offered == taken
    assert any(taken.values())


def test_the_longest_output_is_the_models_unless_the_reader_says(watch: Opener, api: httpx.Client) -> None:
    page = watch().open("#model=de-en")
    [model] = [model for model in api.get("/v1/models").json()["models"] if model["name"] == "de-en"]
    option = page.locator("#option-max_new_tokens")
    expect(option).to_have_attribute("max", str(MOST_TOKENS))
    assert str(model["parameters"]["max_new_tokens"]["default"]) in str(option.get_attribute("placeholder"))
    expect(option).to_have_value("")


def test_a_token_that_was_copied_says_how_much_of_it(watch: Opener) -> None:
    """The service says how much was written; the bars are what is left of one. What was not read is told."""
    prediction = {"text": "On Ra", "tokens": ["▁On", "▁Ra", "</s>"], "p_gen": [0.9, 0.25, 1], "unread_words": 12}
    page = watch().open("#model=de-en")
    summary = {"prediction": prediction, "task": "summarization", "axes": {"target": {}}}
    call(page, "views/prediction", "m.showPrediction(a)", {"summary": summary, "draft": {"fields": {}}, "model": {}})
    figures = page.locator("#prediction .bar-item .top-weight").all_inner_texts()
    assert figures == ["10.0%", "75.0%", "0.00%"]
    assert "the last 12 words were not read" in page.inner_text("#prediction")
    names = page.locator("#prediction .bar-item .bar-name").all_inner_texts()
    assert names == ["On", "Ra", "</s>"]
