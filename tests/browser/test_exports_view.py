"""What is on screen leaves the page as it is on screen: as vectors, pixels, TeX and numbers, and as its request."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from .conftest import Opener

pytestmark = pytest.mark.browser

SVG = "{http://www.w3.org/2000/svg}"
LINK = "#text=Ich+lese+ein+Buch.&site=decoder&layer=1&head=2"
CELL = re.compile(r"M(\d+) (\d+)h1v1h-1z")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files land in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def saved(page: Page, form: str) -> bytes:
    """What the menu's entry of a format saves."""
    page.locator("#export").evaluate("node => (node.open = true)")
    with page.expect_download() as download:
        page.click(f"#export-view [data-format={form}]")
    return Path(download.value.path()).read_bytes()


def texts(svg: bytes) -> list[str]:
    """The labels of a drawing."""
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def colours(svg: bytes) -> dict[tuple[int, int], str]:
    """The colour of each cell of the map, by row and column: the largest group of paths."""
    groups = [
        {
            (int(row), int(column)): path.get("fill", "")
            for path in group
            for column, row in CELL.findall(path.get("d", ""))
        }
        for group in ElementTree.fromstring(svg).iter(f"{SVG}g")
    ]
    return groups[0]


def test_pictures_have_labels_legend_and_certificate(watch: Opener) -> None:
    page = watch(color_scheme="dark").open(LINK)
    svg = saved(page, "svg")
    words = texts(svg)
    assert {"de-en · decoder · layer 1 · head 2", "keys: translation so far", "read", "masked"} <= set(words)
    assert not any("▁" in word for word in words)
    assert any(word.startswith("Certificate: exact to") for word in words)
    cells = colours(svg)
    assert (0, 0) in cells, "seen"
    assert (0, 1) not in cells, "masked cells are left to the hatching"
    assert 'fill="#ffffff"' in svg.decode(), "for paper, though the page is dark"
    page.locator("#export-colours input[value=shown]").check(force=True)
    assert 'fill="#161719"' in saved(page, "svg").decode()
    page.select_option("#palette", "cividis")
    assert colours(saved(page, "svg")) != cells
    picture = Image.open(io.BytesIO(saved(page, "png")))
    width = int(ElementTree.fromstring(svg).get("width", "0"))
    assert picture.width == 2 * width
    assert len(picture.convert("RGB").resize((64, 64)).getcolors(4096) or []) > 20, "something is drawn"


def test_a_pdf_is_whole_and_says_what_it_shows(watch: Opener) -> None:
    page = watch(locale="zh-CN").open(LINK)
    pdf = saved(page, "pdf")
    assert pdf.startswith(b"%PDF-1.4")
    table = int(re.findall(rb"startxref\n(\d+)", pdf)[-1])
    starts = [int(line) for line in re.findall(rb"(\d{10}) 00000 n", pdf[table:])]
    for number, start in enumerate(starts, 1):
        assert pdf[start:].startswith(b"%d 0 obj" % number)
    drawn = zlib.decompress(pdf[pdf.index(b"stream\n", starts[6]) + 7 :].split(b"\nendstream")[0]).decode()
    assert f"<{b'read'.hex()}> Tj" in drawn, "labels are text"
    assert len(re.findall(r"/I\d+ Do", drawn)) > 2, "what the readers' own fonts lack is drawn"


def test_numbers_are_those_of_the_window(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open(LINK + "&rows=1:4&cols=0:3")
    array = np.load(io.BytesIO(saved(page, "npy")))
    rows = list(csv.reader(io.StringIO(saved(page, "csv").decode())))
    body = {"model": "de-en", "inputs": "Ich lese ein Buch."}
    trace = api.post("/v1/traces", json=body).json()["id"]
    exact = api.get(f"/v1/traces/{trace}/maps/decoder/1/2?rows=1:4&cols=0:3").json()["weights"]
    assert array == pytest.approx(np.array(exact), abs=1e-6)
    assert np.array(rows[1:])[:, 1:].astype(np.float32).tolist() == array.tolist()
    tex = saved(page, "tikz").decode()
    assert tex.count("{") == tex.count("}")
    assert "matrix plot*, mesh/cols=3" in tex
    assert re.search(rf"^0 1 \S+ {exact[0][0]:.4f}", tex, re.MULTILINE)
    assert r"\heedmapmasked{1.5}{0.5}{2.5}{1.5}" in tex, "row 1 sees keys 0 and 1"


def test_ribbons_are_saved_with_their_colours(watch: Opener) -> None:
    page = watch().open(LINK + "&view=ribbons")
    expect(page.locator("#ribbons .ribbon").first).to_be_attached()
    expect(page.locator("#export-view [data-format=pdf]")).to_be_hidden()
    svg = saved(page, "svg")
    lines = [node.get("stroke") for node in ElementTree.fromstring(svg).iter(f"{SVG}path")]
    assert lines[0] == "rgb(194, 65, 12)"
    assert "read" in texts(svg)


def test_the_request_runs_as_it_is_copied(watch: Opener, api: httpx.Client, tmp_path: Path) -> None:
    watched = watch(permissions=["clipboard-read", "clipboard-write"])
    page = watched.open("#text=Geht's+%22so%22%3F&site=cross&layer=1&head=2&cols=0:2")

    def copied(language: str) -> str:
        page.locator("#export").evaluate("node => (node.open = true)")
        page.click(f"#copy-{language}")
        expect(page.locator("#toast")).to_have_text("Request copied")
        return str(page.evaluate("navigator.clipboard.readText()"))

    trace = api.post("/v1/traces", json={"model": "de-en", "inputs": 'Geht\'s "so"?'}).json()["id"]
    weights = np.array(api.get(f"/v1/traces/{trace}/maps/cross/1/2?cols=0:2").json()["weights"], np.float32)
    program = copied("python").replace("print(window.weights)", "print(window.weights.tolist())")
    root = str(Path(__file__).parents[2])
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert answer.returncode == 0, answer.stderr
    assert np.array(json.loads(answer.stdout), np.float32).tolist() == weights.tolist()
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    shell = subprocess.run(["sh", "-ec", copied("curl")], capture_output=True, text=True, timeout=60)
    assert np.array(json.loads(shell.stdout)["weights"], np.float32).tolist() == weights.tolist()
