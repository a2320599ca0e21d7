"""How a weight arose: its numbers by hand and by numpy from the trace file alone, and the steps on the page."""

import base64
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from heedmap.model.attention.biases import Bias, Dense, Edited
from heedmap.model.attention.kernels import plain
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal, Full, Mask
from heedmap.model.attention.scores import ScaledDot, Score, SoftCapped, Tempered
from heedmap.model.contract import Axis, Prediction
from heedmap.model.trace.certificate import Certificate
from heedmap.model.trace.trace import Trace

from .conftest import Opener
from .modules import call
from .test_trace_files import BIASES, MASKS, SCORES, D, G, H, K, Q

pytestmark = pytest.mark.browser

GENERATOR = torch.Generator().manual_seed(11)
HAND = """(async () => {
  const {LayerMaps} = await import('/js/source/evaluate.js');
  const tensors = {q: [[1, 1, 2], [1, 2]], k: [[1, 3, 2], [3, -1, 0, 1, 2, 2]], v: [[1, 3, 2], [1, 0, 0, 1, 5, 5]]};
  const file = {
    shape: (name) => tensors[name.slice(8)][0],
    floats: (name) => Float32Array.from(name.endsWith('lse') ? [a.lse] : tensors[name.slice(8)][1]),
  };
  const score = {kind: 'scaled_dot', scale: 0.5};
  const maps = new LayerMaps(file, 'cross', 0, {score, mask: {kind: 'causal', offset: 1}, bias: null});
  const u = m.unfold(maps, 0, 0, 1);
  const {stepsOf} = await import('/js/beside/derivation/steps.js');
  const steps = stepsOf(u, 0).map(({name, lines}) => [name, ...lines]);
  return {...u, terms: [...u.terms], weights: [...u.weights], scores: [...u.scores], output: [...u.output], steps};
})()"""
NUMBERS = """(async () => {
  const {TraceFile} = await import('/js/source/trace_file.js');
  const bytes = Uint8Array.from(atob(a.file), (c) => c.charCodeAt(0));
  const trace = new TraceFile(bytes.buffer);
  const plain = (value) => (ArrayBuffer.isView(value) ? [...value].map(plain)
    : value === -Infinity ? -1e300 : value);
  return a.cells.map(([layer, head, row, col]) => {
    const u = m.unfold(trace.layer('self', layer), head, row, col);
    return Object.fromEntries(Object.entries(u).map(([name, value]) => [name, plain(value)]));
  });
})()"""
HIDDEN = -1e300  # what JSON carries instead of -Infinity


def layer_of(mask: Mask, bias: Bias | None, score: Score, shape: tuple[int, int, int, int, int]) -> AttentionMap:
    """Maps with a log-sum-exp of their own; values are wider than keys."""
    heads, groups, queries, keys, size = shape
    q = torch.randn(heads, queries, size, generator=GENERATOR)
    k, v = (torch.randn(groups, keys, width, generator=GENERATOR) for width in (size, size + 1))
    cells = None if bias is None else bias.cells(torch.arange(queries), torch.arange(keys))[None]
    lse = plain(q[None], k[None], v[None], mask, cells, score)[1][0]
    return AttentionMap(q, k, v, lse, score, mask, bias)


def saved(path: Path, layers: list[AttentionMap]) -> Path:
    """A trace file of layers of one shape."""
    queries, keys = layers[0].shape
    axes = {
        name: Axis("text", [f"{name}{n}" for n in range(length)], [*range(length)], [(0, 0)] * length, [False] * length)
        for name, length in (("target", queries), ("source", keys))
    }
    certificate = Certificate(0.0, 1, "plain", "float32", {}, {"self": [[0.0] * layers[0].heads for _ in layers]})
    prediction = Prediction("", [], None, axes)
    model = {"task": "translation", "revision": "r1"}
    Trace(model, prediction, {"self": ("target", "source")}, certificate, {"self": layers}).save(path)
    return path


def tensors_of(path: Path) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """The tensors of a file and what its header says of the layers, by numpy alone."""
    data = path.read_bytes()
    stop = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:stop])
    metadata = header.pop("__metadata__")
    kinds = {"F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "u1"}
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[stop + first : stop + last], kinds[entry["dtype"]]).reshape(entry["shape"])
    return tensors, json.loads(metadata["trace"])["layers"]["self"]


def unfolded(page: Page, path: Path, cells: list[tuple[int, int, int, int]]) -> list[dict[str, Any]]:
    """What the page says of cells: layer, head, row, column."""
    argument = {"file": base64.b64encode(path.read_bytes()).decode(), "cells": cells}
    answer: list[dict[str, Any]] = call(page, "beside/derivation/unfold", NUMBERS, argument)
    return answer


def test_numbers_by_hand(alone: Page) -> None:
    # q = (1, 2); k = (3, -1), (0, 1), hidden; products 1 and 2; scores 0.5 and 1.
    lse = math.log(math.exp(0.5) + math.exp(1))
    u = call(alone, "beside/derivation/unfold", HAND, {"lse": lse})
    assert u["terms"] == [0, 2]
    assert (u["product"], u["scaled"], u["score"], u["logit"]) == (2, 1, 1, 1)
    assert (u["bias"], u["visible"], u["seen"], u["rank"], u["sink"]) == (None, True, 2, 1, 0)
    first, second = math.exp(0.5 - lse), math.exp(1 - lse)
    assert u["weights"] == pytest.approx([first, second, 0], abs=1e-7)
    assert u["total"] == pytest.approx(1, abs=1e-6)
    assert u["output"] == pytest.approx([first, second], abs=1e-7), "the hidden key's value has no part in it"
    assert u["share"] == pytest.approx(second**2 / (first**2 + second**2), abs=1e-6)
    steps = {name: lines for name, *lines in u["steps"]}
    assert [*steps] == ["sides", "products", "scale", "mask", "row", "softmax", "values", "output", "proof"]
    assert steps["products"] == ["q_{0} · k_{1} = Σ_{d} q_{0,d} k_{1,d}", "= 0 + 2.000 = 2.000"]
    assert steps["scale"] == ["s_{0,1} = 0.5000 × 2.000 = 1.000"]
    assert steps["row"] == ["max_{j} s_{0,j} = s_{0,1} = 1.000"]
    assert steps["softmax"][0] == "lse_{0} = log Σ_{j} exp(s_{0,j}) = 1.47408"
    assert steps["softmax"][1].startswith("A_{0,1} = exp(s_{0,1} − lse_{0}) = exp(1.00000 − 1.47408) = 0.62245")
    assert steps["softmax"][2] == "Σ_{j} A_{0,j} = 1.000000"


def test_a_sink_takes_its_share(alone: Page) -> None:
    lse = math.log(math.exp(0.5) + math.exp(1) + math.exp(1))  # the sink's logit is 1
    u = call(alone, "beside/derivation/unfold", HAND, {"lse": lse})
    assert u["sink"] == pytest.approx(math.exp(1 - lse), abs=1e-6)
    assert u["total"] == pytest.approx(1 - u["sink"], abs=1e-6)
    assert "sink" in [name for name, *_ in u["steps"]]


def test_numbers_are_those_of_numpy_from_the_file_alone(alone: Page, tmp_path: Path) -> None:
    shape = (H, G, Q, K, D)
    biases = [bias for bias in BIASES.values() if not isinstance(bias, Edited)]  # the next test has edits
    layers = [layer_of(mask, bias, SCORES["scaled"], shape) for mask in MASKS.values() for bias in biases]
    scores = [score for score in SCORES.values() if not isinstance(score, Tempered)]
    layers += [layer_of(Full(), BIASES["toeplitz"], score, shape) for score in scores]
    path = saved(tmp_path / "t.safetensors", layers)
    tensors, described = tensors_of(path)
    cells = [(index, (3 * index) % H, index % Q, (5 * index) % K) for index in range(len(layers))]
    for (index, head, row, col), u in zip(cells, unfolded(alone, path, cells), strict=True):
        q, k, v, lse = (tensors[f"self.{index}.{name}"].astype(np.float64) for name in ("q", "k", "v", "lse"))
        group, score = head // (H // G), described[index]["score"]
        if score["kind"] == "additive":
            vector = tensors[f"self.{index}.vector"].astype(np.float64)
            terms = np.tanh(q[head, row] + k[group]) * vector
        else:
            terms = q[head, row] * k[group]
        scaled = terms.sum(axis=1) * score["scale"]
        capped = score.get("cap", 1) * np.tanh(scaled / score["cap"]) if "cap" in score else scaled
        np.testing.assert_allclose(u["terms"], terms[col], atol=1e-6)
        assert u["product"] == pytest.approx(terms[col].sum(), abs=1e-6)
        assert u["scaled"] == pytest.approx(scaled[col], abs=1e-6)
        assert u["score"] == pytest.approx(capped[col], abs=1e-6)
        layer = layers[index]
        bias = 0.0 if layer.bias is None else layer.bias.cells(torch.tensor([row]), torch.arange(K))
        logits = capped + (bias if isinstance(bias, float) else bias[head if len(bias) > 1 else 0, 0].numpy())
        visible = layer.mask.visible(torch.tensor([row]), torch.arange(K))[0, 0].numpy()
        np.testing.assert_allclose(u["scores"], np.where(visible, logits, HIDDEN), atol=1e-5)
        weights = np.where(visible, np.exp(logits - lse[head, row]), 0)
        np.testing.assert_allclose(u["weights"], weights, atol=1e-6)
        assert u["weight"] == pytest.approx(weights[col], abs=1e-6)
        assert u["seen"] == visible.sum()
        np.testing.assert_allclose(u["output"], weights @ v[group], atol=1e-5)
        np.testing.assert_allclose(u["part"], weights[col] * v[group, col], atol=1e-6)


def test_passes_that_were_edited(alone: Page, tmp_path: Path) -> None:
    factors = torch.tensor([1.0, 0.5, 2.0, -1.0])
    given = torch.randn(2, K, generator=GENERATOR).log_softmax(-1)
    cuts = torch.tensor([[-1, 0, 2, 3, 5], [2, 1, Q, 0, 4]])
    edited = Edited(
        Dense(torch.randn(H, Q, K, generator=GENERATOR)), factors, cuts, torch.tensor([[0, 1], [3, 8]]), given
    )
    tempered = Tempered(SoftCapped(D**-0.5, 1.5), tuple(factors.tolist()))
    layers = [
        layer_of(Causal(4), edited, ScaledDot(0.5), (H, G, Q, K, D)),
        layer_of(Full(), Edited(None, factors, cuts, torch.zeros(0, 2, dtype=torch.long), torch.zeros(0, K)), tempered,
                 (H, G, Q, K, D)),
    ]  # fmt: skip
    path = saved(tmp_path / "t.safetensors", layers)
    cells = [(index, head, row, 3) for index in range(2) for head in range(H) for row in (0, 1, 5, 8)]
    for (index, head, row, _), u in zip(cells, unfolded(alone, path, cells), strict=True):
        expected = layers[index].head(head).window(slice(row, row + 1))[0, 0]
        np.testing.assert_allclose(u["weights"], expected.numpy(), atol=1e-6)
        assert u["visible"] == bool(expected[3] > 0)


def test_thirty_thousand_keys(alone: Page, tmp_path: Path) -> None:
    keys, at = 30_000, 12_345
    layer = layer_of(Full(), None, ScaledDot(0.125), (1, 1, 1, keys, 64))
    path = saved(tmp_path / "t.safetensors", [layer])
    [u] = unfolded(alone, path, [(0, 0, 0, at)])
    expected = layer.window()[0, 0].double().numpy()
    np.testing.assert_allclose(u["weights"], expected, atol=1e-6)
    np.testing.assert_allclose(u["output"], expected @ layer.v[0].double().numpy(), atol=1e-5)
    assert u["rank"] == 1 + int((expected > expected[at]).sum())
    bars = call(alone, "beside/derivation/bars", "m.barsOf(a, 224)", u["weights"])
    assert len(bars) == 224
    assert [bar["to"] for bar in bars[:-1]] == [bar["from"] for bar in bars[1:]]
    assert max(bar["value"] for bar in bars) == max(u["weights"]), "the largest is drawn as it is"


def test_bars_by_hand(alone: Page) -> None:
    bars = call(alone, "beside/derivation/bars", "m.barsOf([1, -3, 2, 0, -Infinity, -Infinity], 3)")
    assert [(bar["from"], bar["to"], bar["at"]) for bar in bars] == [(0, 2, 1), (2, 4, 2), (4, 6, 4)]
    assert [bar["value"] for bar in bars[:2]] == [-3, 2]
    assert math.isnan(bars[2]["value"])
    assert call(alone, "beside/derivation/bars", "m.extentOf([1, -3, -Infinity])") == [-3, 1]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1.000"), (-0.25, "−0.2500"), (12345, "1.235e4"), (0.0001235, "1.235e−4"), (-3e9, "−3.000e9")],
)
def test_digits_by_hand(alone: Page, value: float, text: str) -> None:
    assert call(alone, "beside/derivation/steps", "m.digits(a)", value) == text


def test_the_steps_on_the_page(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    steps = page.locator(".derivation-steps > li")
    expect(steps).to_have_count(0)
    page.keyboard.press("d")
    expect(steps).to_have_count(1)
    expect(steps.first).to_have_attribute("data-step", "sides")
    expect(steps.first.locator("canvas")).to_have_count(2)
    page.keyboard.press("w")
    expect(page.locator("[aria-current=step]")).to_have_attribute("data-step", "products")
    page.keyboard.press("q")
    expect(steps).to_have_count(1)
    page.keyboard.press("u")
    expect(steps.last).to_have_attribute("data-step", "proof")
    weight = page.inner_text("#cell-weight")
    line = page.locator("[data-step=softmax] .derivation-line").nth(1)
    found = re.search(r"= ([\d.e-]+)$", line.inner_text())
    assert found, line.inner_text()
    assert float(found[1]) == pytest.approx(float(weight), abs=3e-6), "the weight is the map's own"
    expect(page.locator("[data-step=proof]")).to_contain_text("differ by")
    place = page.inner_text("#cell-place")
    row = page.locator("[data-step=row] canvas")
    box = row.bounding_box()
    assert box
    row.click(position={"x": box["width"] - 3 if place.endswith(" 0)") else 3, "y": 10})
    expect(page.locator("#cell-place")).not_to_have_text(place)
    key = page.inner_text("#cell-place").strip("()").split(", ")[1]
    expect(page.locator(".derivation > p").first).to_contain_text(f"key {key},")
    page.click("#language")
    expect(page.locator(".derivation summary")).to_have_text("这个权重从何而来")
    expect(page.locator("[data-step=sides] h3")).to_have_text("查询与键")
