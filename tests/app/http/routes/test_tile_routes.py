"""Tiles over HTTP: every level beside the exact map, masked ones empty, many in one body, kept beside the trace."""

import asyncio
import io
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.render.wire import RAW, to_codes, to_square
from heedmap.app.service import engine, tiles
from heedmap.app.settings import Settings
from heedmap.model.attention.tiles import reduce, size_at
from heedmap.model.contract import Request
from heedmap.model.native import checkpoint
from heedmap.model.native.language_model import LanguageModel, LanguageModelConfig
from heedmap.model.native.tokenizer import ByteTokenizer

TEXT = "Before we proceed any further, hear me speak. " * 14  # 644 bytes: tiles of 256, 256 and 132 a side


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    tokenizer = ByteTokenizer.build()
    shape = {"width": 32, "feed_forward": 48, "heads": 4, "kv_heads": 2, "windows": (16, None)}
    network = LanguageModel(LanguageModelConfig(language="en", vocabulary=len(tokenizer), **shape))
    for parameter in network.parameters():
        parameter.data.mul_(10 if parameter.dim() > 1 else 1)
    path = tmp_path_factory.mktemp("writer")
    checkpoint.save(path, network, tokenizer)
    return path


@pytest.fixture(scope="module")
def writer_settings(settings: Callable[..., Settings], language_model: Path) -> Settings:
    return settings(models={"writer": str(language_model)})


@pytest.fixture(scope="module")
def writer(writer_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(writer_settings)) as client:
        yield client


@pytest.fixture(scope="module")
def trace(writer: TestClient) -> dict[str, Any]:
    response = writer.post("/v1/traces", json={"inputs": TEXT, "target": "!"})
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


def expected(client: TestClient, trace: str, layer: int, head: int, how: str, level: int) -> NDArray[np.uint8]:
    """All of a level, reduced from the exact map by numpy."""
    path = f"/v1/traces/{trace}/maps/decoder/{layer}/{head}"
    weights = np.load(io.BytesIO(client.get(path, headers={"Accept": "application/x-npy"}).content))
    rows, columns = np.indices(weights.shape)
    allowed = (columns <= rows) & ((rows - columns < 16) | (layer == 1))
    side = 1 << level
    length = -(-len(weights) // side)
    values, visible = np.zeros((length, length), np.float32), np.zeros((length, length), bool)
    for row in range(length):
        for column in range(length):
            block = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
            cells = weights[block][allowed[block]]
            if len(cells):
                visible[row, column], values[row, column] = True, cells.max() if how == "max" else cells.mean()
    return to_codes(values, visible)


@pytest.mark.parametrize("how", ["max", "mean"])
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("kept", [2048, 200])  # every level made when it is asked for, and levels 2 and 3 kept
def test_every_tile_is_the_reduction_of_the_map(
    writer: TestClient, trace: dict[str, Any], how: str, layer: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "KEPT", kept)
    writer.app.state.services.tiles._kept.clear()  # type: ignore[attr-defined]
    assert trace["tiles"] == {"size": 256, "reductions": ["max", "mean"], "encoding": "u8log"}
    assert trace["sites"][0]["shape"] == [645, 645]
    assert trace["sites"][0]["levels"] == 3
    for level in range(3):
        whole = expected(writer, trace["id"], layer, 2, how, level)
        for row in range(-(-len(whole) // 256)):
            for column in range(-(-len(whole) // 256)):
                part = whole[row * 256 : (row + 1) * 256, column * 256 : (column + 1) * 256]
                response = writer.get(f"/v1/traces/{trace['id']}/tiles/decoder/{layer}/2/{how}/{level}/{row}/{column}")
                assert response.headers["x-tile-shape"] == f"{part.shape[0]},{part.shape[1]}"
                if not part.any():
                    assert response.status_code == 204
                    assert response.content == b""
                    continue
                assert response.status_code == 200
                codes = np.frombuffer(response.content, np.uint8).reshape(part.shape)
                assert np.array_equal(codes == 0, part == 0)
                assert np.abs(codes.astype(int) - part).max() <= 1  # a weight on the edge of two codes may take either


def test_a_tile_never_changes_and_says_so(writer: TestClient, trace: dict[str, Any]) -> None:
    path = f"/v1/traces/{trace['id']}/tiles/decoder/-1/-1/max/0/1/0"
    first = writer.get(path)
    assert first.headers["content-type"] == "application/octet-stream"
    assert "immutable" in first.headers["cache-control"]
    again = writer.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert writer.get(path.replace("max", "mean")).headers["etag"] != first.headers["etag"]


def test_many_tiles_come_in_one_body(writer: TestClient, trace: dict[str, Any]) -> None:
    path = f"/v1/traces/{trace['id']}/tiles/decoder/1/0/max/0"
    body = writer.get(path, params={"tiles": "1:0,0:1,2:2"}).content
    (length,) = struct.unpack("<I", body[:4])
    entries = json.loads(body[4 : 4 + length])["tiles"]
    assert [(t["row"], t["col"], t["shape"], t["bytes"]) for t in entries] == [
        (1, 0, [256, 256], 65536),
        (0, 1, [256, 256], 0),
        (2, 2, [133, 133], 133 * 133),
    ]
    start = 4 + length
    for entry in entries:
        alone = writer.get(f"{path}/{entry['row']}/{entry['col']}")
        assert body[start : start + entry["bytes"]] == alone.content
        start += entry["bytes"]
    assert start == len(body)


@pytest.mark.parametrize(
    ("place", "field"),
    [
        ("decoder/0/0/max/3/0/0", "level"),
        ("decoder/0/0/max/-1/0/0", "level"),
        ("decoder/0/0/max/0/3/0", "row"),
        ("decoder/0/0/max/1/0/2", "col"),
        ("decoder/0/9/max/0/0/0", "head"),
        ("decoder/7/0/max/0/0/0", "layer"),
        ("decoder/0/all/max/0/0/0", "head"),
        ("decoder/0/0/median/0/0/0", "how"),
        ("decoder/0/0/max/0?tiles=0", "tiles"),
        ("decoder/0/0/max/0?tiles=²:0", "tiles"),  # a digit that no number is written in
        ("decoder/0/0/max/0?tiles=" + "9" * 1_500 + ":0", "tiles"),
        ("decoder/0/0/max/0?tiles=0:0,5:0", "row"),
        ("decoder/0/0/max/0?tiles=" + ",".join(["0:0"] * 65), "tiles"),
    ],
)
def test_what_does_not_exist_is_told(writer: TestClient, trace: dict[str, Any], place: str, field: str) -> None:
    response = writer.get(f"/v1/traces/{trace['id']}/tiles/{place}")
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert field in response.json()["errors"][0]["path"]


def test_a_trace_that_has_gone_between_two_tiles_is_a_clear_404(writer: TestClient) -> None:
    trace = writer.post("/v1/traces", json={"inputs": TEXT, "target": "?"}).json()
    path = f"/v1/traces/{trace['id']}/tiles/decoder/0/0/max/1/0/0"
    assert writer.get(path).status_code == 200
    writer.delete(f"/v1/traces/{trace['id']}")
    gone = writer.get(path)
    assert gone.status_code == 404
    assert "POST /v1/traces makes it again" in gone.json()["detail"]


def test_a_trace_too_long_for_the_budget_is_refused_with_what_would_fit(
    settings: Callable[..., Settings], language_model: Path
) -> None:
    small = settings(models={"writer": str(language_model)}, trace_bytes=200_000)
    with TestClient(create_app(small)) as client:
        response = client.post("/v1/traces", json={"inputs": TEXT})
        assert response.status_code == 413, response.text
        assert "positions would fit" in response.json()["detail"]
        assert response.json()["errors"][0]["path"] == "inputs"
        assert client.post("/v1/predict", json={"inputs": TEXT, "parameters": {"max_new_tokens": 1}}).status_code == 200


def test_coarse_levels_are_made_once_and_kept_beside_the_trace(
    writer: TestClient, writer_settings: Settings, trace: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "KEPT", 200)
    path = f"/v1/traces/{trace['id']}/tiles/decoder/1/3/max/2/0/0"
    first = writer.get(path).content
    beside = writer_settings.traces / "anyone" / f"{trace['id']}.tiles" / "decoder.1.3.max.safetensors"
    assert beside.is_file()
    writer.app.state.services.tiles._kept.clear()  # type: ignore[attr-defined]
    monkeypatch.setattr(tiles, "reduce_strips", lambda *rest: pytest.fail("the pass was made twice"))
    assert writer.get(path).content == first
    before = writer.app.state.services.store.bytes  # type: ignore[attr-defined]
    assert before >= beside.stat().st_size + (beside.parent.parent / f"{trace['id']}.safetensors").stat().st_size
    with TestClient(create_app(writer_settings)) as restarted:
        assert restarted.get(path).content == first
        assert restarted.app.state.services.store.bytes == before  # type: ignore[attr-defined]
        restarted.delete(f"/v1/traces/{trace['id']}")
    assert not beside.parent.exists()
    assert writer.get(path).status_code == 404, "what another process deleted is gone here too"
    assert writer.post("/v1/traces", json={"inputs": TEXT, "target": "!"}).json()["id"] == trace["id"]


async def test_callers_of_one_head_wait_for_one_pass(
    settings: Callable[..., Settings], language_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "KEPT", 200)
    monkeypatch.setattr(engine, "TURN", 0.0)  # many turns: others could come between
    passes = 0
    strips = tiles.reduce_strips

    def counted(*arguments: Any) -> Any:
        nonlocal passes
        passes += 1
        return strips(*arguments)

    monkeypatch.setattr(tiles, "reduce_strips", counted)
    app = create_app(settings(models={"writer": str(language_model)}))
    async with app.router.lifespan_context(app):
        services = app.state.services
        _, model = await services.models.get("writer")
        [recorded] = model.trace([Request(TEXT, "!")])
        held = services.store.put("anyone", "0" * 32, "writer", recorded)
        at = tiles.Address("decoder", 1, 0)
        both = await asyncio.gather(
            *(services.tiles.tile("anyone", held, at, how, 2, 0, 0) for how in ("max", "mean", "max"))
        )
    assert passes == 2  # one for each reduction
    assert np.array_equal(both[0], both[2])
    assert not np.array_equal(both[0], both[1])


def test_thumbnails_of_a_long_map_are_its_coarse_levels(
    writer: TestClient, trace: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, raw = f"/v1/traces/{trace['id']}", {"Accept": RAW.media_type}
    weights = np.load(io.BytesIO(writer.get(f"{path}/thumbnails/decoder?size=16&format=npy").content))
    monkeypatch.setattr(tiles, "KEPT", 200)
    response = writer.get(f"{path}/thumbnails/decoder?size=16", headers=raw)
    codes = np.frombuffer(response.content, np.uint8).reshape(weights.shape)
    assert response.headers["X-Tile-Shape"] == ",".join(map(str, weights.shape))
    monkeypatch.setattr(tiles, "reduce_strips", lambda *rest: pytest.fail("the pass was made twice"))
    for layer, head in ((0, 1), (1, 3)):
        whole = writer.get(f"{path}/tiles/decoder/{layer}/{head}/max/2/0/0")
        shape = tuple(map(int, whole.headers["X-Tile-Shape"].split(",")))
        tile = np.frombuffer(whole.content, np.uint8).reshape(shape)
        assert np.array_equal(codes[layer, head], to_square(tile, 16))
    png = writer.get(f"{path}/thumbnails/decoder?size=16&format=png")
    assert png.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("together", [1, tiles.TOGETHER])
async def test_thumbnails_of_two_sites_do_not_meet(
    settings: Callable[..., Settings], tiny: Path, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "KEPT", 4)
    monkeypatch.setattr(tiles, "TOGETHER", together)
    monkeypatch.setattr(engine, "TURN", 0.0)
    app = create_app(settings(models={"tiny": str(tiny)}))
    async with app.router.lifespan_context(app):
        services = app.state.services
        _, model = await services.models.get("tiny")
        [recorded] = model.trace([Request("ein kleiner Hund", "a small dog runs")])
        held = services.store.put("anyone", "1" * 32, "tiny", recorded)
        sites = list(recorded.layers)
        atlases = await asyncio.gather(*(services.tiles.thumbnails("anyone", held, site, 16) for site in sites))
    for site, codes in zip(sites, atlases, strict=True):
        assert codes.shape == (len(recorded.layers[site]), recorded.layers[site][0].heads, 16, 16)
        for index, layer in enumerate(recorded.layers[site]):
            for head in range(layer.heads):
                whole = [range(size_at(length, tiles.base_of(layer.shape))) for length in layer.shape]
                blocks = tiles.coded(reduce(layer.head(head), *whole, tiles.base_of(layer.shape)))
                assert np.abs(codes[index, head].astype(int) - to_square(blocks, 16)).max() <= 1
