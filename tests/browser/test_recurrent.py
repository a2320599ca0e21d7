"""The recurrent ancestor on the page: one site, one layer, one additive head, and a menu to get there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Opener, text_of
from tests.live import service

pytestmark = pytest.mark.browser
WEIGHTS = Path(__file__).resolve().parents[2] / "model" / "weights"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a live service with both shipped models."""
    models = [argument for name in ("de-en", "de-en-gru") for argument in ("--model", f"{name}={WEIGHTS / name}")]
    with service(tmp_path_factory.mktemp("both"), *models) as url:
        yield url


def test_the_model_menu_switches_to_the_recurrent_model(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    assert watched.state().get("model", "de-en") == "de-en"
    page.select_option("#model", "de-en-gru")
    summary = watched.ask()
    assert summary["model"] == "de-en-gru"
    assert [(site["name"], site["layers"], site["heads"]) for site in summary["sites"]] == [("cross", 1, 1)]
    assert watched.state()["model"] == "de-en-gru"
    assert text_of(page, "#target-sentence").split() == summary["prediction"]["text"].split()
