"""A report of robustness in a real browser: drawn from a file alone, light and dark, on a desk and on a phone."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from typer.testing import CliRunner

from heedmap.app.cli import cli
from tests.browser.conftest import WAIT
from tests.model.hub import media_checkpoints

ATTACKS = ["typing_errors", "dropped_words", "hotflip", "fgsm"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of texts by the shipped model, and one of a picture by a tiny one."""
    folder = tmp_path_factory.mktemp("reports")
    texts, pictures = folder / "texts.html", folder / "pictures.html"
    names = [part for name in ATTACKS for part in ("--perturbation", name)]
    sizes = ["--strength", "0.05", "--strength", "0.2", "--seeds", "2"]
    given = ["Wo ist <b>der</b> Bahnhof?"]
    done = CliRunner().invoke(cli, ["robustness", *given, *names, *sizes, "--out", str(texts), "--device", "cpu"])
    assert done.exit_code == 0, (done.output, done.exception)
    picture = folder / "picture.png"
    picture.write_bytes(media_checkpoints.as_png(media_checkpoints.picture(240, 160)))
    model = media_checkpoints.vit(folder / "vit")
    done = CliRunner().invoke(
        cli,
        [
            "robustness",
            "--image",
            str(picture),
            "--model",
            str(model),
            *sizes,
            "--out",
            str(pictures),
            "--device",
            "cpu",
        ],
    )
    assert done.exit_code == 0, (done.output, done.exception)
    return {"texts": texts, "pictures": pictures}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
@pytest.mark.parametrize("which", ["texts", "pictures"])
def test_a_report_is_drawn_from_its_file_alone(
    reports: dict[str, Path], browser: Browser, which: str, width: int, height: int, scheme: Any
) -> None:
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page, said, asked = context.new_page(), list[str](), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(reports[which].as_uri())
    page.wait_for_selector(f"html[data-drawn={scheme}]", timeout=WAIT)
    page.wait_for_selector("#agreement .scatterlayer .trace", state="attached", timeout=WAIT)
    page.wait_for_selector("#heads-0 .heatmaplayer image", state="attached", timeout=WAIT)
    figures = json.loads(page.inner_text("#figures") or page.evaluate("document.getElementById('figures').textContent"))
    assert page.locator(".plot .main-svg").count() >= len(figures)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing but tables scrolls sideways"
    ink, paper = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
    assert (luminance(ink) < luminance(paper)) == (scheme == "light")
    fonts = page.evaluate("getComputedStyle(document.querySelector('#agreement .xtick text')).fill")
    assert fonts == ink
    if which == "texts":
        assert page.locator("mark").count() > 0
        assert page.locator(".texts b").count() == 0, "a text's tags are its own"
    else:
        assert page.locator(".picture i").count() > 0
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1
    context.close()


def test_a_change_of_the_scheme_is_followed(reports: dict[str, Path], browser: Browser) -> None:
    context = browser.new_context(color_scheme="light")
    page: Page = context.new_page()
    page.goto(reports["texts"].as_uri())
    page.wait_for_selector("html[data-drawn=light]", timeout=WAIT)
    before = page.evaluate("document.querySelector('#agreement .js-line').style.stroke")
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("html[data-drawn=dark]", timeout=WAIT)
    assert page.evaluate("document.querySelector('#agreement .js-line').style.stroke") != before
    context.close()


def luminance(colour: str) -> float:
    """Of rgb(...), from 0 to 1, roughly."""
    parts = [float(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")[:3]]
    return sum(parts) / 765
