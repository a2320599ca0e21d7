"""A chat in turns: an answer joins, the next question goes on, and turns can be edited and dropped."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.model.hub import checkpoints

from .conftest import Opener, serving

pytestmark = pytest.mark.browser

PARAMETERS = quote('{"chat":true,"max_new_tokens":4}')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service with a model that has a chat template."""

    def sources(folder: Any) -> Iterator[str]:
        yield f"chat={checkpoints.llama(folder / 'chat', chat=True, max_position_embeddings=512)}"

    with serving(tmp_path_factory.mktemp("chat"), sources) as url:
        yield url


def messages(page: Page, ask: Callable[[], object]) -> list[dict[str, str]]:
    """What the page asks the model in a chat."""
    with page.expect_request("**/v1/predict") as request:
        ask()
    said: list[dict[str, str]] = (request.value.post_data_json or {})["inputs"]["messages"]
    return said


def test_the_next_question_goes_on(watch: Opener) -> None:
    watched = watch()
    page = watched.open(f"#model=chat&text={quote('Where is the station?')}&parameters={PARAMETERS}")
    turns = page.locator("#turns .turn")
    expect(turns).to_have_count(2)
    expect(turns.nth(1).locator(".turn-text")).not_to_be_empty()
    watched.settled()
    first = turns.nth(1).locator(".turn-text").text_content()
    page.fill("#reply", "I have no time.")
    said = messages(page, lambda: page.keyboard.press("Enter"))
    assert [turn["role"] for turn in said] == ["user", "assistant", "user"]
    assert [turn["content"] for turn in said[::2]] == ["Where is the station?", "I have no time."]
    assert said[1]["content"] == first
    expect(turns).to_have_count(4)
    expect(page.locator("#reply")).to_have_value("")
    expect(page.locator("#stale")).to_be_hidden()
    held = json.loads(json.loads(watched.state()["parameters"])["turns"])
    assert held == said[:2]
    page.reload()
    watched.settled()
    expect(turns).to_have_count(4)
    page.click("#conversation summary")
    turns.nth(2).get_by_role("button").click()
    expect(page.locator("#input")).to_have_value("I have no time.")
    page.fill("#input", "It is late.")
    again = messages(page, watched.ask)
    assert again == [*said[:2], {"role": "user", "content": "It is late."}]
    page.click("#conversation-reset")
    page.fill("#input", "Who?")
    assert messages(page, watched.ask) == [{"role": "user", "content": "Who?"}]
    expect(turns).to_have_count(2)
