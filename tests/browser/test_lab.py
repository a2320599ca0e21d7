"""The lab's sections: their numbers against numpy and the API, and what moves them."""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
SENTENCE = "Ich habe gestern ein interessantes Buch gelesen."
Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def server(translators: str) -> str:
    """The address of the live service with both translators."""
    return translators


def measured(page: Page, section: str) -> None:
    """Bring a section's figure near, and wait until it is measured."""
    page.locator(f"#{section} .figure-room").scroll_into_view_if_needed()
    page.wait_for_selector(f"#{section} .figure-room[data-state=ready]")


def table(page: Page, selector: str) -> list[list[str]]:
    """The body of a table, cell by cell."""
    rows: list[list[str]] = page.evaluate(
        "selector => [...document.querySelectorAll(`${selector} tbody tr`)]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))",
        selector,
    )
    return rows


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.replace("−", "-"))


def softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def entropy(weights: Array) -> Array:
    return np.asarray(-(weights * np.log(np.where(weights > 0, weights, 1))).sum(axis=-1))


def vectors(page: Page) -> dict[str, Array]:
    """What stands in the planes, as assistive technology is told it."""
    places: dict[str, str] = page.evaluate(
        "() => Object.fromEntries([...document.querySelectorAll('#sum [role=slider]')]"
        ".map((node) => [node.dataset.vector, node.getAttribute('aria-valuetext')]))"
    )
    return {name: np.array([number(part) for part in text.split(", ")]) for name, text in places.items()}


def scores_of(kind: str, v: dict[str, Array], degrees: float = 90) -> Array:
    keys, q = np.stack([v["k1"], v["k2"], v["k3"]]), v["q"]
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.asarray(
        {
            "dot": lambda: keys @ q,
            "scaled": lambda: keys @ q / math.sqrt(2),
            "additive": lambda: np.tanh(q + keys).sum(axis=1),
            "bilinear": lambda: keys @ (q @ np.array([[c, s], [-s, c]])),
        }[kind]()
    )


def agrees(page: Page, kind: str, temperature: float = 1) -> None:
    """Wait until the table says what numpy says of the vectors on show: scores, weights, the weighted sum."""
    v = vectors(page)
    scores = scores_of(kind, v)
    weights = softmax(scores / temperature)
    output = weights @ np.stack([v["v1"], v["v2"], v["v3"]])
    page.wait_for_function(
        """([weights, output]) => {
          const read = (text) => Number(text.replaceAll("\\u2212", "-"));
          const cells = [...document.querySelectorAll("#sum tbody tr")].map((row) => read(row.cells[2].textContent));
          const said = (document.querySelector("#sum .equation").textContent.match(/\\(([^)]*)\\)$/) ?? ["", ""])[1];
          const place = said.split(", ").map(read);
          return weights.every((w, at) => Math.abs(w - cells[at]) < 6e-4 * Math.max(1, w))
            && output.every((x, at) => Math.abs(x - place[at]) < 6e-3);
        }""",
        arg=[weights.tolist(), output.tolist()],
    )
    found = [number(row[1]) for row in table(page, "#sum")]
    np.testing.assert_allclose(found, scores, atol=6e-3)


def test_the_weighted_sum_is_numpys_under_every_score(lab: Callable[..., Page]) -> None:
    page = lab()
    measured(page, "sum")
    agrees(page, "scaled")
    for kind in ("dot", "additive", "bilinear", "scaled"):
        page.locator(f"#sum input[value={kind}]").check(force=True)
        agrees(page, kind)
    page.locator("#sum input[type=range]").first.fill("2.5")
    agrees(page, "scaled", 2.5)


def test_vectors_move_by_keys_and_by_dragging(lab: Callable[..., Page]) -> None:
    page = lab()
    measured(page, "sum")
    before = vectors(page)
    page.locator("#sum [data-vector=q]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    np.testing.assert_allclose(vectors(page)["q"], before["q"] + [0.1, -0.5], atol=1e-9)
    agrees(page, "scaled")
    plane = page.locator("#sum .plane").first
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box

    def pixel(place: Array) -> tuple[float, float]:
        return box["x"] + box["width"] * (place[0] + 2) / 4, box["y"] + box["height"] * (2 - place[1]) / 4

    page.mouse.move(*pixel(before["k2"]))
    page.mouse.down()
    page.mouse.move(*pixel(np.array([-1.0, -1.2])), steps=4)
    page.mouse.up()
    np.testing.assert_allclose(vectors(page)["k2"], [-1.0, -1.2], atol=1e-9)
    agrees(page, "scaled")
    page.locator("#sum details summary").click()
    page.locator("#sum details button").click()
    expect(page.locator("#sum .told")).to_contain_text("additive")
    expect(page.locator("#sum input[value=additive]")).to_be_checked()
    agrees(page, "additive")


def uniform(seed: int) -> Iterator[float]:
    """Mulberry32, as the page has it, in whole numbers of 32 bits."""
    state, most = seed, 0xFFFFFFFF
    while True:
        state = (state + 0x6D2B79F5) & most
        t = ((state ^ (state >> 15)) * (state | 1)) & most
        t ^= (t + (((t ^ (t >> 7)) * (t | 61)) & most)) & most
        yield ((t ^ (t >> 14)) & most) / 2**32


def normal(draw: Iterator[float], many: int, width: int) -> Array:
    def one() -> float:
        return math.sqrt(-2 * math.log(1 - next(draw))) * math.cos(2 * math.pi * next(draw))

    return np.array([[round(one(), 4) for _ in range(width)] for _ in range(many)])


def test_entropy_and_slope_are_numpys_at_every_width(lab: Callable[..., Page]) -> None:
    page = lab()
    measured(page, "scale")
    draw = uniform(1)
    spread, slopes = table(page, "#scale .chart:nth-child(1)"), table(page, "#scale .chart:nth-child(2)")
    assert [row[0] for row in spread] == [str(2**power) for power in range(1, 10)]
    for row, slope in zip(spread, slopes, strict=True):
        width = int(row[0])
        q, k = normal(draw, 96, width), normal(draw, 32, width)
        for column, scores in ((1, q @ k.T / math.sqrt(width)), (2, q @ k.T)):
            weights = softmax(scores)
            jacobians = [np.linalg.norm(np.diag(w) - np.outer(w, w)) for w in weights]
            assert number(row[column]) == pytest.approx(entropy(weights).mean(), rel=6e-3)
            assert number(slope[column]) == pytest.approx(np.mean(jacobians), rel=6e-3)
        assert number(row[3]) == pytest.approx(math.log(32), abs=5e-3)
    page.locator("#scale .controls button").click()
    other = "before => document.querySelector('#scale tbody td').textContent !== before"
    page.wait_for_function(other, arg=spread[0][1])


def trace(api: httpx.Client, model: str = "de-en", text: str = SENTENCE) -> dict[str, Any]:
    body = {"model": model, "inputs": text, "objective": {"tokens": "all"}}
    answer: dict[str, Any] = api.post("/v1/traces", json=body).raise_for_status().json()
    return answer


def a_map(api: httpx.Client, id: str, site: str, layer: int, head: int | str) -> Array:
    return np.array(api.get(f"/v1/traces/{id}/maps/{site}/{layer}/{head}").raise_for_status().json()["weights"])


def test_heads_are_worth_what_the_api_measures(lab: Callable[..., Page], api: httpx.Client) -> None:
    page = lab()
    measured(page, "heads")
    id = trace(api)["id"]
    effects = api.post(f"/v1/traces/{id}/effects", json={"edits": "heads", "measured": True}).json()
    worth = {site["name"]: -np.array(site["measured"]) for site in effects["sites"]}
    shown = [number(text) for text in page.locator("#heads .worth").all_inner_texts()]
    np.testing.assert_allclose(shown, worth["cross"].ravel(), atol=6e-3, rtol=0.06)
    page.locator("#heads .choice input[value=encoder]").check(force=True)
    expect(page.locator("#heads .head-tile")).to_have_count(48)
    edit = {"kind": "silence", "site": "encoder", "layer": 2, "head": 7}
    page.locator("#heads .head-tile[data-layer='2'][data-head='7']").click()
    expect(page.locator("#heads [aria-pressed=true]")).to_have_attribute("data-head", "7")
    without = api.post("/v1/predict", json={"model": "de-en", "inputs": SENTENCE, "edits": [edit]}).json()
    expect(page.locator("#heads .without")).to_contain_text(f"“{without['prediction']['text']}”")
    assert page.locator("#heads .cell").count() == a_map(api, id, "encoder", 2, 7).size
    page.locator("#heads .onward").focus()
    link = page.locator("#heads .onward").get_attribute("href") or ""
    assert json.dumps([edit], separators=(",", ":")) in httpx.QueryParams(link.partition("#")[2])["edits"]
    page.locator("#heads details summary").click()
    page.locator("#heads details button").click()
    every = [(site, layer, head) for site, grid in worth.items() for layer, head in np.argwhere(grid < 0.1).tolist()]
    idle = [{"kind": "silence", "site": site, "layer": layer, "head": head} for site, layer, head in every]
    body = {"model": "de-en", "inputs": SENTENCE, "target": trace(api)["prediction"]["text"]}
    objective = {"objective": {"tokens": "all"}}
    values = [api.post("/v1/traces", json=body | objective | more).json() for more in ({}, {"edits": idle})]
    lost = values[0]["objective"]["value"] - values[1]["objective"]["value"]
    expect(page.locator("#heads .told")).to_contain_text(f"{len(idle)} of 96 heads")
    assert number(re.findall(r"loses (\S+) nats", page.inner_text("#heads .told"))[0]) == pytest.approx(lost, rel=0.06)


def test_masks_hide_what_they_say(lab: Callable[..., Page]) -> None:
    page = lab()
    measured(page, "masks")
    first = "#masks .halves:nth-of-type(2) "
    for mask, hidden in (("causal", 66), ("none", 0), ("window", 72)):  # 12 x 12 cells; a window of 4 to each side
        page.locator(f"#masks input[value={mask}]").check(force=True)
        page.wait_for_function(
            "hidden => document.querySelectorAll('#masks .cell.masked').length === hidden"
            " && document.querySelector('#masks .figure-room').dataset.state === 'ready'",
            arg=hidden,
        )
    assert "Keys seen by row 0 and by the last row: 4, 4." in page.inner_text(first)


def test_scores_of_positions_are_of_the_distance_alone(lab: Callable[..., Page]) -> None:
    page = lab()
    measured(page, "masks")
    frequency = np.exp(-np.arange(32) * math.log(10_000) / 31)
    draw = uniform(11)
    x = normal(draw, 1, 64)[0]
    turns = 10_000.0 ** (-np.arange(0, 64, 2) / 64)
    rows = [table(page, f"#masks .chart:nth-child({place})") for place in (1, 2)]
    for added, rotary in zip(*rows, strict=True):
        distance = int(added[0])
        sines = np.cos(frequency * distance).sum() / 8  # sin a sin b + cos a cos b = cos (a - b)
        turned = ((x[:32] ** 2 + x[32:] ** 2) * np.cos(turns * distance)).sum() / 8
        np.testing.assert_allclose([number(cell) for cell in added[1:]], sines, rtol=6e-3)
        np.testing.assert_allclose([number(cell) for cell in rotary[1:]], turned, rtol=6e-3)


def test_a_shuffled_sentences_maps_differ_as_the_api_says(lab: Callable[..., Page], api: httpx.Client) -> None:
    page = lab()
    measured(page, "masks")
    page.locator("#masks details summary").click()
    page.locator("#masks details button").click()
    expect(page.locator("#masks .told")).not_to_be_empty()
    text = re.findall(r"Shuffled: “(.*)”", page.inner_text("#masks .figure"))[0]
    assert sorted(text.rstrip(".").split()) == sorted(SENTENCE.rstrip(".").split())
    assert text != SENTENCE
    plain, other = trace(api), trace(api, text=text)
    ids, moved = plain["axes"]["source"]["ids"], other["axes"]["source"]["ids"]
    assert len(set(ids)) == len(ids), "each token once, so that it can be found again by its id"
    place = [moved.index(token) for token in ids]
    far = []
    for layer in range(6):
        before, after = (a_map(api, each["id"], "encoder", layer, "all") for each in (plain, other))
        far.append(np.abs(before - after[:, place][:, :, place]).sum(axis=-1).mean(axis=-1) / 2)
    told = page.inner_text("#masks .told")
    operator, head, mean = re.findall(r"([\d.]+(?:e−\d+)?) in (?:the operator|de-en’s|the mean)", told)
    assert number(operator) < 1e-6
    assert number(head) == pytest.approx(far[0].max(), rel=6e-3)
    assert number(mean) == pytest.approx(np.mean(far), rel=6e-3)


def test_both_translators_say_what_the_api_says(lab: Callable[..., Page], api: httpx.Client) -> None:
    page = lab()
    measured(page, "translation")
    page.locator("#translation .sentence-input").fill("Wo ist der Bahnhof?")
    page.locator("#translation .sentence-form button").click()
    expect(page.locator("#heads .sentence-input")).to_have_value("Wo ist der Bahnhof?")
    rows: list[list[str]] = []
    for at, model in enumerate(("de-en-gru", "de-en")):
        answer = trace(api, model, "Wo ist der Bahnhof?")
        expect(page.locator("#translation .sentence").nth(at)).to_contain_text(answer["prediction"]["text"])
        best = api.get(f"/v1/traces/{answer['id']}/heads").json()["best"]["cross"]
        weights = a_map(api, answer["id"], "cross", best["layer"], best["head"])
        rows = table(page, "#translation")
        assert rows[at][0] == model
        assert number(rows[at][2]) == pytest.approx(answer["objective"]["value"], rel=6e-3)
        assert number(rows[at][3]) == pytest.approx(entropy(weights).mean(), rel=6e-3)
        assert number(rows[at][4]) == pytest.approx(weights.max(axis=1).mean(), rel=6e-3)
