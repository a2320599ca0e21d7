"""Measures over HTTP: maps, tiles, thumbnails, figures and rows through all layers, of a trace that has gradients."""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from heedmap.app.render.wire import to_codes, to_signed_codes
from heedmap.app.service import relevance, tiles
from heedmap.app.ticket import ANYONE
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.measures.registry import CELLS, defined_at
from heedmap.model.trace.trace import Trace

PATH = f"/v1/traces/{'a' * 32}"
SIGNED = [name for name, each in CELLS.items() if each.signed]


def with_all(layer: AttentionMap) -> AttentionMap:
    """A layer as one of a model of every kind would be: with a gradient, and with a layer norm behind it."""
    d_output = torch.randn(layer.heads, layer.shape[0], layer.v.shape[2], generator=torch.Generator().manual_seed(3))
    output = layer.dense() @ layer.v.repeat_interleave(layer.heads // layer.kv_heads, dim=0)
    gradient = {"d_output": d_output, "delta": (d_output * output).sum(dim=-1)}
    norm = {"normalised_norm": 1 + torch.rand(layer.heads, layer.shape[1]), "deviation": 1 + torch.rand(layer.shape[0])}
    return replace(layer, **gradient, **norm)


@pytest.fixture(scope="module")
def trace(client: TestClient, summary: dict[str, Any]) -> Iterator[Trace]:
    """A trace that the service keeps under PATH, as one with an objective would be."""
    app: Any = client.app
    store = app.state.services.store
    plain = store.get(ANYONE, summary["id"]).trace
    layers = {site: [with_all(layer) for layer in layers] for site, layers in plain.layers.items()}
    trace = replace(plain, layers=layers)
    store.put(ANYONE, "a" * 32, "tiny", trace)
    yield trace
    store.delete(ANYONE, "a" * 32)


def npy(response: Any) -> NDArray[np.float32]:
    assert response.status_code == 200, response.text
    block: NDArray[np.float32] = np.load(io.BytesIO(response.content), allow_pickle=False)
    return block


def expected(trace: Trace, name: str, site: str = "decoder", layer: int = 0) -> NDArray[np.float32]:
    values: NDArray[np.float32] = CELLS[name].window(trace.map(site, layer), slice(None), slice(None)).numpy()
    return values


@pytest.mark.parametrize("name", CELLS)
def test_a_map_of_any_measure(client: TestClient, trace: Trace, name: str) -> None:
    whole = expected(trace, name)
    assert whole.any()
    path = f"{PATH}/maps/decoder/0"
    got = npy(client.get(f"{path}/all?measure={name}&format=npy"))
    assert got == pytest.approx(whole, abs=1e-5)
    assert npy(client.get(f"{path}/1?measure={name}&format=npy&rows=1:3")) == pytest.approx(whole[1, 1:3], abs=1e-5)
    farthest = np.take_along_axis(whole, np.abs(whole).argmax(axis=0)[None], axis=0)[0]
    assert npy(client.get(f"{path}/max?measure={name}&format=npy")) == pytest.approx(farthest, abs=1e-5)
    assert client.get(f"{path}/0?measure={name}").json()["measure"] == name


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("kept", [2048, 3])  # levels that are made when they are asked for, and those that are kept
def test_tiles_and_thumbnails_of_any_measure(
    client: TestClient, trace: Trace, name: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "KEPT", kept)
    app: Any = client.app
    app.state.services.tiles._kept.clear()
    encode = to_codes if name == "weights" else to_signed_codes
    visible = trace.map("decoder", 0).visible().numpy()
    codes = encode(expected(trace, name), np.broadcast_to(visible, (4, *visible.shape)))
    response = client.get(f"{PATH}/tiles/decoder/0/2/max/0/0/0?measure={name}")
    assert response.headers["x-tile-encoding"] == ("u8log" if name == "weights" else "s8log")
    got = np.frombuffer(response.content, np.uint8).reshape(visible.shape).astype(int)
    assert np.abs(got - codes[2].astype(int)).max() <= 1
    together = client.get(f"{PATH}/tiles/decoder/0/2/max/0?tiles=0:0&measure={name}")
    assert together.headers["x-tile-encoding"] == response.headers["x-tile-encoding"]
    assert together.content.endswith(response.content)
    thumbnails = client.get(f"{PATH}/thumbnails/decoder?size=16&measure={name}")
    assert thumbnails.headers["x-tile-encoding"] == response.headers["x-tile-encoding"]
    small = np.frombuffer(thumbnails.content, np.uint8).reshape(2, 4, 16, 16)[0, 2].astype(int)
    if kept == 2048:
        place = ((np.arange(16) + 0.5) * len(visible) / 16).astype(int)
        assert np.abs(small - codes[2].astype(int)[np.ix_(place, place)]).max() <= 1
    assert set(np.unique(small[small != 0] > 128)) <= ({False, True} if name in SIGNED or name == "weights" else {True})


@pytest.mark.parametrize("form", ["png", "plotly", "html"])
def test_figures_of_what_has_a_sign_diverge(client: TestClient, trace: Trace, form: str) -> None:
    response = client.get(
        f"{PATH}/maps/cross/0/0?measure=gradient&format={form}&cell=1".replace(
            "&cell=1", "&cell=1" if form == "png" else ""
        )
    )
    assert response.status_code == 200
    if form == "png":
        colours = {colour[:3] for _, colour in Image.open(io.BytesIO(response.content)).convert("RGBA").getcolors()}
        assert colours & {(5, 48, 97), (103, 0, 31)}
    elif form == "plotly":
        heatmap = response.json()["data"][0]
        assert heatmap["zmin"] == -heatmap["zmax"] < 0


def test_a_measure_is_a_part_of_the_etag(client: TestClient, trace: Trace) -> None:
    paths = (f"{PATH}/tiles/cross/0/0/max/0/0/0", f"{PATH}/maps/cross/0/0", f"{PATH}/thumbnails/cross")
    for path in paths:
        tags = {client.get(f"{path}?measure={name}").headers["etag"] for name in CELLS}
        assert len(tags) == len(CELLS)
        assert client.get(path).headers["etag"] in tags


@pytest.mark.parametrize(
    "path",
    ["maps/cross/0/0", "tiles/cross/0/0/max/0/0/0", "tiles/cross/0/0/max/0?tiles=0:0", "thumbnails/cross"],
)
def test_a_measure_that_is_undefined_or_unknown_is_refused(
    client: TestClient, summary: dict[str, Any], path: str
) -> None:
    with_query = f"/v1/traces/{summary['id']}/{path}{'&' if '?' in path else '?'}measure="
    for name, says in (
        ("gradient", "has no objective"),
        ("magic", "there are weights, value-norm, output-norm"),
        ("rollout", "rollout is a measure of a trace, not of a cell"),
    ):
        answer = client.get(with_query + name)
        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert error["path"] == "measure"
        assert says in error["detail"]


@pytest.mark.parametrize(("name", "site"), [
    *(("rollout", "encoder"), ("flow", "encoder"), ("relevance", "decoder"), ("relevance", "cross")),
])  # fmt: skip
def test_rows_through_all_layers(client: TestClient, trace: Trace, name: str, site: str) -> None:
    *_, whole = defined_at(name, trace, site).rows(trace, site, range(3))
    assert whole is not None
    path = f"{PATH}/relevance/{site}?measure={name}&rows=:3"
    body = client.get(path).json()
    assert {**body, "values": 0} == {
        "site": site,
        "measure": name,
        "rows": [0, 3],
        "cols": [0, whole.shape[1]],
        "values": 0,
    }
    assert np.array(body["values"]) == pytest.approx(whole.numpy(), abs=1e-5)
    assert npy(client.get(f"{path}&format=npy")) == pytest.approx(whole.numpy(), abs=1e-5)


def test_rows_through_all_layers_are_refused_where_they_make_no_sense(
    client: TestClient, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relevance, "MOST_ROWS", 2)
    for query, field, says in (
        ("cross?measure=rollout", "measure", "take encoder or decoder"),
        ("cross?measure=weights", "measure", "there are rollout, flow, relevance"),
        ("text?measure=rollout", "site", "this trace has encoder"),
        ("encoder?rows=0:3", "rows", "ask for rows=0:2"),
        ("encoder?rows=5:1", "rows", "not a range"),
    ):
        answer = client.get(f"{PATH}/relevance/{query}")
        assert answer.status_code in (404, 422), query
        [error] = answer.json()["errors"]
        assert error["path"] == field
        assert says in error["detail"]
