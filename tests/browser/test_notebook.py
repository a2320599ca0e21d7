"""A trace in a real JupyterLab: the explorer under a cell, the notebook's theme, and nothing of it in the notebook."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.live import environment, free_port
from tests.small_trace import small_trace

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120.0  # for JupyterLab to start, and for its pages, on a machine that does much else
CELL = "import heedmap\nheedmap.show('t.safetensors', layer=0, head=2, height=640)"
# A cell that is run before its kernel is there is not run at all.
CONNECTED = """() => {
    const kernel = globalThis.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
SETTINGS = [
    "--no-browser",
    "--allow-root",
    "--ServerApp.port_retries=0",
    "--IdentityProvider.token=",
    "--LabApp.expose_app_in_browser=True",
    "--LabApp.news_url=",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab with a notebook of one cell beside a trace's file, and with nobody's settings."""
    folder = tmp_path_factory.mktemp("lab")
    small_trace("Ein Haus.", "A house.").save(folder / "t.safetensors", {"model": "m"})
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "outputs": [], "source": CELL}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "n.ipynb").write_text(json.dumps(notebook))
    own = {f"JUPYTER_{name}_DIR": str(folder / f".{name}") for name in ("CONFIG", "DATA", "RUNTIME")}
    variables = {**environment(), **own, "IPYTHONDIR": str(folder / ".ipython"), "PYTHONPATH": str(ROOT)}
    port, log = free_port(), folder / "lab.log"
    command = [sys.executable, "-m", "jupyterlab", *SETTINGS, f"--ServerApp.port={port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + SECONDS
        while not started(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()  # it ends its kernels
        try:
            process.wait(SECONDS / 4)
        except subprocess.TimeoutExpired:
            process.kill()


def started(url: str) -> bool:
    """Whether JupyterLab answers."""
    try:
        return httpx.get(f"{url}/api/status", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def notebook(browser: Browser, lab: str) -> Iterator[Page]:
    """The notebook, its cell run; it and its frames may ask nobody else for anything."""
    context = browser.new_context(viewport={"width": 1500, "height": 1000}, locale="en-US")
    context.set_default_timeout(1000 * SECONDS)
    page = context.new_page()
    foreign: list[str] = []
    local = (lab, lab.replace("http", "ws"), "data:", "blob:")
    page.on("request", lambda request: request.url.startswith(local) or foreign.append(request.url))
    page.goto(f"{lab}/lab/tree/n.ipynb")
    page.wait_for_function(CONNECTED)
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    yield page
    context.close()
    assert foreign == []


def test_the_explorer_is_under_the_cell(notebook: Page) -> None:
    patience = 1000 * SECONDS
    frame = notebook.frame_locator("iframe[title=Heedmap]")
    expect(frame.locator("#map[data-state=ready]")).to_be_visible(timeout=patience)
    expect(frame.locator("#now")).to_have_text("layer 0 · head 2")
    weights = small_trace("Ein Haus.", "A house.").map("cross", 0).dense()[2]
    expect(frame.locator("#cell-weight")).not_to_be_empty()
    assert float(frame.locator("#cell-weight").inner_text()) == pytest.approx(float(weights.max()), abs=1e-6)
    expect(frame.locator("#form")).to_be_hidden()
    expect(frame.locator("#share")).to_be_hidden()  # there is no address to share
    box = notebook.locator("iframe[title=Heedmap]").bounding_box()
    assert box is not None
    assert 620 <= box["height"] <= 640

    root = frame.locator("html")
    expect(root).to_have_attribute("data-theme", "light")
    notebook.evaluate("jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    expect(root).to_have_attribute("data-theme", "dark", timeout=patience)

    [inside] = [each for each in notebook.frames if each.url == "about:srcdoc"]
    assert inside.evaluate("() => window.origin") == "null"
    assert inside.evaluate("() => { try { return parent.document.title } catch { return 'apart' } }") == "apart"
    frame.locator("a.skip").press("Enter")  # leads inside the page, not to the notebook's own address
    expect(frame.locator("#map")).to_be_focused()
    frame.locator("#map").press("ArrowRight")
    expect(frame.locator("#now")).to_have_text("layer 0 · head 3")
    assert os.path.basename(notebook.url.split("?")[0]) == "n.ipynb"
