"""The page's pure modules, in the browser that runs them: decoders against literal bytes, links, words, geometry."""

import io
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Error, Page

from .modules import call

pytestmark = pytest.mark.browser


def npy(array: np.ndarray) -> list[int]:
    """The bytes of an npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return list(buffer.getvalue())


DECODE = "(({shape, data}) => ({shape, data: [...data]}))(m.decodeNpy(new Uint8Array(a).buffer))"


@pytest.mark.parametrize("kind", ["<f4", "<f8", "|u1", "<i4"])
@pytest.mark.parametrize("shape", [(2, 3), (5,), (2, 2, 3), (0, 4), ()])
def test_npy_is_read_as_numpy_wrote_it(page: Page, kind: str, shape: tuple[int, ...]) -> None:
    array = (np.arange(np.prod(shape, dtype=int)).reshape(shape) * 1.5).astype(kind)
    assert call(page, "api/npy", DECODE, npy(array)) == {"shape": list(shape), "data": array.ravel().tolist()}


def test_npy_of_literal_bytes(page: Page) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n"  # not padded: the data is not aligned
    literal = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\x00\x00\x80\x3f\x00\x00\x00\x3f"
    assert call(page, "api/npy", DECODE, list(literal)) == {"shape": [1, 2], "data": [1.0, 0.5]}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda data: data[:20], "npy"),
        (lambda data: [0, *data[1:]], "not an npy file"),
        (lambda data: data[:-1], "cut short"),
        (lambda _: npy(np.zeros(2, ">f4")), "dtype >f4"),
        (lambda _: npy(np.asfortranarray(np.zeros((2, 3), "<f4"))), "Fortran"),
    ],
    ids=["header cut", "magic", "data cut", "big-endian", "column-major"],
)
def test_what_is_no_such_npy_is_refused(page: Page, spoil: Any, says: str) -> None:
    with pytest.raises(Error, match=says):
        call(page, "api/npy", DECODE, spoil(npy(np.ones((2, 3), "<f4"))))


def test_u8log_codes_by_hand(page: Page) -> None:
    weights = call(page, "api/u8log", "[...m.WEIGHTS].map((w) => (Number.isNaN(w) ? 'masked' : w))")
    assert len(weights) == 256
    assert weights[0] == "masked"
    assert weights[1] == 0
    assert weights[255] == 1
    assert weights[2] == pytest.approx(2**-24)
    assert weights[128] == pytest.approx(2 ** (-24 * 127 / 253))
    assert sorted(weights[1:]) == weights[1:]


def test_u8log_reads_what_the_service_writes(page: Page) -> None:
    from heedmap.app.render.wire import to_codes

    weights = np.geomspace(2**-24, 1, 200, dtype=np.float32)
    codes = to_codes(weights, np.ones(200, bool)).tolist()
    read = np.array(call(page, "api/u8log", "a.map(m.decodeU8log)", codes))
    assert np.abs(np.log2(read) - np.log2(weights)).max() <= 24 / 253 / 2 + 1e-6
    assert call(page, "api/u8log", "Number.isNaN(m.decodeU8log(a))", int(to_codes(weights, np.zeros(200, bool))[0]))


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"model": "de-en", "text": "Größe & 100% = #1?\nZweite Zeile 中文 😀", "site": "cross", "layer": 0, "head": 7},
        {"scale": "log", "palette": "grey", "sort": "entropy", "row": 0, "col": 3, "rows": [0, 64], "cols": [2, 5]},
    ],
)
def test_a_link_says_the_state_and_back(page: Page, state: dict[str, Any]) -> None:
    whole = call(page, "link", "({...m.DEFAULTS, ...a})", state)
    assert call(page, "link", "m.decodeState('#' + m.encodeState(a))", whole) == whole
    assert call(page, "link", "m.stateOfLocation({hash: '', search: '?' + m.encodeState(a)})", whole) == whole


def test_an_unreadable_link_falls_back(page: Page) -> None:
    link = "#layer=-1&head=x&scale=rainbow&palette=jet&rows=5:5&cols=3&unknown=1&site=cross"
    assert call(page, "link", "m.decodeState(a)", link) == call(page, "link", "({...m.DEFAULTS, site: 'cross'})")


def test_tokens_join_into_words(page: Page) -> None:
    labels = ["▁Wo", "▁ist", "▁der", "▁Bahn", "hof", "?", "</s>"]
    spans = [[0, 2], [3, 6], [7, 10], [11, 15], [15, 18], [18, 19], [19, 19]]
    axis = {"kind": "text", "labels": labels, "ids": [], "spans": spans, "special": [False] * 6 + [True]}
    words = call(page, "text/words", "m.wordsOf('Wo ist der Bahnhof?', a)", axis)
    assert [(word["before"] + word["text"], word["tokens"]) for word in words] == [
        ("Wo", [0]), (" ist", [1]), (" der", [2]), (" Bahnhof", [3, 4]), ("?", [5]), (" </s>", [6]),
    ]  # fmt: skip
    assert call(page, "text/words", "a.labels.map((_, i) => m.tokenText(a, i))", axis) == [
        "Wo", "ist", "der", "Bahn", "·hof", "?", "</s>",
    ]  # fmt: skip


def test_spans_count_code_points(page: Page) -> None:
    axis = {"kind": "text", "labels": ["▁😀", "▁gut"], "ids": [], "spans": [[0, 1], [2, 5]], "special": [False, False]}
    assert [word["tokens"] for word in call(page, "text/words", "m.wordsOf('😀 gut', a)", axis)] == [[0], [1]]


def test_mass_and_ranks_by_hand(page: Page) -> None:
    grid = "({rows: 2, cols: 3, causal: false, weights: Float32Array.from([0.5, 0.25, 0.25, 0, 1, 0])})"
    assert call(page, "text/words", f"m.mass({grid}, [0, 1], [0, 1])") == 0.875
    assert call(page, "map/cells", f"m.cellOf({grid}, 0, 2)") == {"weight": 0.25, "masked": False, "rank": 2, "of": 3}
    assert call(page, "map/cells", f"m.topK({grid}, 0, 2)") == [{"col": 0, "weight": 0.5}, {"col": 1, "weight": 0.25}]
    assert call(page, "map/cells", f"m.mostInterested({grid}, 1)") == 1


def test_exact_is_the_shortest_decimal_of_a_float32(page: Page) -> None:
    import orjson

    weights = np.random.default_rng(0).random(500, dtype=np.float32) ** 6
    said = call(page, "map/cells", "[...Float32Array.from(a)].map(m.exact)", weights.astype(float).tolist())
    assert [np.float32(text) for text in said] == weights.tolist()
    written = orjson.loads(orjson.dumps(weights, option=orjson.OPT_SERIALIZE_NUMPY))
    assert [float(text) for text in said] == written


@pytest.mark.parametrize(
    ("weight", "brief", "digits"),
    [
        (1, "1", "1.0000"),
        (0.9991, ".9991", "0.9991"),
        (0.9974, ".9974", "0.9974"),
        (0.99997, ".9999", ">.9999"),
        (0.994, ".99", "0.9940"),
        (0.5, ".50", "0.5000"),
        (0.004, "<.01", "0.0040"),
        (1e-5, "<.01", "<.0001"),
        (0, "0", "0.0000"),
    ],
)
def test_only_1_is_written_as_1(page: Page, weight: float, brief: str, digits: str) -> None:
    assert call(page, "map/cells", "[m.brief(a), m.fourDigits(a)]", weight) == [brief, digits]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("palette", ["ink", "cividis", "viridis", "grey"])
def test_a_palette_is_monotone_and_its_numbers_are_readable(page: Page, palette: str, theme: str) -> None:
    code = """Array.from({length: 101}, (_, i) => m.colourAt(a[0], a[1], i / 100)).map((rgb) => {
      const ink = m.inkOn(rgb) === '#000000' ? 0 : 1;
      const [light, dark] = [m.luminance(rgb), ink].sort((x, y) => y - x);
      return [m.luminance(rgb), (light + 0.05) / (dark + 0.05)];
    })"""
    steps = call(page, "map/colour", code, [palette, theme])
    lights = [light for light, _ in steps]
    assert lights == sorted(lights, reverse=lights[0] > lights[-1])
    assert min(contrast for _, contrast in steps) >= 4.5


def test_a_layers_heads_make_one_map(page: Page) -> None:
    maps = "[[0, 1, 0.5], [1, 0, 0.25]].map((list) => Float32Array.from(list))"
    assert call(page, "source/reduced", f"[...m.reduced({maps}, 'mean')]") == [0.5, 0.5, 0.375]
    assert call(page, "source/reduced", f"[...m.reduced({maps}, 'max')]") == [1, 1, 0.5]


@pytest.mark.parametrize(
    ("weights", "opening"),
    [
        ([1, 0, 0, 0.9, 0.1, 0, 0.2, 0.5, 0.3], [2, 1]),
        ([1, 0, 0, 0.1, 0.9, 0, 0.4, 0.3, 0.3], [1, 1]),
    ],
    ids=["not the first row, nor the first key", "the largest of the rest"],
)
def test_a_causal_map_opens_where_there_was_a_choice(page: Page, weights: list[float], opening: list[int]) -> None:
    axis = {"kind": "text", "labels": list("abc"), "special": [False] * 3}
    for mask in ("causal: true", "causal: false, holes: true"):
        grid = f"({{rows: 3, cols: 3, {mask}, weights: Float32Array.from(a[0])}})"
        assert call(page, "map/cells", f"m.brightest({grid}, a[1], a[1])", [weights, axis])[0] > 0
    causal = "({rows: 3, cols: 3, causal: true, weights: Float32Array.from(a[0])})"
    assert call(page, "map/cells", f"((axis) => m.brightest({causal}, axis, axis))(a[1])", [weights, axis]) == opening
    alone = "({rows: 1, cols: 1, causal: true, weights: Float32Array.from([1])})"
    assert call(page, "map/cells", f"m.brightest({alone}, a, a)", axis) == [0, 0]


@pytest.mark.parametrize(
    ("x", "y", "found"),
    [(40, 75, {"rows": [2]}), (150, 30, {"cols": [2]}), (150, 90, None), (10, 75, None), (150, 5, None)],
    ids=["a row's", "a column's", "a cell", "left of labels", "above labels"],
)
def test_labels_stand_for_their_rows_and_columns(page: Page, x: int, y: int, found: dict | None) -> None:
    frame = {
        "box": {"left": 80, "top": 40, "width": 120, "height": 60},
        "labelWidth": 60,
        "labelHeight": 20,
        "angle": 0,
    }
    code = "m.labelAt(a[0], m.wholeView(4, 4), a[1], a[2], 4, 4)"
    assert call(page, "map/geometry", code, [frame, x, y]) == found
    slanted = {**frame, "angle": -45}
    assert call(page, "map/geometry", code, [slanted, 150 + 15, 25]) == {"cols": [2]}


def test_pooling_keeps_the_hot_cell(page: Page) -> None:
    code = """(() => {
      const map = {rows: 300, cols: 300, causal: true, weights: new Float32Array(90000).fill(0.001)};
      map.weights[299 * 300 + 151] = 0.9;
      const {z, n} = m.pooled(map, [0, 300], [0, 300]);
      return {n, side: z.length, hot: z[149][75], masked: z[0][100], seen: z[0][0]};
    })()"""
    actual = call(page, "map/heatmap/pool", code)
    assert actual == {"n": 2, "side": 150, "hot": pytest.approx(0.9), "masked": None, "seen": pytest.approx(0.001)}


def test_cells_stand_where_they_are_drawn(page: Page) -> None:
    code = """(() => {
      const box = {left: 10, top: 20, width: 300, height: 200};
      const views = [m.wholeView(4, 6), m.zoomed(m.wholeView(4, 6), 0.6, [5, 3], 4, 6), m.viewOf([1, 3], [2, 5])];
      return views.flatMap((view) => [0, 1, 2, 3].flatMap((row) => [0, 1, 2, 3, 4, 5].map((col) => {
        const {left, top, width, height} = m.cellBox(box, view, row, col);
        if (width < 1 || height < 1) return true;
        const found = m.cellAt(box, view, left + width / 2, top + height / 2, 4, 6);
        return found.row === row && found.col === col;
      })));
    })()"""
    assert all(call(page, "map/geometry", code))
    outside = "m.cellAt({left: 0, top: 0, width: 9, height: 9}, m.wholeView(3, 3), 9, 4, 3, 3)"
    assert call(page, "map/geometry", outside) is None


@pytest.mark.parametrize(("count", "pixels", "expected"), [(6, 300, 1), (256, 512, 10), (512, 512, 20)])
def test_labels_have_room(page: Page, count: int, pixels: int, expected: int) -> None:
    actual = call(page, "map/geometry", "m.ticks([-0.5, a[0] - 0.5], a[0], a[1])", [count, pixels])
    assert actual == list(range(0, count, expected))


def test_the_colour_domain_is_locked(page: Page) -> None:
    assert call(page, "map/colour", "m.colourAt('cividis', 'light', 0)") == [0, 32, 76]
    assert call(page, "map/colour", "m.colourAt('cividis', 'light', 1)") == [255, 233, 69]
    assert call(page, "map/colour", "[m.colourAt('ink', 'light', 0), m.colourAt('ink', 'light', 1)]") == [
        [255, 255, 255],
        [0xC2, 0x41, 0x0C],
    ]
    places = call(page, "map/colour", "[0, 1e-4, 1e-2, 1].map((w) => m.position(w, 'log'))")
    assert places == pytest.approx([0, 0, 0.5, 1])


def test_a_page_of_words_in_any_script(page: Page) -> None:
    axis = {"kind": "text", "labels": [], "ids": [], "spans": [], "special": []}
    text = "Geht's gut? 你好。Ärger3 naïve"
    words = call(page, "text/words", "m.wordsOf(a[0], a[1])", [text, axis])
    assert [word["text"] for word in words] == ["Geht's", "gut", "?", "你", "好", "。", "Ärger3", "naïve"]
    assert "".join(word["before"] + word["text"] for word in words) == text


@pytest.mark.parametrize(
    ("heads", "room", "pitch"),
    [
        (1, {}, 24),
        (8, {}, 24),
        (12, {}, 19),
        (64, {}, 10),
        (8, {"width": 366, "coarse": True}, 44),
        (4, {"width": 366}, 44),
    ],
)
def test_heads_stand_in_columns_that_a_pointer_finds(page: Page, heads: int, room: dict, pitch: int) -> None:
    actual = call(page, "map/grid/grid", "m.arrange(a[0], 1, a[1])", [heads, room])
    assert actual == {"pitch": pitch, "size": pitch - 2, "width": 20 + heads * pitch}
