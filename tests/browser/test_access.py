"""A service that wants a key, and models that are loaded when they are first asked: what the page says and asks for."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.live import service

from .conftest import Opener, Watched, text_of
from .zoo import SHIPPED

pytestmark = pytest.mark.browser

KEY = "open-sesame-0123456789"
REFUSED = "Failed to load resource"  # Chromium logs every answer that is no success


def pickled(folder: Path) -> Path:
    """A checkpoint with weights that are never opened."""
    folder.mkdir()
    config = {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "pytorch_model.bin").write_bytes(b"not to be opened")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with a key that loads nothing at its start."""
    folder = tmp_path_factory.mktemp("access")
    models = ["--model", f"de-en={SHIPPED}", "--model", f"pickled={pickled(folder / 'pickled')}"]
    with service(folder, *models, api_keys=f"another-0123456789,{KEY}", load="first-use") as url:
        yield url


def locked(watch: Opener, link: str = "#text=Wo+ist+der+Bahnhof%3F") -> tuple[Watched, Page]:
    """A page that has met the locked service."""
    watched = watch(accept_downloads=True)
    watched.allow(REFUSED)
    watched.page.goto(f"{watched.server}/{link}")
    expect(watched.page.locator("#key-dialog")).to_be_visible()
    return watched, watched.page


def unlock(watched: Watched, key: str = KEY) -> None:
    """Give a key to the dialog, and wait for the first map."""
    watched.page.fill("#key-value", key)
    watched.page.keyboard.press("Enter")
    watched.settled()


def test_models_wait_to_be_asked_and_say_why_they_fail(watch: Opener) -> None:
    watched, page = locked(watch, "#model=pickled")
    page.fill("#key-value", KEY)
    page.click("#key-use")
    expect(page.locator("#model option[value=pickled]")).to_have_text("pickled · not loaded")
    expect(page.locator("#empty")).to_be_visible()
    page.fill("#input", "Paris is the [MASK] of France.")
    page.click("#run")
    expect(page.locator("#problem")).to_contain_text("pickle", timeout=60_000)  # transformers is imported first
    expect(page.locator("#model option[value=pickled]")).to_have_text("pickled · failed")
    expect(page.locator("#model-note")).to_contain_text("convert")
    page.select_option("#model", "de-en")
    page.fill("#input", "Wo ist der Bahnhof?")
    assert watched.ask()["model"] == "de-en"
    expect(page.locator("#model option[value=de-en]")).to_have_text("de-en")
    expect(page.locator("#problem")).to_be_hidden()


def test_a_key_opens_the_service_and_stays_out_of_the_link(watch: Opener) -> None:
    watched, page = locked(watch)
    assert "key" in page.inner_text("#key-why")
    sent = []
    page.on("request", lambda request: sent.append((request.url, request.headers.get("x-api-key"))))
    unlock(watched)
    assert text_of(page, "#target-sentence")
    calls = [(url, key) for url, key in sent if "/v1/" in url]
    assert {key for _, key in calls} == {KEY}
    assert not any(KEY in url for url, _ in sent)
    assert KEY not in page.url
    assert page.evaluate("[Object.values(localStorage), Object.values(sessionStorage)]") == [[], [KEY]]
    page.reload()
    watched.settled()
    expect(page.locator("#key-dialog")).to_be_hidden()


def test_a_wrong_key_is_asked_for_again_and_not_kept(watch: Opener) -> None:
    watched, page = locked(watch)
    page.fill("#key-value", "wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-why")).to_contain_text("does not know this API key")
    assert page.evaluate("sessionStorage.length") == 0
    page.keyboard.press("Escape")
    expect(page.locator("#key-dialog")).to_be_hidden()
    expect(page.locator("#problem")).to_contain_text("wants an API key")
    page.click("#run")
    expect(page.locator("#key-dialog")).to_be_visible()
    unlock(watched)


def test_a_key_can_be_forgotten(watch: Opener) -> None:
    watched, page = locked(watch)
    unlock(watched)
    page.click("#key-open")
    page.click("#key-forget")
    expect(page.locator("#key-open")).to_be_hidden()
    expect(page.locator("#heat")).to_be_hidden()
    assert page.evaluate("sessionStorage.length") == 0
    page.click("#run")
    expect(page.locator("#key-dialog")).to_be_visible()


def test_exports_carry_the_key(watch: Opener) -> None:
    watched, page = locked(watch)
    unlock(watched)
    page.keyboard.press("e")
    link = page.locator("#export-list a", has_text="CSV")
    assert httpx.get(str(link.evaluate("node => node.href"))).status_code == 401
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename.endswith(".csv")
    assert Path(download.value.path()).read_text().startswith("query,")
