"""Two maps compared on the page: weights, differences and divergences are the service's, and those worked by hand."""

import base64
import math
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from . import long_map
from .conftest import WAIT, Opener, Watched
from .modules import call
from .test_file_source import DROP

pytestmark = pytest.mark.browser

TEXT = "Wo ist der Bahnhof?"
OTHER = "Wo ist der alte Bahnhof?"
NUMBERS = "beside/compare/numbers"
OTHERS = "beside/compare/other"
SITE = {"name": "cross", "layers": 2, "heads": 3}


def opened(watched: Watched, **state: Any) -> Page:
    """The page with a comparison on show."""
    page = watched.open(
        "#" + urlencode({"text": TEXT, "site": "cross", "layer": 1, "head": 2, "view": "compare", **state})
    )
    expect(page.locator("#compare-facts")).not_to_be_empty()
    return page


def traced(api: httpx.Client, text: str = TEXT, **more: Any) -> str:
    """The id of a text's trace."""
    return str(api.post("/v1/traces", json={"model": "de-en", "inputs": text, **more}).json()["id"])


def weights(api: httpx.Client, trace: str, layer: int, head: int) -> Any:
    """A head's map."""
    return api.get(f"/v1/traces/{trace}/maps/cross/{layer}/{head}").json()["weights"]


def card(page: Page, picture: str = "first") -> list[float]:
    """What the card says over the kept cell of a picture: the first's weight, the second's, their difference."""
    box = page.locator(f".compare-{picture} .chosen-cell").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#compare-card")).to_be_visible()
    return [float(text.replace("−", "-")) for text in page.locator("#compare-card dd").all_inner_texts()]


def test_two_heads_of_an_answer(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = opened(watched, row=1, col=1, other="cross.0.1")
    trace = traced(api)
    one, two = (weights(api, trace, *place)[1][1] for place in ((1, 2), (0, 1)))
    assert card(page) == pytest.approx([one, two, one - two], abs=1e-6)
    assert card(page, "less") == card(page, "second"), "one cursor"
    for number in page.locator("#compare-card dd").all_inner_texts():
        expect(page.locator("#compare-kept")).to_contain_text(number)
    body = {"traces": [trace, trace], "site": "cross", "layer": 1, "head": 2, "other": {"layer": 0, "head": 1}}
    divergence = api.post("/v1/compare", json=body).json()["heads"][0]["divergence"]
    expect(page.locator("#compare-facts")).to_contain_text(f"divergence {divergence:.3f} nats")
    page.click("#head-0-5")
    expect(page.locator(".compare-second .compare-name")).to_have_text("layer 0 · head 5")
    assert (watched.state()["other"], watched.state()["head"]) == ("cross.0.5", "2")
    expect(page.locator("#head-0-5")).to_have_class("head other")
    page.click("#compare-swap")
    expect(page.locator(".compare-second .compare-name")).to_have_text("layer 1 · head 2")
    assert (watched.state()["other"], watched.state()["head"]) == ("cross.1.2", "5")
    best = page.locator("#compare-pairs button").first
    name = best.inner_text().split(":")[0]
    best.click()
    expect(page.locator(".compare-second .compare-name")).to_have_text(name)


def test_another_input_is_matched_token_by_token(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = opened(watched, row=3, col=3)
    page.select_option("#compare-kind", "input")
    page.fill("#compare-text", OTHER)
    page.keyboard.press("Enter")
    expect(page.locator(".compare-second .compare-name")).to_have_text(f"layer 1 · head 2, {OTHER}")
    traces = [traced(api), traced(api, OTHER)]
    assert watched.state()["other"] == traces[1]
    answer = api.post("/v1/compare", json={"traces": traces, "site": "cross", "layer": 1, "head": 2}).json()
    expect(page.locator("#compare-facts")).to_contain_text(f"divergence {answer['heads'][0]['divergence']:.3f} nats")
    one, two, difference = card(page)
    assert difference == pytest.approx(-answer["difference"]["values"][3][3], abs=1e-6)
    assert one == pytest.approx(weights(api, traces[0], 1, 2)[3][3], abs=1e-6)
    assert two == pytest.approx(one - difference, abs=1e-6), "the second's cell is the counterpart"
    ranked = api.post("/v1/compare", json={"traces": traces, "site": "cross"}).json()["heads"][0]
    first = f"layer {ranked['layer']} · head {ranked['head']}: {ranked['divergence']:.3f}"
    expect(page.locator("#compare-pairs button").first).to_have_text(first)
    page.reload()
    expect(page.locator("#compare-facts")).to_contain_text(f"divergence {answer['heads'][0]['divergence']:.3f} nats")


def test_the_effect_of_an_edit_on_a_map(watch: Opener, api: httpx.Client) -> None:
    edits = [{"kind": "silence", "site": "cross", "layer": 0, "head": 0}]
    watched = watch()
    page = watched.open("#" + urlencode({"text": TEXT, "site": "cross", "layer": 0, "head": 0, "row": 0, "col": 0}))
    page.click("#silence")
    page.click("#edit-map")
    expect(page.locator(".compare-second .compare-name")).to_have_text("layer 0 · head 0, the unedited pass")
    assert (watched.state()["view"], watched.state()["other"]) == ("compare", "unedited")
    was = weights(api, traced(api), 0, 0)[0][0]
    assert card(page) == pytest.approx([0, was, -was], abs=1e-6)
    assert weights(api, traced(api, edits=edits), 0, 0)[0][0] == 0


def test_another_measure_of_the_same_head(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = opened(watched, row=1, col=1)
    page.select_option("#compare-kind", "measure:value-norm")
    expect(page.locator(".compare-second .compare-name")).to_have_text("layer 1 · head 2, value norm")
    assert watched.state()["other"] == "cross.1.2~value-norm"
    trace = traced(api)
    norms = api.get(f"/v1/traces/{trace}/maps/cross/1/2?measure=value-norm").json()["weights"]
    one = weights(api, trace, 1, 2)
    shares = one[1][1] / max(map(max, one)) - norms[1][1] / max(map(max, norms))
    assert card(page) == pytest.approx([one[1][1], norms[1][1], shares], abs=1e-5)


def test_heads_are_compared_by_the_measure_on_show_and_signs_diverge(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = opened(watched, row=1, col=1, measure="gradient-attention", other="cross.0.1")
    trace = traced(api, objective={"tokens": "all"})
    one, two = (
        api.get(f"/v1/traces/{trace}/maps/cross/{place}?measure=gradient-attention").json()["weights"][1][1]
        for place in ("1/2", "0/1")
    )
    expect(page.locator("#compare-pairs li")).to_have_count(0)
    assert card(page) == pytest.approx([one, two, one - two], abs=1e-5)
    # Beside the weights, too.
    page.select_option("#compare-kind", "measure:gradient-attention")
    expect(page.locator(".compare-second .compare-name")).to_contain_text("layer 1 · head 2, ")
    assert watched.state()["other"] == "cross.1.2~gradient-attention"
    assert card(page)[:2] == pytest.approx([weights(api, trace, 1, 2)[1][1], one], abs=1e-5)


def test_two_answers_are_compared_by_weights_and_the_page_says_so(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = opened(watched, row=1, col=1, measure="value-norm", other=f"{traced(api, OTHER)}.1.2")
    expect(page.locator("#compare-notice")).to_have_text(
        "Two answers are compared by their weights, whatever measure is chosen."
    )
    assert card(page)[0] == pytest.approx(weights(api, traced(api), 1, 2)[1][1], abs=1e-6)


@pytest.mark.parametrize(
    ("signed", "value", "colour"),
    [
        (True, -2, (0x2B, 0x70, 0xC9)),
        (True, 0, (255, 255, 255)),
        (True, 2, (0xC2, 0x41, 0x0C)),
        (True, -5, (0x2B, 0x70, 0xC9)),
        (False, 2, (0xC2, 0x41, 0x0C)),
        (False, 0, (255, 255, 255)),
    ],
)
def test_colours_of_a_measure(alone: Page, signed: bool, value: float, colour: tuple[int, int, int]) -> None:
    unit = {"name": "x", "signed": signed, "limit": 2}
    shade = "m.unitColours(a[0], 'ink', 'light', 'linear', 1e-4)(a[1])"
    assert call(alone, "beside/compare/colours", shade, [unit, value]) == pytest.approx(colour, abs=4)


def test_views_move_together(watch: Opener) -> None:
    watched = watch()
    page = opened(watched, row=2, col=2, other="cross.0.1")
    before = page.locator(".compare-second .chosen-cell").bounding_box()
    card(page)
    page.mouse.wheel(0, -100)
    page.wait_for_function("location.hash.includes('rows=')")
    after = page.locator(".compare-second .chosen-cell").bounding_box()
    assert before
    assert after
    assert after["width"] > before["width"]
    page.keyboard.press("0")
    page.wait_for_function("!location.hash.includes('rows=')")


def test_long_maps_by_blocks_and_closer_in_exactly(browser: Browser, writer: str) -> None:
    watched = Watched(browser.new_page(viewport={"width": 1440, "height": 900}), writer)
    page = watched.page
    page.goto(f"{writer}/{long_map.link(view='compare', row=400, col=380)}")
    page.wait_for_selector("#map[data-state=ready]:not([aria-busy])", timeout=WAIT)
    expect(page.locator("#compare-facts")).to_contain_text("mean of 16 × 16 cells", timeout=WAIT)
    page.goto("about:blank")
    page.goto(f"{writer}/{long_map.link(view='compare', row=400, col=380, rows='350:450', cols='350:450')}")
    page.wait_for_selector("#map[data-state=ready]:not([aria-busy])", timeout=WAIT)
    expect(page.locator("#compare-facts")).to_contain_text("largest at", timeout=WAIT)
    body = {"model": "writer", "inputs": long_map.TEXT, "parameters": long_map.PARAMETERS}
    with httpx.Client(base_url=writer, timeout=60) as client:
        trace = client.post("/v1/traces", json=body).json()["id"]
        window = "rows=400:401&cols=380:381"
        one, two = (
            client.get(f"/v1/traces/{trace}/maps/decoder/1/{head}?{window}").json()["weights"][0][0] for head in (2, 3)
        )
    assert card(page) == pytest.approx([one, two, one - two], abs=1e-7)
    # By another measure: exactly closer in, by blocks from afar.
    page.select_option("#compare-kind", "measure:value-norm")
    expect(page.locator("#compare-facts")).to_contain_text("Each as a share", timeout=WAIT)
    with httpx.Client(base_url=writer, timeout=60) as client:
        norm = client.get(f"/v1/traces/{trace}/maps/decoder/1/2?{window}&measure=value-norm").json()["weights"][0][0]
    assert card(page)[:2] == pytest.approx([one, norm], rel=1e-4)
    page.keyboard.press("0")
    expect(page.locator("#compare-facts")).to_contain_text("mean of 16 × 16 cells", timeout=WAIT)
    expect(page.locator("#compare-facts")).to_contain_text("Each as a share")
    page.close()
    assert watched.complaints == []


def test_a_trace_file_is_compared_with_itself(watch: Opener, api: httpx.Client) -> None:
    trace = traced(api)
    file = api.get(f"/v1/traces/{trace}/file").content
    watched = watch()
    page = opened(watched, row=1, col=1, other="cross.0.1")
    page.evaluate(DROP, {"name": "some.safetensors", "data": base64.b64encode(file).decode()})
    watched.settled()
    expect(page.locator("#silence")).to_be_hidden()  # there is nobody to make the pass again
    page.select_option("#compare-head", "4")
    expect(page.locator(".compare-second .compare-name")).to_contain_text("head 4")
    layer, head = (int(watched.state()[name]) for name in ("layer", "head"))
    other = [int(part) for part in watched.state()["other"].split(".")[1:]]
    row, col = (int(part) for part in page.inner_text("#cell-place").strip("()").split(","))
    one, two = (weights(api, trace, *place)[row][col] for place in ((layer, head), other))
    assert card(page) == pytest.approx([one, two, one - two], abs=1e-5)


def test_divergence_by_hand(alone: Page) -> None:
    code = "m.divergence(...a.map((w) => ({weights: Float64Array.from(w), rows: 1, cols: 2})))"
    assert call(alone, NUMBERS, code, [[1, 0], [0, 1]]) == pytest.approx(math.log(2))
    assert call(alone, NUMBERS, code, [[0.3, 0.7], [0.3, 0.7]]) == pytest.approx(0)
    assert call(alone, NUMBERS, code, [[1, 0], [0, 0]]) == pytest.approx(math.log(2)), "what no key has is an outcome"
    half = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) - math.log(2) / 2
    assert call(alone, NUMBERS, code, [[1, 0], [0.5, 0.5]]) == pytest.approx(half)


def test_partners_by_hand(alone: Page) -> None:
    match = {"equal": [[0, 0, 2], [3, 4, 1]], "substituted": [[2, 3, 1]]}
    assert call(alone, NUMBERS, "[...m.partnersOf(a, 5)]", match) == [0, 1, 3, 4, -1]
    assert call(alone, NUMBERS, "[...m.inverseOf(m.partnersOf(a, 5), 5)]", match) == [0, 1, -1, 2, 3]
    assert call(alone, NUMBERS, "m.partOf(m.partnersOf(a, 5), [2, 5], 5)", match) == [3, 5]


TRACE = "0123456789abcdef" * 2
PLACES = [
    ("", False, ["", 1, 0, ""]),
    ("cross.0.1", False, ["", 0, 1, ""]),
    ("cross.0.1~value-norm", False, ["", 0, 1, "value-norm"]),
    ("cross.7.1", False, ["", 1, 0, ""]),
    ("encoder.0.1", False, ["", 1, 0, ""]),
    ("", True, ["unedited", 1, 2, ""]),
    ("unedited", False, ["", 1, 0, ""]),
    (TRACE, False, [TRACE, 1, 2, ""]),
    (f"{TRACE}.0.1", True, [TRACE, 0, 1, ""]),
]


@pytest.mark.parametrize(("text", "edited", "other"), PLACES)
def test_what_a_link_says_of_the_other_side(alone: Page, text: str, edited: bool, other: list[Any]) -> None:
    argument = [text, SITE, {"layer": 1, "head": 2}, edited]
    read = "(({from, layer, head, measure}) => [from, layer, head, measure])(m.otherOf(...a))"
    assert call(alone, OTHERS, read, argument) == other
    written = call(alone, OTHERS, "m.otherText(m.otherOf(...a), 'cross', a[2])", argument)
    assert call(alone, OTHERS, read, [written, *argument[1:]]) == other
