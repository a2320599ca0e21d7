"""Every task on the page: its fields, its button, its answer, and the words that it is read from."""

import re
from urllib.parse import parse_qs

import httpx
import pytest
from playwright.sync_api import Page, expect

from .conftest import Opener, Watched, text_of

pytestmark = pytest.mark.browser

BARS = "#prediction .bar-item"


@pytest.fixture(scope="module")
def server(zoo: str) -> str:
    """The service with a model of every kind."""
    return zoo


def start(watch: Opener, model: str) -> tuple[Watched, Page]:
    """A page at a model's own example."""
    watched = watch()
    return watched, watched.open(f"#model={model}")


def answer(api: httpx.Client, model: str, inputs: object) -> dict:
    """The service's own answer."""
    return api.post("/v1/traces", json={"model": model, "inputs": inputs}).raise_for_status().json()


def bars(page: Page) -> list[tuple[str, str]]:
    """Names and figures of the bars on show."""
    rows = page.locator(BARS).all()
    return [(row.locator(".bar-name").inner_text(), row.locator(".top-weight").inner_text()) for row in rows]


def test_the_menu_lists_every_model_by_its_task(watch: Opener, api: httpx.Client) -> None:
    page = watch().open()
    served = api.get("/v1/models").json()["models"]
    listed = page.eval_on_selector_all("#model option", "list => list.map((node) => node.value)")
    assert sorted(listed) == sorted(model["name"] for model in served)
    read = "list => list.map((node) => [node.label, node.children.length])"
    groups = page.eval_on_selector_all("#model optgroup", read)
    assert len(groups) == len({model["task"] for model in served})
    assert dict(groups)["text generation"] == 2
    expect(page.locator("#model-note")).to_contain_text("9.9 million parameters")


def test_the_menu_switches_to_a_classifier_and_back(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    assert page.inner_text("#run-text") == "Translate"
    prediction = watched.choose("classifier")["prediction"]
    assert page.inner_text("#run-text") == "Classify"
    assert bars(page)[0] == (prediction[0]["label"], f"{100 * prediction[0]['score']:.1f}%")
    assert [name for name, _ in bars(page)] == [row["label"] for row in prediction]
    assert watched.state()["site"] == "encoder"
    assert watched.state()["layer"] == "1", "the last layer is the one to begin with"
    expect(page.locator("#heads .head")).to_have_count(8)
    assert page.locator("#groups .group").count() == 0, "no head shares its keys"
    expect(page.locator("#head-group")).to_be_hidden()
    page.go_back()
    expect(page.locator("#run-text")).to_have_text("Translate")
    watched.settled()
    expect(page.locator("#prediction")).to_be_hidden()
    assert "yesterday" in text_of(page, "#target-sentence")


def test_what_the_reader_wrote_goes_along(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#model=classifier")
    page.fill("#input", "My own words.")
    watched.ask()
    summary = watched.choose("encoder")
    assert page.input_value("#input") == "My own words."
    assert summary["task"] == "feature-extraction"


def test_an_answer_is_marked_in_its_context(watch: Opener, api: httpx.Client) -> None:
    inputs = {"question": "Where is the station?", "context": "The girl has no time today. The station is here."}
    watched, page = start(watch, "classifier")
    watched.choose("answers")
    names = set(parse_qs(page.evaluate("location.hash.slice(1)")))
    assert {"model", "question", "context", "site"} <= names
    assert not {"text", "labels", "sentences", "trace"} & names, "the link holds no more than the task reads"
    page.fill("#question", inputs["question"])
    page.fill("#context", inputs["context"])
    prediction = watched.ask()["prediction"]
    assert prediction["answer"] == inputs["context"][prediction["start"] : prediction["end"]]
    assert page.inner_text("#prediction .answer") == prediction["answer"]
    assert page.inner_text("#context-sentence .mark") == prediction["answer"]
    assert "station" in text_of(page, "#question-sentence")
    assert watched.state()["question"] == inputs["question"]
    assert answer(api, "answers", inputs)["prediction"] == prediction


def test_entities_are_marked_in_the_text(watch: Opener, api: httpx.Client) -> None:
    _, page = start(watch, "entities")
    text = page.input_value("#input")
    entities = answer(api, "entities", text)["prediction"]
    assert entities, "the random model finds some"
    first = page.locator("#source-sentence .mark").first
    assert first.locator(".mark-label").inner_text() == entities[0]["entity_group"]
    start_of_word = text.rfind(" ", 0, entities[0]["start"] + 1) + 1
    assert text[start_of_word:].startswith(first.locator(".word").first.inner_text())


def test_masks_get_their_candidates(watch: Opener, api: httpx.Client) -> None:
    _, page = start(watch, "masks")
    candidates = answer(api, "masks", page.input_value("#input"))["prediction"]
    assert [name for name, _ in bars(page)] == [row["token_str"] for row in candidates]
    assert "[MASK]" in text_of(page, "#source-sentence")


def test_an_embedding_is_summarised(watch: Opener, api: httpx.Client) -> None:
    _, page = start(watch, "encoder")
    [vectors] = answer(api, "encoder", page.input_value("#input"))["prediction"]
    summary = page.inner_text("#prediction")
    assert f"{len(vectors)} vectors of {len(vectors[0])} numbers" in summary
    assert f"[{vectors[0][0]:.3f}, {vectors[0][1]:.3f}" in summary


def test_sentences_are_compared(watch: Opener) -> None:
    watched, page = start(watch, "sentences")
    assert page.inner_text("#run-text") == "Compare"
    page.fill("#sentences", "The girl is here.\n\nWhere is the station?\n")
    scores = watched.ask()["prediction"]
    by_sentence = dict(zip(["The girl is here.", "Where is the station?"], scores, strict=True))
    expected = sorted(by_sentence.items(), key=lambda row: -row[1])
    assert bars(page) == [(name, f"{score:.3f}") for name, score in expected]


def test_generated_words_look_back_alone(watch: Opener) -> None:
    _, page = start(watch, "llama")
    expect(page.locator("#option-do_sample")).to_have_count(1)
    expect(page.locator("#option-chat")).to_have_count(0)  # it has no chat template
    words = page.locator("#target-sentence .word:not(.special)")
    assert words.count() > 1
    words.first.hover()
    expect(words.first).to_have_class(re.compile("marked"))
    expect(page.locator("#source-sentence .word.lit").first).to_be_visible()
    assert page.locator("#target-sentence .word.lit").count() <= 1, "what comes later is not seen"


def test_heads_that_share_keys_stand_together(watch: Opener, api: httpx.Client) -> None:
    _, page = start(watch, "llama")
    [site] = answer(api, "llama", page.input_value("#input"))["sites"]
    assert (site["heads"], site["kv_heads"]) == (4, 2)
    brackets = page.locator("#groups .group")
    expect(brackets).to_have_count(2)
    assert brackets.nth(0).get_attribute("title") == "kv 0: heads 0–1"
    assert brackets.nth(1).get_attribute("title") == "kv 1: heads 2–3"
    assert "kv 1: heads 2–3" in str(page.get_attribute("#head-1-2", "title"))
    boxes = [page.locator(selector).bounding_box() for selector in ("#head-0-0", "#head-0-1", "#head-0-2")]
    first, second, third = [box["x"] for box in boxes if box]
    assert third - second > second - first, "a gap between groups"
    bracket = brackets.nth(0).bounding_box()
    assert bracket
    assert abs(bracket["x"] - first) < 1.5
    assert bracket["x"] + bracket["width"] < third
    page.click("#head-1-3")
    expect(page.locator("#head-group")).to_have_text("kv 1: heads 2–3")


def test_what_cannot_be_recomputed_says_so(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    expect(page.locator("#warning")).to_be_hidden()
    certificate = watched.choose("bloom")["certificate"]
    assert certificate["max_error"] is None
    expect(page.locator("#warning")).to_be_visible()
    expect(page.locator("#warning-text")).to_have_text(certificate["warning"])
    expect(page.locator("#certificate")).to_have_text("the model’s own weights")
    assert page.locator("#certificate.doubtful").count() == 1
    watched.choose("llama")
    expect(page.locator("#warning")).to_be_hidden()
    expect(page.locator("#certificate")).to_contain_text("exact to")


def test_options_are_sent_and_stand_in_the_link(watch: Opener) -> None:
    watched, page = start(watch, "llama")
    page.keyboard.press("o")
    page.fill("#option-max_new_tokens", "3")
    expect(page.locator("#stale")).to_be_visible()
    assert len(watched.ask()["prediction"]["tokens"]) <= 3
    assert watched.state()["parameters"] == '{"max_new_tokens":3}'
    other = watch()
    other.open(page.url.removeprefix(watched.server).lstrip("/"))
    assert other.page.input_value("#option-max_new_tokens") == "3"
    assert text_of(other.page, "#target-sentence") == text_of(page, "#target-sentence")


def test_pointing_can_be_turned_round(watch: Opener) -> None:
    watched, page = start(watch, "classifier")
    word = page.locator("#source-sentence .word:not(.special)").first
    word.hover()
    expect(page.locator("#row-band")).to_be_visible()
    expect(page.locator("#col-band")).to_be_hidden()
    page.keyboard.press("r")
    watched.settled()
    page.mouse.move(5, 5)
    page.locator("#source-sentence .word:not(.special)").first.hover()
    expect(page.locator("#col-band")).to_be_visible()
    expect(page.locator("#row-band")).to_be_hidden()
    assert watched.state()["point"] == "keys"


def test_a_problem_stands_by_its_field(watch: Opener) -> None:
    watched, page = start(watch, "answers")
    watched.allow("Failed to load resource")
    page.fill("#context", "")
    page.click("#run")
    expect(page.locator("#problem")).to_be_visible()
    expect(page.locator("#context")).to_have_attribute("aria-invalid", "true")
    assert page.get_attribute("#question", "aria-invalid") is None


def test_a_model_that_is_not_served_is_named(watch: Opener) -> None:
    watched = watch()
    watched.allow("Failed to load resource")
    watched.page.goto(f"{watched.server}/#model=nobody&text=Hallo")
    expect(watched.page.locator("#problem")).to_contain_text("nobody")
    expect(watched.page.locator("#empty")).to_be_visible()


@pytest.mark.parametrize("model", ["answers", "llama"])
def test_every_task_speaks_chinese(watch: Opener, model: str) -> None:
    watched = watch(locale="zh-CN")
    page = watched.open(f"#model={model}")
    said = page.evaluate(
        "[...document.querySelectorAll('.bar [data-t]:not(#language), #run-text, .say h2, #hover-hint')]"
        ".filter((node) => node.checkVisibility()).map((node) => node.textContent)"
    )
    assert len(said) > 5
    assert [text for text in said if not re.search("[\u4e00-\u9fff]", text) and "Enter" not in text] == []
