"""Maps over HTTP: any window, in any representation, exact, and cached for ever."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2 as pdfium
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings
from heedmap.model.attention.kernels import spread
from heedmap.model.trace.trace import Trace

Summary = dict[str, Any]


@pytest.fixture(scope="module")
def trace(client: TestClient, summary: Summary, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """The same trace, opened offline."""
    path: Path = tmp_path_factory.mktemp("file") / "trace.safetensors"
    path.write_bytes(client.get(f"/v1/traces/{summary['id']}/file").content)
    return Trace.load(path)


def softmax(trace: Trace, site: str, layer: int) -> NDArray[np.float32]:
    """The weights as the formula says it, without the log-sum-exp that the trace keeps."""
    kept = trace.map(site, layer)
    scores = kept.score(kept.q, spread(kept.k, kept.heads))
    scores = scores.masked_fill(~kept.mask.dense(*kept.shape), float("-inf"))
    weights: NDArray[np.float32] = scores.softmax(dim=-1).numpy()
    return weights


def base(summary: Summary) -> str:
    return f"/v1/traces/{summary['id']}"


def npy(response: Any) -> NDArray[np.float32]:
    assert response.headers["content-type"] == "application/x-npy", response.text
    block: NDArray[np.float32] = np.load(io.BytesIO(response.content), allow_pickle=False)
    return block


@pytest.mark.parametrize("site", ["encoder", "decoder", "cross"])
@pytest.mark.parametrize("layer", [0, -1])
def test_weights_are_the_models(client: TestClient, summary: Summary, trace: Trace, site: str, layer: int) -> None:
    expected = softmax(trace, site, layer)
    path = f"{base(summary)}/maps/{site}/{layer}"
    assert npy(client.get(f"{path}/all?format=npy")) == pytest.approx(expected, abs=1e-6)
    assert npy(client.get(f"{path}/mean?format=npy")) == pytest.approx(expected.mean(axis=0), abs=1e-6)
    assert npy(client.get(f"{path}/max?format=npy")) == pytest.approx(expected.max(axis=0), abs=1e-6)
    assert npy(client.get(f"{path}/-2?format=npy")) == pytest.approx(expected[2], abs=1e-6)


@pytest.mark.parametrize(
    ("query", "rows", "cols"),
    [
        ("rows=1:3&cols=2:4", (1, 3), (2, 4)),
        ("rows=2:", (2, None), (0, None)),
        ("cols=:3", (0, None), (0, 3)),
        ("rows=:", (0, None), (0, None)),
    ],
)
def test_a_window_is_a_part_of_the_map(
    client: TestClient, summary: Summary, trace: Trace, query: str, rows: Any, cols: Any
) -> None:
    body = client.get(f"{base(summary)}/maps/cross/-1/0?{query}").json()
    whole = softmax(trace, "cross", 1)[0]
    queries, keys = whole.shape
    expected = whole[slice(*rows), slice(*cols)]
    assert {**body, "weights": 0} == {
        "site": "cross",
        "layer": 1,
        "head": 0,
        "measure": "weights",
        "rows": [rows[0], rows[1] or queries],
        "cols": [cols[0], cols[1] or keys],
        "weights": 0,
    }
    assert np.asarray(body["weights"]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("rows", "cols"), [(slice(None), slice(None)), (slice(1, 4), slice(2, 6))])
def test_visible_cells_come_beside_the_weights(
    client: TestClient, summary: Summary, trace: Trace, rows: slice, cols: slice
) -> None:
    length = trace.map("decoder", 0).shape[0]
    expected = np.tri(length, dtype=bool)[rows, cols].tolist()
    window = "&".join(
        f"{name}={part.start or 0}:{part.stop or length}" for name, part in (("rows", rows), ("cols", cols))
    )
    for head in ("1", "all"):
        path = f"{base(summary)}/maps/decoder/0/{head}?{window}"
        plain, masked = client.get(path).json(), client.get(f"{path}&visible=true").json()
        assert masked.pop("visible") == expected
        assert masked == plain
        stream = io.BytesIO(client.get(f"{path}&visible=true&format=npy").content)
        assert np.load(stream).tolist() == npy(client.get(f"{path}&format=npy")).tolist()
        assert np.load(stream).tolist() == expected
        assert stream.read() == b""
    figure = client.get(f"{path}&visible=true&format=plotly")
    assert figure.headers["etag"] == client.get(f"{path}&format=plotly").headers["etag"], "it shows them anyway"
    refused = client.get(f"{path}&visible=true&format=csv")
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "visible")
    assert "json or npy" in refused.json()["detail"]


def test_a_cross_map_hides_nothing(client: TestClient, summary: Summary) -> None:
    body = client.get(f"{base(summary)}/maps/cross/0/0?visible=true").json()
    assert np.asarray(body["visible"]).shape == np.asarray(body["weights"]).shape
    assert np.asarray(body["visible"]).all()


def test_accept_chooses_and_format_goes_first(client: TestClient, summary: Summary) -> None:
    path = f"{base(summary)}/maps/cross/0/0"
    chosen = client.get(path, headers={"Accept": "text/csv;q=0.9, application/json;q=0.1"})
    assert chosen.headers["content-type"] == "text/csv; charset=utf-8"
    assert client.get(f"{path}?format=npy", headers={"Accept": "text/csv"}).content[:6] == b"\x93NUMPY"
    assert "Accept" in chosen.headers["vary"]


def test_csv_has_the_tokens(client: TestClient, summary: Summary) -> None:
    lines = client.get(f"{base(summary)}/maps/cross/0/0?format=csv&rows=0:1").content.decode().split("\r\n")
    assert lines[0] == "query," + ",".join(summary["axes"]["source"]["labels"])
    assert lines[1].startswith(summary["axes"]["target"]["labels"][0] + ",")
    assert lines[2:] == [""]


def test_png_shows_masked_cells_as_gaps(client: TestClient, summary: Summary) -> None:
    content = client.get(f"{base(summary)}/maps/decoder/0/0?format=png&cell=1").content
    alpha = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))[..., 3]
    assert (alpha > 0).tolist() == np.tril(np.ones(alpha.shape, bool)).tolist()


def test_svg_has_labels_and_certificate(client: TestClient, summary: Summary) -> None:
    response = client.get(f"{base(summary)}/maps/decoder/0/1?format=svg&rows=0:2&cols=0:2")
    assert response.headers["content-type"] == "image/svg+xml; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.text.startswith("<svg")
    assert "▁" not in response.text
    assert "head 1" in response.text
    assert f"Trace {summary['id']}" in response.text
    assert "queries 0:2, keys 0:2" in response.text
    assert client.get(f"{base(summary)}/maps/cross/0/all", headers={"Accept": "image/svg+xml"}).text.count("head ") > 1


def test_pdf_is_a_representation_as_the_others(client: TestClient, summary: Summary) -> None:
    path = f"{base(summary)}/maps/decoder/0/1"
    response = client.get(f"{path}?rows=0:2&cols=0:2", headers={"Accept": "application/pdf"})
    assert response.headers["content-type"] == "application/pdf"
    document = pdfium.PdfDocument(response.content)
    text = document[0].get_textpage().get_text_bounded()
    assert "head 1" in text
    assert "queries 0:2, keys 0:2" in text
    assert f"Trace {summary['id']}" in text
    assert client.get(f"{path}?format=pdf").headers["etag"] != response.headers["etag"]
    refused = client.get(
        f"{path}?format=pdf", headers={"If-None-Match": client.get(f"{path}?format=pdf").headers["etag"]}
    )
    assert refused.status_code == 304
    described = client.get("/openapi.json").json()["paths"]["/v1/traces/{id}/maps/{site}/{layer}/{head}"]["get"]
    assert "application/pdf" in described["responses"]["200"]["content"]


def test_a_trace_says_what_it_was_asked(client: TestClient, summary: Summary) -> None:
    assert client.get(base(summary)).json()["request"]["inputs"]


def test_plotly_has_numeric_axes_token_labels_and_gaps(client: TestClient, summary: Summary) -> None:
    response = client.get(f"{base(summary)}/maps/decoder/0/0", headers={"Accept": "application/vnd.plotly.v1+json"})
    figure = response.json()
    [heatmap] = figure["data"]
    length = len(summary["axes"]["target"]["labels"])
    assert heatmap["x"] == list(range(length))
    assert heatmap["y"] == list(range(length))
    assert heatmap["z"][0][1] is None
    assert heatmap["z"][0][0] == pytest.approx(1)
    assert figure["layout"]["yaxis"]["autorange"] == "reversed"
    assert figure["layout"]["xaxis"]["tickvals"] == list(range(length))
    plotly = pytest.importorskip("plotly.graph_objects")
    assert plotly.Figure(figure).data[0].type == "heatmap"


def test_html_needs_nothing_beside_itself(client: TestClient, summary: Summary) -> None:
    response = client.get(f"{base(summary)}/maps/cross/0/all?format=html")
    page = response.text
    assert not re.search(r'(?:src|href)="', page.split("<script>")[0] + page[page.index("<body>") :])
    data = re.search(r'<script type="application/json" id="figure">(.*?)</script>', page)
    assert data is not None
    figure = json.loads(data[1])
    assert figure["config"]["showSendToCloud"] is False
    assert len(figure["data"]) == 4
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src 'sha256-" in policy


def test_equal_requests_have_equal_tags_and_are_not_sent_twice(client: TestClient, summary: Summary) -> None:
    paths = [f"{base(summary)}/maps/cross/0/{head}?format={form}" for head in (0, 1) for form in ("json", "npy")]
    paths += [f"{path}&visible=true" for path in paths]
    paths += [f"{base(summary)}/maps/cross/0/0?rows=0:1", f"{base(summary)}/thumbnails/cross", f"{base(summary)}/heads"]
    answers = [client.get(path) for path in paths]
    tags = [answer.headers["etag"] for answer in answers]
    assert len(set(tags)) == len(paths), "every representation has a tag of its own"
    assert all(re.fullmatch(r'"[0-9a-f]{32}(-gzip)?"', tag) for tag in tags)
    assert all("immutable" in answer.headers["cache-control"] for answer in answers)
    for path, tag in zip(paths, tags, strict=True):
        again = client.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(paths[0], headers={"If-None-Match": tags[1]}).status_code == 200
    same = client.get(f"{base(summary)}/maps/cross/-2/-4")
    assert same.headers["etag"] == tags[0], "negatives name the same map"


def test_a_map_over_the_limit_names_the_window(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings(response_bytes=1024))) as client:
        body = {"inputs": "Wo ist der Bahnhof?", "parameters": {"max_new_tokens": 20}}
        path = client.post("/v1/traces", json=body).headers["location"]
        response = client.get(f"{path}/maps/cross/0/all")
        assert response.status_code == 413
        assert "rows=a:b" in response.json()["detail"]
        assert client.get(f"{path}/maps/cross/0/0?rows=0:2&cols=0:2").status_code == 200
        square = f"{path}/maps/decoder/0/0?rows=0:15&cols=0:15&format=npy"  # 225 cells: 900 bytes, and 225 for the mask
        assert client.get(square).status_code == 200
        assert client.get(f"{square}&visible=true").status_code == 413


def test_another_measure(client: TestClient, summary: Summary, trace: Trace) -> None:
    kept = trace.map("cross", 0)
    norms = spread(kept.v, kept.heads).norm(dim=-1).numpy()
    served = npy(client.get(f"{base(summary)}/maps/cross/0/all?measure=value-norm&format=npy"))
    assert served == pytest.approx(softmax(trace, "cross", 0) * norms[:, None, :], abs=1e-5)


@pytest.mark.parametrize("size", [16, 64])
def test_thumbnails_are_one_atlas(client: TestClient, summary: Summary, trace: Trace, size: int) -> None:
    response = client.get(f"{base(summary)}/thumbnails/decoder?size={size}")
    assert response.headers["x-tile-shape"] == f"2,4,{size},{size}"
    assert response.headers["content-type"] == "application/octet-stream"
    codes = np.frombuffer(response.content, np.uint8).reshape(2, 4, size, size)
    length = trace.map("decoder", 0).shape[0]
    cells = ((np.arange(size) + 0.5) * length / size).astype(int)  # the map is smaller than its picture
    expected = softmax(trace, "decoder", 1)[2][cells][:, cells]
    visible = cells[:, None] >= cells[None, :]
    assert ((codes[1, 2] == 0) == ~visible).all()
    decoded = 2.0 ** (-24 * (255 - codes[1, 2].astype(float)) / 253)
    assert decoded[visible] == pytest.approx(expected[visible], rel=0.034)


def test_thumbnails_as_a_picture_and_as_numbers(client: TestClient, summary: Summary) -> None:
    path = f"{base(summary)}/thumbnails/cross?size=32"
    picture = Image.open(io.BytesIO(client.get(path, headers={"Accept": "image/png"}).content))
    assert picture.size == (4 * 32, 2 * 32)
    assert npy(client.get(f"{path}&format=npy")).shape == (2, 4, 32, 32)


def test_every_head_has_a_row(client: TestClient, summary: Summary, trace: Trace) -> None:
    rows = client.get(f"{base(summary)}/heads").json()["heads"]
    assert len(rows) == 3 * 2 * 4
    assert set(rows[0]) == {"site", "layer", "head", "entropy", "distance", "sink", "diagonal", "max"} | {
        "previous",
        "duplicate",
        "induction",
        "copying",
        "mixing",
    }
    row = next(r for r in rows if (r["site"], r["layer"], r["head"]) == ("encoder", 1, 2))
    weights = softmax(trace, "encoder", 1)[2]
    index = np.arange(len(weights))
    assert row["entropy"] == pytest.approx(-(weights * np.log(weights)).sum(axis=-1).mean(), abs=1e-5)
    assert row["distance"] == pytest.approx((weights * abs(index[:, None] - index)).sum(axis=-1).mean(), abs=1e-5)
    assert row["sink"] == pytest.approx(weights[:, 0].mean(), abs=1e-6)
    assert row["diagonal"] == pytest.approx(weights.diagonal().mean(), abs=1e-6)
    assert row["max"] == pytest.approx(weights.max(axis=-1).mean(), abs=1e-6)
