"""What assistive technology would stumble over, by axe-core: nothing, in light and dark, both languages, every view."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from .conftest import Opener

pytestmark = pytest.mark.browser

VIEWS = ("map", "ribbons", "compare", "alignment", "robustness", "faithfulness", "corpus")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_no_view_has_what_axe_calls_a_violation(watch: Opener, theme: str, locale: str) -> None:
    watched = watch(color_scheme=theme, locale=locale)
    page = watched.open()
    found: dict[str, list[str]] = {}
    for view in VIEWS:
        page.locator(f"#view input[value={view}]").check(force=True)
        page.wait_for_function("view => document.querySelector('#map').dataset.view === view", arg=view)
        for violation in Axe().run(page).response["violations"]:
            where = ", ".join(node["target"][0] for node in violation["nodes"][:4])
            found.setdefault(f"{violation['id']} at {where}", []).append(view)
    assert not found


def test_axe_finds_what_there_is_to_find(watch: Opener) -> None:
    page = watch().open()
    page.evaluate("document.querySelector('#heat').before(document.createElement('button'))")
    found = {violation["id"] for violation in Axe().run(page).response["violations"]}
    assert "button-name" in found
