"""What a trace file says must fit together: a digest proves that a file is as written, not that it is a trace."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from heedmap.model.attention import biases, masks
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.scores import Additive, ScaledDot, SoftCapped, Tempered
from heedmap.model.contract import Axis, Prediction
from heedmap.model.errors import RangeError, TraceError
from heedmap.model.trace.certificate import Certificate
from heedmap.model.trace.tensor_file import write_sealed
from heedmap.model.trace.tensor_reader import TensorFile
from heedmap.model.trace.trace import Trace

QUERIES, KEYS = 3, 5
Damage = Callable[[dict[str, Any], dict[str, Tensor]], None]


def axis(length: int) -> Axis:
    return Axis("text", list("abcdefgh"[:length]), list(range(length)), [(0, 1)] * length, [False] * length)


def layer(score: Any = None, mask: Any = None, bias: Any = None) -> AttentionMap:
    q, k, v = torch.randn(4, QUERIES, 2), torch.randn(2, KEYS, 2), torch.randn(2, KEYS, 6)
    return AttentionMap(q, k, v, torch.randn(4, QUERIES), score or ScaledDot(0.5), mask or masks.Full(), bias)


LAYERS = {
    "plain": layer(),
    "additive": layer(Additive(torch.randn(2))),
    "capped": layer(SoftCapped(0.5, 30.0), masks.Causal(2) & masks.SlidingWindow(2, 2)),
    "padded": layer(mask=masks.Padding(torch.tensor([4]))),
    "blocks": layer(mask=masks.Blocks(torch.tensor([0, 0, 1, 1, 2]))),
    "given": layer(mask=masks.Given(torch.rand(1, QUERIES, KEYS) > 0.5)),
    "dense": layer(bias=biases.Dense(torch.randn(4, QUERIES, KEYS))),
    "toeplitz": layer(bias=biases.Toeplitz(torch.randn(1, QUERIES + KEYS - 1), QUERIES)),
    "edited": layer(
        Tempered(SoftCapped(0.5, 30.0), (1.0, 0.5, 2.0, 0.0)),
        bias=biases.Edited(
            biases.Toeplitz(torch.randn(1, QUERIES + KEYS - 1), QUERIES),
            torch.tensor([1.0, 0.5, 2.0, 0.0]),
            torch.tensor([[-1, 0, 2, 1, 2], [3, 0, 1 << 40, 4, 5]]),
            torch.tensor([[2, 1]]),
            torch.rand(1, KEYS).log(),
        ),
    ),
    "windowed": layer(bias=biases.Windowed(torch.randn(4, 3, 3), torch.tensor([0, 1, 2, 0, 1]))),
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The summary and the tensors of a trace that has every kind of score, mask and bias."""
    path = tmp_path_factory.mktemp("trace") / "a.safetensors"
    axes = {"target": axis(QUERIES), "source": axis(KEYS)}
    certificate = Certificate(0.0, 1, "eager", "float32", {}, {})
    sites = dict.fromkeys(LAYERS, ("target", "source"))
    trace = Trace(
        {"task": "translation"},
        Prediction("abc", list("abc"), -1.0, axes),
        sites,
        certificate,
        {n: [m] for n, m in LAYERS.items()},
    )
    trace.save(path)
    assert Trace.load(path).to_json() == trace.to_json()
    file = TensorFile(path)
    return json.loads(file.metadata["trace"]), file.tensors()


def saved(folder: Path, summary: Any, tensors: dict[str, Tensor]) -> Path:
    """A file with a digest that holds, whatever is in it."""
    path = folder / "a.safetensors"
    with path.open("w+b") as file:
        write_sealed(file, tensors, {"heedmap": "1", "trace": json.dumps(summary)})
    return path


def site(summary: dict[str, Any], name: str) -> dict[str, Any]:
    [row] = [row for row in summary["sites"] if row["name"] == name]
    assert isinstance(row, dict)
    return row


def tensor(name: str, change: Callable[[Tensor], Tensor]) -> Damage:
    def damage(summary: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        tensors[name] = change(tensors[name])

    return damage


def said(*path: Any, value: Any) -> Damage:
    def damage(summary: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        place: Any = summary
        for step in path[:-1]:
            place = site(summary, step[5:]) if str(step).startswith("site ") else place[step]
        place[path[-1]] = value

    return damage


def first(*path: Any, site: str = "plain", value: Any) -> Damage:
    return said("layers", site, 0, *path, value=value)


DAMAGES: dict[str, Damage] = {
    "q of two axes": tensor("plain.0.q", lambda x: x[0]),
    "q of another length": tensor("plain.0.q", lambda x: x[:, 1:]),
    "k of another length": tensor("plain.0.k", lambda x: x[:, 1:]),
    "v of another length": tensor("plain.0.v", lambda x: x[:, 1:]),
    "v for other heads": tensor("plain.0.v", lambda x: x[:1]),
    "q and k of different sizes": tensor("plain.0.k", lambda x: x[..., :1]),
    "heads that the groups do not divide": tensor("plain.0.k", lambda x: torch.cat([x, x[:1]])),
    "no heads": tensor("plain.0.q", lambda x: x[:0]),
    "no groups": tensor("plain.0.k", lambda x: x[:0]),
    "q of integers": tensor("plain.0.q", lambda x: x.int()),
    "lse for other heads": tensor("plain.0.lse", lambda x: x[1:]),
    "lse of another kind": tensor("plain.0.lse", lambda x: x.double()),
    "a missing tensor": lambda summary, tensors: tensors.__delitem__("plain.0.v"),
    "a missing vector": lambda summary, tensors: tensors.__delitem__("additive.0.vector"),
    "a vector of another size": tensor("additive.0.vector", lambda x: x[:1]),
    "blocks for fewer positions": tensor("blocks.0.blocks", lambda x: x[:-1]),
    "blocks of real numbers": tensor("blocks.0.blocks", lambda x: x.float()),
    "cells for fewer positions": tensor("given.0.visible", lambda x: x[:-1]),
    "cells of another kind": tensor("given.0.visible", lambda x: x.int()),
    "a mask of another shape": first("mask", "shape", site="given", value=[QUERIES, KEYS + 1]),
    "a bias of another shape": tensor("dense.0.bias", lambda x: x[:, :, 1:]),
    "a bias for other heads": tensor("dense.0.bias", lambda x: x[:2]),
    "a bias of integers": tensor("dense.0.bias", lambda x: x.int()),
    "a bias of too few offsets": tensor("toeplitz.0.bias", lambda x: x[:, 1:]),
    "a bias for other queries": first("bias", "queries", site="toeplitz", value=QUERIES + 1),
    "a place outside the table": tensor("windowed.0.place", lambda x: x + 1),
    "a place before the table": tensor("windowed.0.place", lambda x: x - 1),
    "too few places": tensor("windowed.0.place", lambda x: x[1:]),
    "an unknown score": first("score", value={"kind": "cosine", "scale": 1.0}),
    "a scale that is no number": first("score", "scale", value="1"),
    "an infinite scale": first("score", "scale", value=float("inf")),
    "a cap of nothing": first("score", "cap", site="capped", value=0),
    "an unknown mask": first("mask", value={"kind": "moon"}),
    "a huge offset": first("mask", value={"kind": "causal", "offset": 10**30}),
    "an offset that is no integer": first("mask", value={"kind": "causal", "offset": 0.5}),
    "padding of two sequences": first("mask", "lengths", site="padded", value=[4, 4]),
    "an unknown bias": first("bias", value={"kind": "moon"}),
    "a layer that is no object": said("layers", "plain", value=[7]),
    "no layers": said("layers", "plain", value=[]),
    "layers of a site that is not there": said("layers", "elsewhere", value=[]),
    "no sites": lambda summary, tensors: summary.update(sites=[], layers={}),
    "other heads than the summary says": said("site plain", "heads", value=2),
    "other groups than the summary says": said("site plain", "kv_heads", value=4),
    "more layers than there are": said("site plain", "layers", value=2),
    "another shape than there is": said("site plain", "shape", value=[KEYS, QUERIES]),
    "an axis that is not there": said("site plain", "keys", value="elsewhere"),
    "an axis of another length": said("site plain", "keys", value="target"),
    "an empty axis": said("axes", "source", value=axis(0).to_json()),
    "too few ids": said("axes", "source", "ids", value=[1]),
    "too few labels": said("axes", "source", "labels", value=["a"]),
    "labels that are no texts": said("axes", "source", "labels", value=[1] * KEYS),
    "too few boxes": said("axes", "source", "boxes", value=[None]),
    "segments that are no list": said("axes", "source", "segments", value=5),
    "no certificate": said("certificate", value={}),
    "a model without a task": said("model", value={}),
    "a model that is no object": said("model", value=3),
    "a task that is no text": said("model", "task", value=3),
    "no prediction": lambda summary, tensors: summary.__delitem__("prediction"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_does_not_fit_together_is_an_error(
    tmp_path: Path, original: tuple[dict[str, Any], dict[str, Tensor]], name: str
) -> None:
    summary, tensors = json.loads(json.dumps(original[0])), dict(original[1])
    Trace.load(saved(tmp_path, summary, tensors))
    DAMAGES[name](summary, tensors)
    with pytest.raises(TraceError, match=r"^a\.safetensors is not a complete trace"):
        Trace.load(saved(tmp_path, summary, tensors))


@pytest.mark.parametrize("trace", ["", "7", "[]", "{}", "[" * 100_000, '{"sites":' * 100_000, "null", '"digest"'])
def test_a_summary_that_is_none_is_an_error(tmp_path: Path, trace: str) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("w+b") as file:
        write_sealed(file, {}, {"heedmap": "1", "trace": trace})
    with pytest.raises(TraceError, match=r"a\.safetensors"):
        Trace.load(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [deeper for step, each in inner for deeper in [(*path, step), *places(each, (*path, step))]]


@settings(max_examples=80, deadline=None)
@given(data=st.data(), value=JSON)
def test_any_summary_opens_to_maps_that_can_be_read_or_is_an_error(
    tmp_path_factory: pytest.TempPathFactory,
    original: tuple[dict[str, Any], dict[str, Tensor]],
    data: st.DataObject,
    value: Any,
) -> None:
    summary = json.loads(json.dumps(original[0]))
    everywhere = [path for path in places(summary) if path[0] != "axes" or len(path) < 4]
    *path, last = data.draw(st.sampled_from(everywhere))
    place = summary
    for step in path:
        place = place[step]
    place[last] = value
    try:
        trace = Trace.load(saved(tmp_path_factory.mktemp("any"), summary, original[1]))
    except TraceError:
        return
    for name in trace.layers:
        trace.map(name, 0).dense()
        trace.map(name, 0).visible()
        trace.map(name, 0).head(1).window(slice(1, 3), slice(2, 5))
    with pytest.raises(RangeError):
        trace.map("elsewhere", 0)
    json.dumps(trace.to_json())
