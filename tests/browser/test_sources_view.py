"""The view of the sources of an answer, for a question about a context and for a prompt that has one."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import expect

from tests.model.hub import checkpoints

from .conftest import Opener, serving

pytestmark = pytest.mark.browser

CONTEXT = "The Nile flows. The Rhine is here. It is late."
ASKED = f"#model=answers&question={quote('Which river?')}&context={quote(CONTEXT)}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service with a model that answers questions, one that goes on from prompts, and one that classifies."""

    def sources(folder: Any) -> Iterator[str]:
        yield f"answers={checkpoints.bert(folder / 'answers', 'question-answering')}"
        yield f"causal={checkpoints.gpt2(folder / 'causal', n_positions=256)}"
        yield f"classifier={checkpoints.bert(folder / 'classifier', 'sequence-classification')}"

    with serving(tmp_path_factory.mktemp("sources"), sources) as url:
        yield url


def test_a_context_is_coloured_by_what_the_answer_used(watch: Opener) -> None:
    watched = watch()
    page = watched.open(ASKED)
    page.locator("#view label", has_text="Sources").click()
    spans = page.locator("#sources-text .source-span")
    expect(spans).to_have_text(["The Nile flows.", "The Rhine is here.", "It is late."])
    answer = httpx.post(
        f"{watched.server}/v1/predict",
        json={"model": "answers", "inputs": {"question": "Which river?", "context": CONTEXT}},
    ).json()["prediction"]["answer"]
    body = {"model": "answers", "question": "Which river?", "context": CONTEXT, "answer": answer, "check": 3}
    body |= {"by": "sentences", "method": ["gradient"], "ablations": 0}
    found = httpx.post(f"{watched.server}/v1/sources", json=body).raise_for_status().json()
    best = found["spans"][found["methods"]["gradient"]["top"][0]]
    first = page.locator("#sources-top li").first
    expect(first).to_contain_text(best["text"])
    for value in best["checked"].values():
        expect(first).to_contain_text(f"{value:.3f}".replace("-", "−"))
    assert watched.state()["view"] == "sources"
    assert page.input_value("#sources-method") == "gradient"
    page.click("#sources-more")
    expect(page.locator("#sources-method option")).to_have_count(3)
    page.select_option("#sources-method", "ablation")
    expect(page.locator("#sources-note")).to_contain_text("ρ")


def test_a_prompt_has_a_context_before_its_last_empty_line(watch: Opener) -> None:
    prompt = quote("I have no time. It is late.\n\nWhere is it?")
    parameters = quote('{"max_new_tokens":4}')
    page = watch().open(f"#model=causal&text={prompt}&parameters={parameters}&view=sources")
    expect(page.locator("#sources-text .source-span")).to_have_text(["I have no time.", "It is late."])
    expect(page.locator("#sources-top li")).to_have_count(2)


def test_what_has_no_context_has_no_such_view(watch: Opener) -> None:
    watched = watch()
    page = watched.open(f"{ASKED}&view=sources")
    expect(page.locator("#sources")).to_be_visible()
    watched.choose("classifier")
    expect(page.locator("#sources")).to_be_hidden()
    expect(page.locator("#view label", has_text="Sources")).to_be_hidden()
    assert "view" not in watched.state()
