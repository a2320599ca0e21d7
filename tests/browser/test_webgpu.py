"""Long blocks of a trace file's maps by WebGPU: the numbers of the formula in 64 bits, and of the page's own work.

Chromium plays a graphics processor here, in software, where it can (`--use-webgpu-adapter=swiftshader`). The page
refuses such a one, as it is slower than the page itself: the tests say that it is a real one. Where Chromium has none,
every test asks that the answers are right nevertheless, and the run says that the shader was not tried.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page

from heedmap.model.attention.biases import Bias, Dense, Edited, Toeplitz, Windowed
from heedmap.model.attention.kernels import plain
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Blocks, Causal, Full, Given, Mask, Padding, SlidingWindow
from heedmap.model.attention.scores import Additive, ScaledDot, Score, SoftCapped, Tempered
from heedmap.model.contract import Axis, Prediction
from heedmap.model.page.trace_page import trace_page
from heedmap.model.trace.certificate import Certificate
from heedmap.model.trace.trace import Trace
from tests.chromium import chromium

from .webgpu import BLOCKS, OPENED, REAL, WORKERS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT = 120_000  # milliseconds: a graphics processor in software, on a busy machine
FLAGS = ("--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader")
Q, K, H, G, D = 600, 910, 2, 1, 66  # a block of 36 million multiplications; a size that is no multiple of four
APART = K - Q  # of causal queries, whose keys began before them
GENERATOR = torch.Generator().manual_seed(11)
NEAR = Causal(APART) & SlidingWindow(70, APART)
SCALED = ScaledDot(D**-0.5)
SLOPES = torch.tensor([0.5, 0.002])[:, None] * -(torch.arange(Q + K - 1) - (Q - 1) - APART).abs()
Case = tuple[Mask, Bias | None, Score]
COVERED: dict[str, Case] = {
    "cross": (Full(), None, SCALED),
    "causal": (Causal(APART), None, SCALED),
    "causal, from the first key": (Causal(), None, SCALED),
    "window": (SlidingWindow(70, APART), None, SCALED),
    "window of the past": (NEAR, None, ScaledDot(0.4)),
    "padding": (Padding(torch.tensor([705])), None, SCALED),
    "padding and past": (Padding(torch.tensor([705])) & Causal(APART), None, SCALED),
    "offsets": (Causal(APART), Toeplitz(torch.randn(H, Q + K - 1, generator=GENERATOR), Q), SCALED),
    "offsets for all heads": (Full(), Toeplitz(torch.randn(1, Q + K - 1, generator=GENERATOR), Q), SCALED),
    "slopes": (Causal(APART), Toeplitz(SLOPES * 1000, Q), SCALED),
    "dot": (Full(), None, ScaledDot(1.0)),
    "sharp": (Causal(APART), None, ScaledDot(2.0)),
    "tempered": (Causal(APART), None, Tempered(SCALED, (0.5, -3.0))),
}
OTHERS: dict[str, Case] = {
    "capped": (Full(), None, SoftCapped(D**-0.5, 1.5)),
    "additive": (Full(), None, Additive(torch.randn(D, generator=GENERATOR) / 9)),
    "tempered, capped": (Full(), None, Tempered(SoftCapped(D**-0.5, 1.5), (0.5, 1.0))),
    "dense": (Full(), Dense(torch.randn(1, Q, K, generator=GENERATOR)), SCALED),
    "windowed": (Full(), Windowed(torch.randn(1, 4, 4, generator=GENERATOR), torch.arange(K) % 4), SCALED),
    "edited": (
        Full(),
        Edited(None, torch.ones(H), torch.tensor([[-1, 1, 3, 2, 5]]), torch.zeros(0, 2).long(), torch.zeros(0, K)),
        SCALED,
    ),
    "blocks": (Blocks(torch.arange(K) // 50), None, SCALED),
    "given": (Given(torch.rand(1, Q, K, generator=GENERATOR) > 0.4) & Causal(APART), None, SCALED),
}
ROWS, COLS = (1, Q - 1), (2, K - 3)
BANDS = [(1, 2), (2, 131), (131, 140), (140, 420), (420, Q - 1)]
STRETCHES = [(2, 3), (3, 66), (66, 67), (67, 450), (450, 704), (704, 800), (800, K - 3)]


def layer_of(mask: Mask, bias: Bias | None, score: Score) -> AttentionMap:
    """Maps with a log-sum-exp of their own; queries and keys of all sizes, as trained ones are."""
    sizes = torch.rand(D, generator=GENERATOR).exp()
    q, k, v = (torch.randn(n, length, D, generator=GENERATOR) * sizes for n, length in ((H, Q), (G, K), (G, K)))
    cells = None if bias is None else bias.cells(torch.arange(Q), torch.arange(K))[None]
    lse = plain(q[None].double(), k[None].double(), v[None].double(), mask, cells, score)[1][0]
    return AttentionMap(q, k, v, lse.float(), score, mask, bias)


def worked_out(layer: AttentionMap, head: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """All weights of a head by their formula, in 64 bits, and which cells are not masked."""
    rows, cols = torch.arange(Q), torch.arange(K)
    scores = layer.score(layer.q.double(), layer.k.double().repeat_interleave(H // G, dim=0))[head]
    if layer.bias is not None:
        scores = scores + layer.bias.head(head).cells(rows, cols)[0]
    seen = layer.mask.visible(rows, cols).expand(1, 1, Q, K)[0, 0]
    weights = (scores - layer.lse[head, :, None].double()).exp().where(seen, 0)
    return weights.numpy(), seen.numpy()


def file_of(layers: list[AttentionMap], path: Path) -> bytes:
    """A trace file of them."""
    axes = {
        name: Axis("text", [f"{name}{n}" for n in range(length)], [*range(length)], [(0, 0)] * length, [False] * length)
        for name, length in (("target", Q), ("source", K))
    }
    certificate = Certificate(0.0, 1, "plain", "float32", {}, {"self": [[0.0] * H for _ in layers]})
    model = {"task": "translation", "revision": "r1"}
    prediction = Prediction("ü", ["ü"], None, axes)
    Trace(model, prediction, {"self": ("target", "source")}, certificate, {"self": layers}).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def processed() -> Iterator[Browser]:
    """A browser with a graphics processor, where one can be had."""
    with chromium(*FLAGS) as launched:
        yield launched


@pytest.fixture
def context(processed: Browser) -> Iterator[BrowserContext]:
    """Pages in which software counts as a processor, and the console says nothing."""
    with processed.new_context(bypass_csp=True) as opened:
        opened.set_default_timeout(WAIT)
        opened.add_init_script(REAL)
        yield opened


@pytest.fixture
def page(context: BrowserContext, server: str) -> Page:
    """A page of the same origin with nothing on it, so that modules are alone."""
    opened = context.new_page()
    opened.goto(server + "/icon.svg")
    return opened


@pytest.fixture
def real(page: Page, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether there is an adapter; without one the run says so, and the tests ask for the page's own answers."""
    there = bool(page.evaluate("async () => Boolean(await navigator.gpu?.requestAdapter())"))
    if not there:
        with capsys.disabled():
            print("\nNo WebGPU adapter in this Chromium: the shader is NOT tried, only that the page does without it.")
    return there


def said(page: Page, file: bytes, code: str, **argument: Any) -> Any:
    """What a piece of program says of a trace file, `trace`."""
    page.set_default_timeout(WAIT)
    given = {"file": base64.b64encode(file).decode(), "rows": ROWS, "cols": COLS, **argument}
    return page.evaluate(f"async (a) => {{ {OPENED} {code} }}", given)


@pytest.mark.parametrize("name", COVERED)
def test_blocks_are_right(page: Page, real: bool, tmp_path: Path, name: str) -> None:
    layer = layer_of(*COVERED[name])
    file = file_of([layer], tmp_path / "t.safetensors")
    here = said(page, file, BLOCKS, layer=0, head=1, bands=BANDS, stretches=STRETCHES)
    if not real:
        assert here == {"apart": None, "made": {"mean": None, "max": None}, "submitted": here["submitted"]}
        return
    assert here["submitted"] >= 3, "each was evaluated on the device"
    assert here["apart"] <= 1e-6, "a weight is that of the page's own evaluation"
    weights, seen = worked_out(layer, 1)
    at = 0
    for top, bottom in BANDS:
        for left, right in STRETCHES:
            block, count = weights[top:bottom, left:right], int(seen[top:bottom, left:right].sum())
            mean, most = here["made"]["mean"], here["made"]["max"]
            assert (mean["counts"][at], most["counts"][at]) == (count, count)
            assert mean["sums"][at] / max(count, 1) == pytest.approx(
                block.sum(dtype=np.float64) / max(count, 1), abs=1e-6
            )
            assert most["sums"][at] == pytest.approx(block.max(), abs=1e-6)
            at += 1


LACKING = """
    const answers = [];
    for (let layer = 0; layer < a.layers; layer++) {
        const maps = trace.of("self", layer);
        answers.push(await windowOnGpu(maps, 0, a.rows, a.cols, turn));
        answers.push(await blocksOnGpu(maps, 0, a.bands, a.stretches, "max", turn));
    }
    return {answers, submitted: globalThis.submitted ?? 0};
"""


def test_what_the_shader_lacks_is_not_sent_to_it(page: Page, tmp_path: Path) -> None:
    """Nor is a block with a row that sees nothing, whose log-sum-exp is no number."""
    layers = [layer_of(*case) for case in OTHERS.values()] + [layer_of(Causal(-1), None, SCALED)]
    file = file_of(layers, tmp_path / "t.safetensors")
    bands = [(0, 300), (300, Q)]
    here = said(page, file, LACKING, layers=len(layers), rows=(0, Q), bands=bands, stretches=STRETCHES)
    assert here == {"answers": [None] * 2 * len(layers), "submitted": 0}


LOST = """
    const device = await gpu(), maps = trace.of("self", 0);
    const answer = trace.window("self", {layer: 0, head: 1}, a.rows, a.cols);
    await Promise.resolve(); // it is under way
    device?.destroy();
    const during = apart(await answer, maps.window(1, a.rows, a.cols));
    await device?.lost;
    const [left, sent] = [await gpu(), globalThis.submitted];
    const again = await trace.window("self", {layer: 0, head: 1}, a.rows, a.cols);
    const after = apart(again, maps.window(1, a.rows, a.cols));
    return {had: Boolean(device), left, during, after, later: globalThis.submitted - sent};
"""


def test_a_lost_device_is_not_missed(page: Page, real: bool, tmp_path: Path) -> None:
    file = file_of([layer_of(*COVERED["causal"])], tmp_path / "t.safetensors")
    here = said(page, file, LOST)
    assert here["had"] is real
    assert here["left"] is None
    assert here["during"] <= 1e-6
    assert (here["after"], here["later"] or 0) == (0, 0), "evaluated here"


WRONG = """
    if (globalThis.GPUQueue) GPUQueue.prototype.submit = () => {}; // as a driver that answers zeros, and no error
    const maps = trace.of("self", 0), had = Boolean(await gpu());
    const answer = await trace.window("self", {layer: 0, head: 1}, a.rows, a.cols);
    return {had, left: await gpu(), apart: apart(answer, maps.window(1, a.rows, a.cols))};
"""


def test_a_device_that_is_wrong_is_not_believed(page: Page, real: bool, tmp_path: Path) -> None:
    file = file_of([layer_of(*COVERED["causal"])], tmp_path / "t.safetensors")
    assert said(page, file, WRONG) == {"had": real, "left": None, "apart": 0}


NONE = {
    "no adapter": "navigator.gpu.requestAdapter = async () => null;",
    "a refusal": "navigator.gpu.requestAdapter = async () => { throw new DOMException('no', 'OperationError'); };",
    "no device": "navigator.gpu.requestAdapter = async () => ({info: {}, requestDevice: () => Promise.reject(1)});",
    "software": "navigator.gpu.requestAdapter = async () => ({info: {isFallbackAdapter: true}});",
    "no WebGPU": "Object.defineProperty(navigator, 'gpu', {value: undefined});",
}


@pytest.mark.parametrize("how", NONE)
def test_without_a_device_the_page_answers(page: Page, tmp_path: Path, how: str) -> None:
    file = file_of([layer_of(*COVERED["causal"])], tmp_path / "t.safetensors")
    here = said(page, file, NONE[how] + WRONG)
    assert here == {"had": False, "left": None, "apart": 0}


TILES = """async (a) => {
    const {FileSource} = await import("/js/source/file_source.js");
    const file = new Blob([Uint8Array.from(atob(a.file), (c) => c.charCodeAt(0))]);
    const source = await FileSource.open(file);
    const codes = [];
    for (const how of ["max", "mean"]) {
        const [{tile}] = await source.tiles({site: "self", layer: 0, head: 1, how}, 2, [[0, 0]]);
        codes.push([...tile.codes]);
    }
    codes.push([...(await source.thumbnails("self", 32)).codes]);
    source.close();
    return {codes, by: source.maps.constructor.name, elsewhere: globalThis.elsewhere};
}"""


def test_tiles_and_small_pictures_in_a_worker(
    context: BrowserContext, processed: Browser, real: bool, server: str, tmp_path: Path
) -> None:
    """As codes they are those of a browser without a device, but for one that lies between two."""
    file = base64.b64encode(file_of([layer_of(*COVERED["causal"])], tmp_path / "t.safetensors")).decode()
    context.add_init_script(WORKERS)
    answers = []
    for page in (context.new_page(), processed.new_page()):  # in the second one, software is what it is
        page.set_default_timeout(WAIT)
        page.goto(server + "/icon.svg")
        answers.append(page.evaluate(TILES, {"file": file}))
        page.close()
    assert [answer["by"] for answer in answers] == ["WorkerMaps", "WorkerMaps"]
    assert (answers[0]["elsewhere"] >= 4) is real, "two tiles and two heads' pictures"
    for here, plainly in zip(answers[0]["codes"], answers[1]["codes"], strict=True):
        difference = np.abs(np.array(here) - np.array(plainly))
        assert difference.max() <= 1
        assert np.mean(difference > 0) <= 1e-3
        assert ((np.array(here) == 0) == (np.array(plainly) == 0)).all()


def test_in_a_page_that_holds_all(processed: Browser, real: bool, tmp_path: Path) -> None:
    """From disk, under the page's own policy, where its worker stands in it."""
    file = file_of([layer_of(*COVERED["causal"])], tmp_path / "t.safetensors")
    (tmp_path / "p.html").write_bytes(trace_page(file, plotly=True))
    with processed.new_context() as context:
        context.set_default_timeout(WAIT)
        context.add_init_script(WORKERS)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((tmp_path / "p.html").as_uri())
        page.wait_for_selector("#map[data-state=ready]:not([data-waiting])")
        page.wait_for_selector("#tiles[data-state=complete], #cells[data-state=complete]", state="attached")
        page.wait_for_selector("#measures tr", state="attached")
        if real:
            page.wait_for_function("() => globalThis.elsewhere > 0")
        assert complaints == []
