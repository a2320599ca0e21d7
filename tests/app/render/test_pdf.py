"""Maps as PDF, read by an independent reader of such files (PDFium)."""

from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen

from heedmap.app.render.fonts import Font, Fonts, found
from heedmap.app.render.lettering import MOST_CODES, Lettering
from heedmap.app.render.pdf import pdf
from heedmap.app.render.sheet import MOST_DRAWN, Cells, Sheet, sheet

CODES = np.array([[255, 0], [1, 128]], np.uint8)
INK = np.array([0x1B, 0x1C, 0x1E])  # of labels
NOTHING = Fonts([])  # no font is installed


def drawn(codes: np.ndarray = CODES, queries: list[str] | None = None, keys: list[str] | None = None) -> Sheet:
    """A sheet of some codes with some labels."""
    queries, keys = queries or ["▁Ich"] * codes.shape[-2], keys or ["▁the"] * codes.shape[-1]
    caption = ["queries 0:2"]
    return sheet(codes, queries, keys, title="a (b) é", axes=("target", "source"), ends=("0", "1"), caption=caption)


def font_of(letters: str, path: Path, outlines: str = "glyf") -> Path:
    """A font file whose letters are squares of half their size, on the baseline, and as wide as their size."""
    names = {ord(letter): f"u{ord(letter):04X}" for letter in letters}
    order = [".notdef", *names.values()]
    builder = FontBuilder(1000, isTTF=outlines == "glyf")
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(names)

    def square(pen: TTGlyphPen | T2CharStringPen) -> TTGlyphPen | T2CharStringPen:
        pen.moveTo((0, 0))
        for point in ((0, 500), (500, 500), (500, 0)):
            pen.lineTo(point)
        pen.closePath()
        return pen

    if outlines == "glyf":
        builder.setupGlyf({name: square(TTGlyphPen(None)).glyph() for name in order})
    else:
        builder.setupCFF("T", {}, {name: square(T2CharStringPen(1000, None)).getCharString() for name in order}, {})
    builder.setupHorizontalMetrics(dict.fromkeys(order, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "T", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def seen(content: bytes) -> np.ndarray:
    """The page's pixels (height, width, 3), one for a pixel of the sheet."""
    return np.asarray(pdfium.PdfDocument(content)[0].render(scale=4 / 3).to_pil().convert("RGB"))


def text_of(content: bytes) -> str:
    """What the page can be searched for."""
    return pdfium.PdfDocument(content)[0].get_textpage().get_text_bounded()


def test_the_page_has_the_sheets_size_cells_and_texts() -> None:
    drawing = drawn()
    content = pdf(drawing, NOTHING)
    pixels = seen(content)
    assert pixels.shape == (drawing.height, drawing.width, 3)
    [cells] = [mark for mark in drawing.marks if isinstance(mark, Cells)]
    x, y, side = cells.box.x, cells.box.y, cells.box.width / 2
    middles = [
        pixels[round(y + (row + 0.5) * side), round(x + (column + 0.5) * side)]
        for row, column in [(0, 0), (1, 0), (1, 1)]
    ]
    np.testing.assert_allclose(middles, [(0xFF, 0xE9, 0x45), (0x00, 0x20, 0x4C), (0x7C, 0x7B, 0x76)], atol=2)
    hatched = pixels[round(y) + 2 : round(y + side) - 2, round(x + side) + 2 : round(x + 2 * side) - 2]
    assert {tuple(colour) for colour in hatched.reshape(-1, 3).tolist()} >= {(255, 255, 255), (0x8F, 0x90, 0x8C)}
    text = text_of(content)
    assert [
        part
        for part in ("a (b) é", "Ich", "the", "keys: source", "queries: target", "masked", "queries 0:2")
        if part not in text
    ] == []
    assert pdfium.PdfDocument(content).get_metadata_dict()["Title"] == "a (b) é"
    assert content == pdf(drawing, NOTHING)


def test_many_cells_are_a_picture_whose_masked_cells_are_clear() -> None:
    codes = np.full((MOST_DRAWN // 64 + 1, 64), 255, np.uint8)
    codes[:, 32:] = 0
    drawing = drawn(codes)
    [cells] = [mark for mark in drawing.marks if isinstance(mark, Cells)]
    pixels = seen(pdf(drawing, NOTHING))
    row = round(cells.box.y + cells.box.height / 2)
    left, right = (round(cells.box.x + share * cells.box.width) for share in (0.25, 0.75))
    np.testing.assert_allclose(pixels[row, left], (0xFF, 0xE9, 0x45), atol=2)
    clear = pixels[row - 8 : row + 8, right - 8 : right + 8].reshape(-1, 3).min(1)
    assert clear.max() == 255
    assert clear.min() < 160  # the hatch behind shows through


@pytest.mark.parametrize("outlines", ["glyf", "cff"])
def test_letters_of_other_scripts_are_drawn_by_a_font_that_has_them(tmp_path: Path, outlines: str) -> None:
    fonts = Fonts([font_of("注意力中文", tmp_path / "square.otf", outlines)])
    content = pdf(drawn(queries=["▁注意力", "▁中文…"]), fonts)
    assert fonts.glyph("注") == (1.0, "0 0 m 0 0.5 l 0.5 0.5 l 0.5 0 l h")
    assert {"注意力", "中文…"} <= {line.strip() for line in text_of(content).split("\n")}
    assert "A box with a code" not in text_of(content)
    # Three squares of 6 x 6 pixels, 12 apart, and two.
    inked = (np.abs(seen(content).astype(int) - INK).max(2) < 40).sum() - (
        np.abs(seen(pdf(drawn(queries=["▁", "▁…"]), fonts)).astype(int) - INK).max(2) < 40
    ).sum()
    assert inked == pytest.approx(5 * 36, rel=0.25)


def test_a_letter_that_no_font_has_is_a_box_with_its_code_and_the_sheet_says_so() -> None:
    content = pdf(drawn(queries=["▁中", "▁😀"]), NOTHING)
    text = text_of(content)
    assert "中" in text
    assert "A box with a code: a letter that no font on the server has." in text
    letters = Lettering(NOTHING)
    assert letters.place("中") == ("F4", 1, pytest.approx(2 * 0.6 * 0.42 + 0.08))
    assert f"<{b'4E'.hex()}> Tj" in letters.drawn["中"][1]
    assert f"<{b'2D'.hex()}> Tj" in letters.drawn["中"][1]
    letters.place("😀")
    assert f"<{b'1F6'.hex()}> Tj" in letters.drawn["😀"][1]
    assert "A box" not in text_of(pdf(drawn(), NOTHING))
    # The sheet grows by the line: nothing covers what stood there.
    assert seen(content).shape[0] > drawn(queries=["▁中", "▁😀"]).height


def test_more_letters_than_a_font_has_codes_have_another_font(tmp_path: Path) -> None:
    many = "".join(chr(0x4E00 + place) for place in range(MOST_CODES + 5))
    fonts = Fonts([font_of(many, tmp_path / "many.ttf")])
    rows = [many[start : start + 13] for start in range(0, len(many), 13)]
    content = pdf(drawn(np.full((len(rows), 2), 9, np.uint8), queries=rows), fonts)
    lines = [line.strip() for line in text_of(content).split("\n")]
    assert lines[-len(rows) - 3 : -3] == rows or set(rows) <= set(lines)
    letters = Lettering(fonts)
    assert [letters.place(letter)[:2] for letter in many][MOST_CODES - 1 : MOST_CODES + 1] == [("F4", 255), ("F5", 1)]


def test_letters_from_right_to_left_run_so(tmp_path: Path) -> None:
    fonts = Fonts([font_of("שלום", tmp_path / "hebrew.ttf")])
    assert "שלום" in text_of(
        pdf(drawn(queries=["▁שלום", "▁a"]), fonts)
    )  # the reader turns round what runs from the right


def test_fonts_are_found_where_they_are_installed_and_damaged_ones_left(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    bold, plain, other = (tmp_path / name for name in ("NotoSansCJK-Bold.ttf", "deep/NotoSansCJK-Regular.ttf", "A.otf"))
    for path in (bold, plain):
        font_of("中", path)
    other.write_bytes(b"no font")
    (tmp_path / "DejaVuSansMono.ttf").write_bytes(b"\x00\x01\x00\x00" + b"\xff" * 64)
    (tmp_path / "readme.txt").write_text("")
    assert found([tmp_path, tmp_path / "missing"]) == [tmp_path / "DejaVuSansMono.ttf", plain, bold, other]
    fonts = Fonts(found([tmp_path]))
    assert fonts.glyph("中") is not None
    assert [font.path for font in fonts.opened] == [plain]
    assert fonts.glyph("文") is None
    assert Font(plain).glyph("文") is None
