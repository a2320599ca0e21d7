"""Word links of both directions joined, where a model that translates back is served."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from heedmap.model.native import checkpoint
from heedmap.model.native.transformer import AlignmentHead, TransformerConfig
from tests.browser.zoo import SHIPPED

from .conftest import Opener, call, serving, text_of

pytestmark = pytest.mark.browser

TEXT = "Wo ist der Bahnhof?"
LINK = "#model=de-en&text=Wo+ist+der+Bahnhof%3F&site=cross&view=alignment"
SHAPE = {"width": 32, "feed_forward": 64, "heads": 4, "kv_heads": 2, "encoder_layers": 1, "decoder_layers": 2}


def sources(folder: Path) -> Iterable[str]:
    """The shipped model, and a tiny random one that translates back."""
    tokenizer = checkpoint.load(SHIPPED).tokenizer
    config = TransformerConfig(
        source_language="en",
        target_language="de",
        vocabulary=len(tokenizer),
        alignment=AlignmentHead(layer=1, head=3),
        **SHAPE,
    )
    checkpoint.save(folder / "back", checkpoint.build(config), tokenizer)
    return [f"de-en={SHIPPED}", f"back={folder / 'back'}"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service with models of both directions."""
    with serving(tmp_path_factory.mktemp("both"), sources) as url:
        yield url


def links(api: httpx.Client, model: str, source: str, target: str) -> set[tuple[int, int]]:
    """The links of one direction."""
    answer = api.post("/v1/align", json={"model": model, "pairs": [[source, target]]}).raise_for_status().json()
    pairs = (link.split("-") for link in answer["alignments"][0]["pharaoh"].split())
    return {(int(one), int(other)) for one, other in pairs}


def shown(page: Page) -> set[tuple[int, int]]:
    """The links on show."""
    return {(int(one), int(other)) for one, other in (link.split("-") for link in page.inner_text(".pharaoh").split())}


def test_links_of_both_directions_are_joined(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open(LINK)
    target = text_of(page, "#target-sentence")
    there = links(api, "de-en", TEXT, target)
    back = {(source, target) for target, source in links(api, "back", target, TEXT)}
    assert there
    assert back
    assert there != back
    expect(page.locator("#alignment .ribbon")).to_have_count(len(there))
    assert shown(page) == there
    page.get_by_label("Links of").select_option("union")
    expect(page.locator("#alignment .sheet-bar")).to_contain_text("joined with back")
    expect(page.locator("#alignment .ribbon")).to_have_count(len(there | back))
    assert shown(page) == there | back
    page.get_by_label("Links of").select_option("intersection")
    expect(page.locator("#alignment .ribbon")).to_have_count(len(there & back))
    expect(page.locator(".pharaoh")).to_have_text(
        "(no links)" if not there & back else " ".join(map("{0[0]}-{0[1]}".format, sorted(there & back)))
    )
    page.get_by_label("Links of").select_option("grow-diag-final")
    expect(page.locator("#alignment .ribbon")).not_to_have_count(len(there & back))
    assert there & back <= shown(page) <= there | back
    page.get_by_label("Links of").select_option("")
    expect(page.locator("#alignment .sheet-bar")).not_to_contain_text("joined")
    assert shown(page) == there


LANGUAGES = {"source": "de", "target": "en"}
BACK = {"source": "en", "target": "de"}


@pytest.mark.parametrize(
    ("models", "reverse"),
    [
        ([("a", LANGUAGES, "loaded"), ("b", BACK, "unloaded"), ("c", BACK, "loaded")], "c"),
        ([("a", LANGUAGES, "loaded"), ("b", BACK, "unloaded")], "b"),
        ([("a", LANGUAGES, "loaded"), ("b", BACK, "failed"), ("c", LANGUAGES, "loaded")], ""),
        ([("a", None, "loaded"), ("b", None, "loaded")], ""),
        ([("a", {"source": "de"}, "loaded"), ("b", {"target": "de"}, "loaded")], ""),
    ],
)
def test_a_model_that_translates_back_is_known(alone: Page, models: list[Any], reverse: str) -> None:
    listed = [{"name": name, "languages": languages, "state": state} for name, languages, state in models]
    assert call(alone, "studies/alignment", "m.reverseOf(a, 'a')", listed) == reverse
