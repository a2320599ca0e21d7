"""A trace file in the page: every weight is the service's own, under every mask, bias, score and kind of number."""

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Error, Page

from heedmap.model.attention.biases import Bias, Dense, Edited, Toeplitz, Windowed
from heedmap.model.attention.kernels import plain
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Blocks, Causal, Full, Given, Mask, Padding, SlidingWindow
from heedmap.model.attention.scores import Additive, ScaledDot, Score, SoftCapped, Tempered
from heedmap.model.contract import Axis, Prediction
from heedmap.model.trace.certificate import Certificate
from heedmap.model.trace.trace import Trace

from .modules import call

pytestmark = pytest.mark.browser

Q, K, H, G, D = 9, 13, 4, 2, 6
GENERATOR = torch.Generator().manual_seed(5)
SCATTERED = torch.rand(1, Q, K, generator=GENERATOR) > 0.4
MASKS: dict[str, Mask] = {
    "full": Full(),
    "causal": Causal(4),
    "window": SlidingWindow(3, 4),
    "both": Causal(4) & SlidingWindow(5, 4),
    "padding": Padding(torch.tensor([10])),
    "blocks": Blocks(torch.arange(K) // 5),
    "given": Given(SCATTERED),
}
BIASES: dict[str, Bias | None] = {
    "none": None,
    "dense": Dense(torch.randn(H, Q, K, generator=GENERATOR)),
    "dense for all heads": Dense(torch.randn(1, Q, K, generator=GENERATOR)),
    "toeplitz": Toeplitz(torch.randn(H, Q + K - 1, generator=GENERATOR), Q),
    "windowed": Windowed(torch.randn(H, 4, 4, generator=GENERATOR), torch.arange(K) % 4),
}
CUTS = torch.tensor([[-1, 1, 3, 2, 5], [2, 0, Q, 7, 8]])
for name in ("none", "toeplitz"):
    BIASES[f"edited, {name}"] = Edited(
        BIASES[name], torch.rand(H, generator=GENERATOR), CUTS, torch.zeros(0, 2, dtype=torch.long), torch.zeros(0, K)
    )
SCORES: dict[str, Score] = {
    "scaled": ScaledDot(D**-0.5),
    "dot": ScaledDot(1.0),
    "capped": SoftCapped(D**-0.5, 1.5),
    "additive": Additive(torch.randn(D, generator=GENERATOR)),
    "tempered": Tempered(SoftCapped(D**-0.5, 1.5), (0.5, 1.0, 2.0, 4.0)),
}
WINDOW = "[...t.layer('self', n).window(h, a.rows, a.cols)]"
MAPS = f"Object.fromEntries(a.layers.map((n) => [n, a.heads.map((h) => {WINDOW})]))"
OPENED = (
    "(() => { const t = new m.TraceFile(Uint8Array.from(atob(a.file), (c) => c.charCodeAt(0)).buffer);"
    f" return {{summary: t.summary, maps: {MAPS}}}; }})()"
)


def layer_of(mask: Mask, bias: Bias | None, score: Score, dtype: torch.dtype = torch.float32) -> AttentionMap:
    """Maps with a log-sum-exp of their own."""
    q, k, v = (torch.randn(n, length, D, generator=GENERATOR).to(dtype) for n, length in ((H, Q), (G, K), (G, K)))
    cells = None if bias is None else bias.cells(torch.arange(Q), torch.arange(K))[None]
    lse = plain(q[None].float(), k[None].float(), v[None].float(), mask, cells, score)[1][0]
    return AttentionMap(q, k, v, lse, score, mask, bias)


def trace_of(layers: list[AttentionMap]) -> Trace:
    """A trace of them."""
    axes = {
        name: Axis("text", [f"{name}{n}" for n in range(length)], [*range(length)], [(0, 0)] * length, [False] * length)
        for name, length in (("target", Q), ("source", K))
    }
    certificate = Certificate(0.0, 1, "plain", "float32", {}, {"self": [[0.0] * H for _ in layers]})
    model = {"task": "translation", "revision": "r1"}
    return Trace(
        model, Prediction("ü", ["ü"], None, axes), {"self": ("target", "source")}, certificate, {"self": layers}
    )


def opened(page: Page, path: Path, heads: list[int], rows: tuple[int, int], cols: tuple[int, int], layers: int) -> dict:
    """What the page reads out of the file."""
    file = base64.b64encode(path.read_bytes()).decode()
    argument = {"file": file, "heads": heads, "rows": rows, "cols": cols, "layers": [*range(layers)]}
    result: dict = call(page, "source/trace_file", OPENED, argument)
    return result


def test_every_mask_bias_and_score(page: Page, tmp_path: Path) -> None:
    layers = [layer_of(mask, bias, SCORES["scaled"]) for mask in MASKS.values() for bias in BIASES.values()]
    layers += [layer_of(mask, BIASES["toeplitz"], score) for mask in (Full(), Causal(4)) for score in SCORES.values()]
    trace_of(layers).save(tmp_path / "t.safetensors")
    read = opened(page, tmp_path / "t.safetensors", [*range(H)], (1, Q), (2, K - 1), len(layers))
    for index, layer in enumerate(layers):
        expected = layer.window(slice(1, Q), slice(2, K - 1)).flatten(1).numpy()
        np.testing.assert_allclose(np.array(read["maps"][str(index)]), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_every_kind_of_number(page: Page, tmp_path: Path, dtype: torch.dtype) -> None:
    layer = layer_of(Causal(4), None, SCORES["scaled"], dtype)
    trace_of([layer]).save(tmp_path / "t.safetensors")
    read = opened(page, tmp_path / "t.safetensors", [3], (0, Q), (0, K), 1)
    np.testing.assert_allclose(np.array(read["maps"]["0"][0]), layer.head(3).window().flatten(), atol=1e-6, rtol=0)


def test_the_summary_is_the_services(page: Page, tmp_path: Path) -> None:
    trace = trace_of([layer_of(Full(), None, SCORES["scaled"])])
    trace.save(tmp_path / "t.safetensors", {"id": "0" * 32, "model": "de-en"})
    summary = opened(page, tmp_path / "t.safetensors", [0], (0, 1), (0, 1), 1)["summary"]
    assert {**trace.to_json(), "id": "0" * 32, "model": "de-en"}.items() <= {
        **summary,
        "sites": trace.sites(),
        "certificate": trace.to_json()["certificate"],
    }.items()
    assert summary["sites"] == trace.sites()
    assert summary["prediction"]["text"] == "ü"


def test_what_is_no_trace_is_refused(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    trace_of([layer_of(Full(), None, SCORES["scaled"])]).save(path)
    whole = path.read_bytes()
    for spoilt, says in (
        (whole[:-9], "cut short"),
        (whole[:7], "no safetensors file"),
        (b"\xff" * 64, "no safetensors file"),
        (whole.replace(b'"trace"', b'"tracy"'), "no trace of Heedmap"),
        (whole.replace(b'"heedmap":"1"', b'"heedmap":"9"'), "version 1, and this is 9"),
        (whole.replace(b"full", b"fool"), "masks of the kind fool"),
        (whole.replace(b"scaled_dot", b"tangled_up"), "scores of the kind tangled_up"),
        (whole.replace(b"self.0.lse", b"self.0.lsd"), "self.0.lse is missing"),
    ):
        assert spoilt != whole
        path.write_bytes(spoilt)
        with pytest.raises(Error, match=says):
            opened(page, path, [0], (0, 1), (0, 1), 1)


def test_of_a_real_one(page: Page, tmp_path: Path, tiny: Path) -> None:
    from heedmap.model.contract import Request
    from heedmap.model.load import load

    [trace] = load(tiny).trace([Request("Wo ist der Bahnhof?")])
    assert isinstance(trace, Trace)
    trace = replace(trace, layers={"self": trace.layers["cross"]}, site_axes={"self": trace.site_axes["cross"]})
    trace.save(tmp_path / "t.safetensors")
    layers = trace.layers["self"]
    rows, cols = layers[0].shape
    read = opened(page, tmp_path / "t.safetensors", [0], (0, rows), (0, cols), len(layers))
    for index, layer in enumerate(layers):
        expected = layer.head(0).window().flatten()
        np.testing.assert_allclose(np.array(read["maps"][str(index)][0]), expected, atol=1e-6, rtol=0)
