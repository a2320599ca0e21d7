"""A trace file in the page: every weight is the service's own, under every mask, bias, score and kind of number.

Here and in a worker, which must be the same. What is no trace is in test_bad_files.py.
"""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Page

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
    "blocks of the past": Causal(4) & Blocks(torch.arange(K) // 5),
    "given, padded, near": Given(SCATTERED) & (Padding(torch.tensor([10])) & SlidingWindow(6, 4)),
}
BIASES: dict[str, Bias | None] = {
    "none": None,
    "dense": Dense(torch.randn(H, Q, K, generator=GENERATOR)),
    "dense for all heads": Dense(torch.randn(1, Q, K, generator=GENERATOR)),
    "toeplitz": Toeplitz(torch.randn(H, Q + K - 1, generator=GENERATOR), Q),
    "toeplitz for all heads": Toeplitz(torch.randn(1, Q + K - 1, generator=GENERATOR), Q),
    "windowed": Windowed(torch.randn(H, 4, 4, generator=GENERATOR), torch.arange(K) % 4),
    "windowed for all heads": Windowed(torch.randn(1, 4, 4, generator=GENERATOR), torch.arange(K) % 4),
}
CUTS = torch.tensor([[-1, 1, 3, 2, 5], [2, 0, Q, 7, 8]])
NO_PLACES, NONE_GIVEN = torch.zeros(0, 2, dtype=torch.long), torch.zeros(0, K)
PLACES = torch.tensor([[0, 2], [3, 5], [1, Q - 1]])
GIVEN = torch.log_softmax(torch.randn(3, K, generator=GENERATOR), dim=1)
for name, base in list(BIASES.items()):
    factors = torch.rand(H, generator=GENERATOR)
    BIASES[f"edited, {name}"] = Edited(base, factors, CUTS, NO_PLACES, NONE_GIVEN)
    BIASES[f"edited, {name}, rows given"] = Edited(base, factors, CUTS[:1], PLACES, GIVEN)
SCORES: dict[str, Score] = {
    "scaled": ScaledDot(D**-0.5),
    "dot": ScaledDot(1.0),
    "capped": SoftCapped(D**-0.5, 1.5),
    "additive": Additive(torch.randn(D, generator=GENERATOR)),
    "tempered": Tempered(SoftCapped(D**-0.5, 1.5), (0.5, 1.0, 2.0, 4.0)),
    "tempered dot": Tempered(ScaledDot(1.0), (0.0, 1.0, -1.0, 0.25)),
}
FILE = "new Blob([Uint8Array.from(atob(a.file), (c) => c.charCodeAt(0))])"
READ = """async () => {
    const blob = FILE;
    const {TraceFile} = await import("/js/source/trace_file.js");
    const {TraceMaps} = await import("/js/source/trace_maps.js");
    const {WorkerMaps} = await import("/js/source/worker_maps.js");
    const {FileSource} = await import("/js/source/file_source.js");
    const maps = a.worker ? await WorkerMaps.open(blob, "") : await TraceMaps.open(await blob.arrayBuffer(), "");
    const source = new FileSource(blob, maps);
    const read = {summary: source.summary, maps: {}, layers: {}};
    for (const n of a.layers) {
        const window = async (head) => [...await source.window("self", {layer: n, head}, a.rows, a.cols)];
        read.maps[n] = await Promise.all(a.heads.map(window));
        const layer = await source.layer("self", n);
        read.layers[n] = a.heads.map((head) => [...layer.window(head, a.rows, a.cols)]);
    }
    source.close();
    return read;
}""".replace("FILE", FILE)
OPENED = f"await ({READ})()"


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


def opened(
    page: Page,
    path: Path,
    heads: list[int],
    rows: tuple[int, int],
    cols: tuple[int, int],
    layers: int,
    worker: bool = False,
) -> dict[str, Any]:
    """What the page, or a worker of it, reads out of the file."""
    file = base64.b64encode(path.read_bytes()).decode()
    argument = {"file": file, "heads": heads, "rows": rows, "cols": cols, "layers": [*range(layers)], "worker": worker}
    result: dict[str, Any] = call(page, "source/trace_file", OPENED, argument)
    return result


@pytest.mark.parametrize("worker", [False, True], ids=["page", "worker"])
def test_every_mask_bias_and_score(page: Page, tmp_path: Path, worker: bool) -> None:
    layers = [layer_of(mask, bias, SCORES["scaled"]) for mask in MASKS.values() for bias in BIASES.values()]
    layers += [layer_of(mask, BIASES["toeplitz"], score) for mask in (Full(), Causal(4)) for score in SCORES.values()]
    trace_of(layers).save(tmp_path / "t.safetensors")
    read = opened(page, tmp_path / "t.safetensors", [*range(H)], (1, Q), (2, K - 1), len(layers), worker)
    for index, layer in enumerate(layers):
        expected = layer.window(slice(1, Q), slice(2, K - 1)).flatten(1).numpy()
        np.testing.assert_allclose(np.array(read["maps"][str(index)]), expected, atol=1e-6, rtol=0)
        np.testing.assert_allclose(np.array(read["layers"][str(index)]), expected, atol=1e-6, rtol=0)


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


def test_what_the_service_can_write_is_what_is_tried_here() -> None:
    def kinds(root: type[Any]) -> set[str]:
        return {each.__name__ for each in root.__subclasses__() if each.__module__ == root.__module__}

    tried = {"Both", *(type(mask).__name__ for mask in MASKS.values())}
    assert tried == kinds(Mask)
    assert {type(bias).__name__ for bias in BIASES.values() if bias is not None} == kinds(Bias)
    assert {type(score).__name__ for score in SCORES.values()} == kinds(Score)


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
