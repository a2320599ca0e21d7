"""Measures of cells on the map, effects and kinds of heads on the rail: every number is the service's."""

import base64
import re
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from heedmap.app.render.wire import to_signed_codes

from .conftest import Opener
from .modules import call

pytestmark = pytest.mark.browser

TEXT = "Ich habe gestern ein interessantes Buch gelesen, und das Buch hat mir gefallen."
MEASURES = (
    "value-norm",
    "output-norm",
    "normalised-norm",
    "gradient",
    "gradient-attention",
    "score-gradient",
    "cut-effect",
)
WAIT = 40_000  # milliseconds for what the model is asked for anew


def link(site: str = "cross", **state: Any) -> str:
    """The address of a head's map, with its state."""
    given = {"model": "de-en", "text": TEXT, "site": site, "layer": 1, "head": 3, "row": 2, "col": 3, **state}
    return "#" + "&".join(f"{name}={quote(str(value))}" for name, value in given.items())


def traced(api: httpx.Client, objective: dict[str, Any] | None = None) -> dict[str, Any]:
    """The text's trace, which the page gets under the same id."""
    body = {"model": "de-en", "inputs": TEXT, **({} if objective is None else {"objective": objective})}
    summary: dict[str, Any] = api.post("/v1/traces", json=body).json()
    return summary


def values(api: httpx.Client, id: str, measure: str, site: str = "cross", layer: int = 1, head: int = 3) -> Any:
    """A head's map of a measure, as the service has it."""
    answer = api.get(f"/v1/traces/{id}/maps/{site}/{layer}/{head}?measure={measure}").json()
    return np.array(answer["weights"], np.float32)


def shown(page: Page) -> float:
    """The kept cell's value."""
    return float(page.inner_text("#cell-weight"))


def test_any_measure_that_is_declared_is_on_the_map_and_in_the_link(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open(link())
    menu = page.locator("#measure")
    declared = [each for each in api.get("/v1/measures").json()["measures"] if each["kind"] == "cell"]
    expect(menu.locator("option")).to_have_count(len(declared))
    assert menu.locator("option").evaluate_all("(all) => all.map((each) => each.value)") == [
        m["name"] for m in declared
    ]
    with page.expect_request(re.compile(r"thumbnails/cross.*measure=value-norm")):
        page.keyboard.press("Shift+M")
    expect(page.locator("#now")).to_contain_text("value norm")
    watched.settled()
    right = values(api, traced(api)["id"], "value-norm")
    assert shown(page) == pytest.approx(right[2, 3], rel=1e-5)
    most = np.argsort(-right[2])[:6]
    assert [int(col) for col in page.locator("#top li").evaluate_all("(all) => all.map((l) => l.dataset.col)")] == [
        *most
    ]
    assert watched.state()["measure"] == "value-norm"
    largest = max(values(api, traced(api)["id"], "value-norm", layer=layer, head="all").max() for layer in range(3))
    assert float(page.inner_text("#legend-high")) == pytest.approx(largest, rel=0.2), "of the site, by its thumbnails"
    page.click("#measure-summary")
    expect(page.locator("#measure-panel")).to_contain_text(declared[1]["formula"])
    expect(page.locator("#measure-panel")).to_contain_text(declared[1]["source"])
    page.keyboard.press("Escape")
    expect(page.locator("#measure-panel")).to_be_hidden()
    page.click("#export summary")
    expect(page.locator("#export-list a[download$=json]")).to_have_attribute("href", re.compile("measure=value-norm"))


def test_gradients_are_of_the_answer_or_of_a_token_that_is_asked_for(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open(link(measure="gradient-attention"))
    expect(page.locator("#now")).to_contain_text("gradient × attention", timeout=WAIT)
    right = values(api, traced(api, {"tokens": "all"})["id"], "gradient-attention")
    assert right.min() < 0 < right.max()
    expect(page.locator("#legend-low")).to_have_text(re.compile("^−"))
    assert shown(page) == pytest.approx(right[2, 3], rel=1e-4, abs=1e-7)
    before = page.inner_text("#cell-weight")
    page.click("#objective-row")
    expect(page.locator("#objective")).to_have_value("2")
    right = values(api, traced(api, {"tokens": [2]})["id"], "gradient-attention")
    expect(page.locator("#cell-weight")).not_to_have_text(before, timeout=WAIT)
    assert shown(page) == pytest.approx(right[2, 3], rel=1e-4, abs=1e-7)
    assert watched.state()["objective"] == "2"
    page.press("body", "Shift+ArrowDown")  # the rows below write other tokens, which have no part in this one
    expect(page.locator("#cell-weight")).to_have_text("0")
    page.select_option("#measure", "weights")
    expect(page.locator("#now")).to_have_text("layer 1 · head 3")
    expect(page.locator("#legend-high")).to_have_text("1")
    expect(page.locator("#objective-field")).to_be_hidden()


def test_what_is_not_defined_says_why_and_shows_the_weights(watch: Opener) -> None:
    page = watch().open(link(measure="normalised-norm"))  # of a model whose norms come first
    expect(page.locator("#measure-note")).to_contain_text("norm")
    expect(page.locator("#now")).to_have_text("layer 1 · head 3")


def test_a_measure_that_nobody_knows_is_left_out_and_told(watch: Opener) -> None:
    page = watch().open(link(measure="magic"))
    expect(page.get_by_role("status").filter(has_text="measure=magic").first).to_be_visible()
    expect(page.locator("#measure")).to_have_value("weights")
    expect(page.locator("#now")).to_have_text("layer 1 · head 3")


def test_effects_colour_the_heads_and_sort_them(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open(link())
    page.keyboard.press("Shift+E")
    expect(page.locator("#rail-told")).to_contain_text("by estimate", timeout=WAIT)
    answer = api.post(f"/v1/traces/{traced(api, {'tokens': 'all'})['id']}/effects", json={"edits": "heads"}).json()
    grid = np.array(next(site["estimated"] for site in answer["sites"] if site["name"] == "cross"))
    said = page.locator("#heads .head").evaluate_all("(all) => all.map((head) => head.title)")
    found = [float(title.split("effect ")[1].split(" ")[0].replace("−", "-")) for title in said]
    assert found == pytest.approx(grid.ravel().tolist(), rel=0.05, abs=1e-3)
    page.select_option("#sort", "effect")
    order = np.argsort(-np.abs(grid.ravel()))
    expect(page.locator("#heads .head").first).to_have_id(f"head-{order[0] // 8}-{order[0] % 8}")
    assert (watched.state()["rail"], watched.state()["sort"]) == ("effects", "effect")
    page.click("#effects-measure")
    expect(page.locator("#rail-told")).to_contain_text("measured", timeout=WAIT)


def test_chips_pick_out_heads_of_a_kind(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open(link("decoder"))
    rows = api.get(f"/v1/traces/{traced(api)['id']}/heads").json()["heads"]
    rows = [row for row in rows if row["site"] == "decoder"]
    queries = next(site for site in traced(api)["sites"] if site["name"] == "decoder")["shape"][0]
    least = max(0.3, 1.5 * sum(1 / (row + 1) for row in range(queries)) / queries)
    inducing = [f"head-{row['layer']}-{row['head']}" for row in rows if (row["induction"] or 0) >= least]
    assert inducing, "the text says one word twice"
    chip = page.locator("#kinds [data-kind=induction]")
    expect(chip).to_have_text(f"induction {len(inducing)}")
    titled = page.locator("#heads .head[title*=induction]")
    assert titled.evaluate_all("(all) => all.map((head) => head.id)") == inducing
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    assert watched.state()["kind"] == "induction"
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "false")


def test_how_faithful_a_measure_is_here_stands_beside_it(watch: Opener) -> None:
    watched = watch()
    page = watched.open(link())
    page.click("#measure-summary")
    page.click("#faithful-ask")
    expect(page.locator("#faithful-ask")).to_have_text("Stop")
    expect(page.locator("#faithful")).to_have_text(re.compile("^[✓⚠] .* random here .*of 10"), timeout=WAIT)
    watched.allow("ERR_ABORTED")


@pytest.mark.parametrize("worker", [False, True], ids=["page", "worker"])
def test_a_trace_file_has_the_measures_that_it_holds_all_for(alone: Page, api: httpx.Client, worker: bool) -> None:
    summary = traced(api, {"tokens": "all"})
    path = f"/v1/traces/{summary['id']}"
    file = base64.b64encode(api.get(f"{path}/file").content).decode()
    code = """await (async () => {
        const blob = new Blob([Uint8Array.from(atob(a.file), (c) => c.charCodeAt(0))]);
        const {WorkerMaps} = await import("/js/source/worker_maps.js");
        const {TraceMaps} = await import("/js/source/trace_maps.js");
        const maps = a.worker ? await WorkerMaps.open(blob, "") : await TraceMaps.open(await blob.arrayBuffer(), "");
        const file = new m.FileSource(blob, maps);
        const signal = new AbortController().signal;
        const made = [];
        for (const { name, sites } of await file.measures(signal)) {
          const lacks = sites.map((site) => site.lacks);
          if (lacks.some(Boolean)) { made.push({ name, lacks }); continue; }
          const source = file.measured({ name: name === "weights" ? "" : name });
          const { codes } = await source.thumbnails("decoder", 16, signal);
          const values = [...await source.weights("decoder", 1, 3, signal)];
          made.push({ name, lacks, codes: [...codes], values });
        }
        return [made, (await file.effects(false, signal)).sites.map((site) => site.estimated.flat())];
      })()"""
    measures, effects = call(alone, "source/file_source", code, {"file": file, "worker": worker})
    assert [made["name"] for made in measures] == ["weights", *MEASURES]
    for made in measures:
        if made["name"] == "normalised-norm":
            assert None not in made["lacks"], "this model normalises before"
            continue
        assert made["lacks"] == [None, None, None]
        right = values(api, summary["id"], made["name"], "decoder")
        assert np.array(made["values"]) == pytest.approx(right.ravel(), rel=1e-3, abs=1e-5)
        pictures = api.get(f"{path}/thumbnails/decoder?size=16&format=raw&measure={made['name']}").content
        here, there = np.array(made["codes"]), np.frombuffer(pictures, np.uint8).astype(int)
        assert ((here == 0) == (there == 0)).all(), "masked is masked"
        large = there > 128 if made["name"] == "weights" else np.abs(there - 128) > 64  # near 0 all is rounding
        assert np.abs(here - there)[large].max() <= 1
    answer = api.post(f"{path}/effects", json={"edits": "heads"}).json()
    for site, here in zip(answer["sites"], effects, strict=True):
        assert here == pytest.approx(np.array(site["estimated"]).ravel().tolist(), rel=1e-3, abs=1e-5)


def test_codes_of_values_with_a_sign_are_the_services(alone: Page) -> None:
    exact = [0.0, 1.0, -1.0, 4096.0, -5000.0, 2.0**-25, -(2.0**-24), 0.37, -12.5]
    codes = call(alone, "api/s8log", "a.map(m.encodeS8log)", exact)
    assert codes == to_signed_codes(np.array(exact, np.float32), np.ones(len(exact), bool)).tolist()
    back = call(alone, "api/s8log", "a.map(m.decodeS8log)", codes)
    assert back[:3] == pytest.approx([0, 1, -1], rel=0.11)
    assert call(alone, "api/s8log", "m.decodeS8log(0)") is None or np.isnan(
        call(alone, "api/s8log", "m.decodeS8log(0)")
    )


def test_the_ramp_diverges_around_the_pages_colour(alone: Page) -> None:
    for theme, page in (("light", [255, 255, 255]), ("dark", [22, 23, 25])):
        ends = call(alone, "map/colour", f"[0, 0.5, 1].map((t) => m.colourAt('signed', '{theme}', t))")
        assert ends[1] == page
        assert ends[0][2] > ends[0][0], "minus is blue"
        assert ends[2][0] > ends[2][2], "plus is orange"
    unit = {"signed": True, "limit": 4}
    tones = call(
        alone,
        "map/colour",
        "a.values.map((value) => m.tone(value, 'linear', a.unit))",
        {"values": [-4, -2, 0, 4, 9], "unit": unit},
    )
    assert tones == [0, 0.25, 0.5, 1, 1]
