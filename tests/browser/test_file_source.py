"""A trace file in the page instead of a service: the same maps, pictures and statistics, without a request."""

import base64
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from .conftest import Opener
from .modules import call

pytestmark = pytest.mark.browser

TEXT = "Wo ist der Bahnhof, und wie komme ich von hier am schnellsten dorthin, wenn es regnet?"
DROP = """(file) => {
    const bytes = Uint8Array.from(atob(file.data), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], file.name));
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def made(server: str) -> tuple[dict[str, Any], bytes]:
    """A trace's summary, and its file."""
    with httpx.Client(base_url=server, timeout=60) as client:
        summary = client.post("/v1/traces", json={"inputs": TEXT}).json()
        return summary, client.get(f"/v1/traces/{summary['id']}/file").content


def source(page: Page, file: bytes, code: str, **argument: Any) -> Any:
    """What a `FileSource` of a file says, `s`."""
    opening = "await m.FileSource.open(new Blob([Uint8Array.from(atob(a.file), (c) => c.charCodeAt(0))]))"
    whole = f"(async (s) => ({code}))({opening})"
    return call(page, "source/file_source", f"await {whole}", {"file": base64.b64encode(file).decode(), **argument})


def test_heads_are_the_services(alone: Page, api: httpx.Client, made: tuple[dict[str, Any], bytes]) -> None:
    summary, file = made
    right = api.get(f"/v1/traces/{summary['id']}/heads").json()
    here = source(alone, file, "await s.heads()")
    names = ("entropy", "distance", "sink", "diagonal", "max")
    for row, other in zip(here["heads"], right["heads"], strict=True):
        assert (row["site"], row["layer"], row["head"]) == (other["site"], other["layer"], other["head"])
        assert [row[name] for name in names] == pytest.approx([other[name] for name in names], abs=1e-5)
    places = {site: best and (best["layer"], best["head"]) for site, best in right["best"].items()}
    assert {site: best and (best["layer"], best["head"]) for site, best in here["best"].items()} == places


@pytest.mark.parametrize("size", [16, 32])
def test_thumbnails_are_the_services(
    alone: Page, api: httpx.Client, made: tuple[dict[str, Any], bytes], size: int
) -> None:
    summary, file = made
    for site in summary["sites"]:
        name = site["name"]
        right = api.get(f"/v1/traces/{summary['id']}/thumbnails/{name}?size={size}&format=raw")
        code = "await s.thumbnails(a.site, a.size).then(({shape, codes}) => ({shape, codes: [...codes]}))"
        here = source(alone, file, code, site=name, size=size)
        assert np.prod(here["shape"]) == len(right.content)
        difference = np.array(here["codes"]) - np.frombuffer(right.content, np.uint8)
        assert np.abs(difference).max() <= 1, "a code is the service's, but for the last bit of a logarithm"


@pytest.mark.parametrize("how", ["max", "mean"])
def test_tiles_are_the_services(alone: Page, writer: str, how: str) -> None:
    with httpx.Client(base_url=writer, timeout=60) as client:
        summary = client.post("/v1/traces", json={"inputs": "a long text " * 40}).json()
        file = client.get(f"/v1/traces/{summary['id']}/file").content
        address = f"/v1/traces/{summary['id']}/tiles/decoder/0/1/{how}"
        rights = {(level, row): client.get(f"{address}/{level}/{row}/0").content for level, row in ((0, 1), (1, 0))}
    for (level, row), right in rights.items():
        code = "(await s.tiles({site: 'decoder', layer: 0, head: 1, how: a.how}, a.level, [[a.row, 0]]))[0].tile"
        here = source(
            alone,
            file,
            f"await (async () => {{ const t = {code}; return [...t.codes]; }})()",
            how=how,
            level=level,
            row=row,
        )
        difference = np.array(here) - np.frombuffer(right, np.uint8).astype(int)
        assert np.abs(difference).max() <= 1
        assert ((np.array(here) == 0) == (np.frombuffer(right, np.uint8) == 0)).all(), "masked is masked"


def test_a_dropped_trace_opens_without_a_request(watch: Opener, made: tuple[dict[str, Any], bytes]) -> None:
    summary, file = made
    watched = watch()
    page = watched.open()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(DROP, {"name": "some.safetensors", "data": base64.b64encode(file).decode()})
    expect(page.locator("#input")).to_have_value(TEXT)
    watched.settled()
    assert watched.state()["text"] == TEXT
    page.press("body", "ArrowRight")
    watched.settled()
    assert [url for url in asked if "/v1/" in url] == []
    page.click("#export summary")
    with page.expect_download() as download:
        page.click("#export-list a[download$=csv], #export-list a[role=button]:has-text('CSV')")
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 1 + summary["sites"][0]["shape"][0] or len(lines) > 2


# What takes the page longer than a frame or three, by its own account.
LONG_TASKS = """() => {
    window.long = [];
    new PerformanceObserver((list) => list.getEntries().forEach(({duration}) => window.long.push(duration)))
        .observe({type: "longtask"});
}"""
EVALUATE = """async (a) => {
    const {FileSource} = await import("/js/source/file_source.js");
    const file = await (await fetch(a.address)).blob();
    if (a.broken) globalThis.Worker = class { constructor() { throw new Error("none"); } };
    const source = await FileSource.open(file);
    const site = source.summary.sites[0];
    const [heads, thumbnails, weights] = await Promise.all([
        source.heads(), source.thumbnails(site.name, 32), source.weights(site.name, 0, 0)]);
    const layer = await source.layer(site.name, 0);
    const apart = layer.window(0, [0, 64], [0, site.shape[1]]).reduce((most, weight, at) =>
        Math.max(most, Math.abs(weight - weights[at])), 0);
    source.close();
    return {worker: source.maps.constructor.name, rows: heads.heads.length, codes: thumbnails.codes.length, apart,
            sum: weights.reduce((sum, weight) => sum + weight, 0) / site.shape[0]};
}"""


@pytest.mark.parametrize(("broken", "by"), [(False, "WorkerMaps"), (True, "TraceMaps")], ids=["worker", "no worker"])
def test_a_long_trace_is_evaluated_away_from_the_page(alone: Page, writer: str, broken: bool, by: str) -> None:
    """Without workers, in the page, in turns: slower, and as free."""
    with httpx.Client(base_url=writer, timeout=60) as client:
        summary = client.post("/v1/traces", json={"inputs": "a long text " * 60}).json()
    assert alone.context.browser is not None
    page = alone.context.browser.new_page()
    page.goto(writer + "/icon.svg")
    page.evaluate(LONG_TASKS)
    address = f"{writer}/v1/traces/{summary['id']}/file"
    made = page.evaluate(EVALUATE, {"address": address, "broken": broken})
    [site] = summary["sites"]
    heads = site["layers"] * site["heads"]
    assert (made["worker"], made["rows"], made["codes"]) == (by, heads, heads * 32 * 32)
    assert made["apart"] == 0, "what explains a weight is evaluated as the weight is"
    assert made["sum"] == pytest.approx(1, abs=1e-4)
    longest = max(page.evaluate("window.long"), default=0)
    assert longest <= 150, "the page stood still"  # of 50 ms on a machine of its own; here others work too
    page.close()
