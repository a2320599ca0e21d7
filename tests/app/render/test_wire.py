"""Representations are pinned by literal bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from heedmap.app.errors import NotAcceptable, TooLarge
from heedmap.app.render import wire
from heedmap.app.service.stored_trace import ENCODINGS

WEIGHTS = np.array([[1.0, 0.0], [0.25, 0.75]], np.float32)
VISIBLE = np.array([[True, False], [True, True]])


def test_npy_is_version_1_little_endian_float32() -> None:
    assert wire.to_npy(WEIGHTS) == (
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }" + b" " * 58 + b"\n"
        b"\x00\x00\x80?\x00\x00\x00\x00\x00\x00\x80>\x00\x00@?"
    )


def test_npy_of_another_order_is_row_major() -> None:
    turned = np.load(io.BytesIO(wire.to_npy(WEIGHTS.T)))
    assert turned.tolist() == WEIGHTS.T.tolist()
    assert turned.flags.c_contiguous


def test_npy_with_the_visible_cells_is_two_arrays_after_each_other() -> None:
    written = wire.to_npy(WEIGHTS, VISIBLE.T)
    stream = io.BytesIO(written)
    assert np.load(stream).tolist() == WEIGHTS.tolist()
    second = np.load(stream)
    assert (second.dtype, second.tolist()) == (np.dtype(bool), VISIBLE.T.tolist())
    assert stream.read() == b""
    assert written.startswith(wire.to_npy(WEIGHTS)), "who reads one array reads the same"


def test_json_holds_the_shortest_float32_and_null_for_what_json_cannot_say() -> None:
    values = np.array([0.1, np.nan, -np.inf, 1e-8], np.float32)
    assert wire.to_json({"weights": values}) == b'{"weights":[0.1,null,null,1e-8]}'


def test_csv_is_labelled_and_quoted() -> None:
    text = wire.to_csv(WEIGHTS, ['a"b', "c"], ["x,y", "▁z"]).decode()
    assert text == 'query,"x,y",▁z\r\n"a""b",1.0,0.0\r\nc,0.25,0.75\r\n'


def test_csv_of_all_heads_names_the_head() -> None:
    text = wire.to_csv(np.stack([WEIGHTS, WEIGHTS]), ["a", "b"], ["x", "y"]).decode()
    assert text.splitlines() == ["head,query,x,y", "0,a,1.0,0.0", "0,b,0.25,0.75", "1,a,1.0,0.0", "1,b,0.25,0.75"]


def test_u8log_codes_are_the_contracts() -> None:
    floor = 2.0**-24
    values = np.array([[1.0, 0.0, floor, floor / 2, 0.5, 1.0000001, 0.3]], np.float32)
    visible = np.array([[True, True, True, True, True, True, False]])
    # one half is 2^(-24 (255 - c) / 253) at c = 244.46
    assert wire.to_codes(values, visible).tobytes() == bytes([255, 1, 2, 1, 244, 255, 0])


def test_u8log_stays_within_its_bound() -> None:
    values = np.geomspace(2.0**-24, 1, 10_000, dtype=np.float32)
    codes = wire.to_codes(values, np.ones_like(values, bool)).astype(np.float64)
    back = 2 ** (-24 * (255 - codes) / 253)
    bound = 2 ** (12 / 253)
    assert np.maximum(back / values, values / back).max() <= bound * (1 + 1e-6)


def test_s8log_codes_are_the_contracts() -> None:
    floor = 2.0**-24
    values = np.array([[0.0, floor, -floor, floor / 2, -floor / 2, 4096, -4096, 1e9, -1e9, 1.0, -1.0, 0.3]], np.float32)
    visible = np.array([[True] * 11 + [False]])
    # 1 is 24 of the 36 powers of two above the floor: step 84 of 126
    expected = [128, 129, 127, 128, 128, 255, 1, 255, 1, 129 + 84, 127 - 84, 0]
    assert wire.to_signed_codes(values, visible).tobytes() == bytes(expected)


def test_s8log_stays_within_its_bound() -> None:
    values = np.geomspace(2.0**-24, 2.0**12, 10_000, dtype=np.float32)
    visible = np.ones_like(values, bool)
    codes = wire.to_signed_codes(values, visible).astype(np.float64)
    back = 2 ** (-24 + 36 * (codes - 129) / 126)
    error = ENCODINGS["s8log"]["relative_error"]
    assert np.maximum(back / values, values / back).max() <= (1 + error) * (1 + 1e-6)
    assert np.array_equal(wire.to_signed_codes(-values, visible), 256 - codes)


def test_signed_pictures_diverge_around_zero() -> None:
    values = np.array([[-2.0, 0.0, 1.0, 2.0]], np.float32)
    codes = wire.linear_signed_codes(values, np.array([[True, True, True, False]]))
    assert codes.tolist() == [[1, 128, 128 + 64, 0]]
    image = Image.open(io.BytesIO(wire.to_png(codes, 1, signed=True))).convert("RGBA")
    assert image.getpixel((0, 0)) == (5, 48, 97, 255)
    assert image.getpixel((1, 0)) == (247, 247, 247, 255)
    assert image.getpixel((3, 0))[3] == 0
    assert wire.linear_signed_codes(values * 0, np.ones((1, 4), bool)).tolist() == [[128] * 4]


def test_a_small_picture_of_what_has_a_sign_keeps_what_is_farthest_from_zero() -> None:
    codes = np.array([[0, 100, 0, 0], [130, 128, 0, 0], [255, 1, 128, 0], [0, 0, 0, 0]], np.uint8)
    assert wire.codes_to_square(codes, 2, signed=True).tolist() == [[100, 0], [255, 128]]
    assert wire.codes_to_square(codes, 2).tolist() == [[130, 0], [255, 128]]


def test_png_has_a_pixel_a_cell_and_masked_is_transparent() -> None:
    image = Image.open(io.BytesIO(wire.to_png(wire.linear_codes(WEIGHTS, VISIBLE), 1))).convert("RGBA")
    assert image.size == (2, 2)
    assert image.getpixel((0, 0)) == (255, 233, 69, 255)  # cividis at 1
    assert image.getpixel((1, 0))[3] == 0
    zero = Image.open(io.BytesIO(wire.to_png(wire.linear_codes(WEIGHTS * 0, VISIBLE), 1))).convert("RGBA")
    assert zero.getpixel((0, 0)) == (0, 32, 76, 255)  # zero is a colour, not a gap


def test_a_small_map_is_enlarged_to_be_seen() -> None:
    assert Image.open(io.BytesIO(wire.to_png(np.ones((2, 4), np.uint8)))).size == (256, 128)
    assert Image.open(io.BytesIO(wire.to_png(np.ones((2, 600), np.uint8)))).size == (600, 2)
    said = Image.open(io.BytesIO(wire.to_png(np.ones((1, 1), np.uint8), facts={"Title": "层 1"})))
    assert said.info["Title"] == "层 1"


def test_heads_stand_side_by_side() -> None:
    canvas = wire.side_by_side(np.array([[[1, 2]], [[3, 4]]], np.uint8))
    assert canvas.tolist() == [[1, 2, 0, 3, 4]]


def test_a_large_map_is_pooled_by_its_largest_cell() -> None:
    cells = np.zeros((7, 40))
    cells[6, 39] = cells[3, 17] = 1
    small = wire.to_square(cells, 4)
    assert small.shape == (4, 4)
    assert small[3, 3] == 1
    assert small[2, 1] == 1
    assert small.sum() == 2


def test_a_small_map_is_repeated_not_blurred() -> None:
    assert wire.to_square(np.array([[1, 2]]), 4).tolist() == [[1, 1, 2, 2]] * 4


@pytest.mark.parametrize(
    ("accept", "requested", "name"),
    [
        (None, None, "json"),
        ("*/*", None, "json"),
        ("text/*", None, "csv"),
        ("application/x-npy", None, "npy"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", None, "html"),
        ("image/png;q=0.5, text/csv;q=0.9", None, "csv"),
        ("application/json;q=0, */*", None, "npy"),
        ("application/json;q=0.1, application/*;q=0.9", None, "npy"),
        ("image/png", "csv", "csv"),
        (None, "application/vnd.plotly.v1+json", "plotly"),
    ],
)
def test_negotiation(accept: str | None, requested: str | None, name: str) -> None:
    assert wire.negotiate(accept, requested, wire.MAP_FORMATS).name == name


@pytest.mark.parametrize(("accept", "requested"), [("image/jpeg", None), ("*/*;q=0", None), ("*/*", "jpeg")])
def test_nothing_acceptable(accept: str, requested: str | None) -> None:
    with pytest.raises(NotAcceptable):
        wire.negotiate(accept, requested, wire.MAP_FORMATS)


def test_a_response_over_the_limit_names_the_way_in_parts() -> None:
    wire.check_size(100, wire.NPY, 400, "ask for windows")
    with pytest.raises(TooLarge, match="ask for windows"):
        wire.check_size(101, wire.NPY, 400, "ask for windows")


def test_which_cells_are_visible_counts_towards_the_limit() -> None:
    wire.check_size(100, wire.NPY, 425, "ask for windows", 25)
    with pytest.raises(TooLarge, match="weights and which cells are visible"):
        wire.check_size(100, wire.NPY, 424, "ask for windows", 25)
    falses = np.zeros(1000, bool)
    assert len(wire.to_json({"v": falses})) <= falses.size * wire.JSON.mask + len('{"v":[]}')


def test_the_json_estimate_is_an_upper_bound() -> None:
    values = np.random.default_rng(0).uniform(0, 1, 4000).astype(np.float32)
    values[::2] = np.float32(2.0) ** -np.arange(0, 2000) * np.float32(1.2345678e-3)
    assert len(wire.to_json({"w": values})) <= values.size * wire.JSON.cell + len('{"w":[]}')
