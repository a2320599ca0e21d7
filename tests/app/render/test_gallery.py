"""A folder of pages: the list is fit for every host, whatever the traces are called and say."""

import re

from heedmap.app.render.gallery import STYLE, Entry, index, names


def test_names_are_plain_and_no_two_alike() -> None:
    given = ["a b", "a/b", "A-B", "../../etc", "index", "", "ü 中", "x" * 300, ".hidden", "a.b"]
    made = names(given)
    assert made[:6] == ["a-b.html", "a-b-2.html", "A-B-3.html", "etc.html", "index-2.html", "trace.html"]
    assert made[6] == "ü-中.html"
    assert made[7] == "x" * 60 + ".html"
    assert made[8:] == ["hidden.html", "a.b.html"]


def test_the_list_has_no_markup_of_a_trace_and_no_script() -> None:
    evil = "<script>alert(1)</script>"
    rows = [
        Entry('a"b.html', evil, evil, evil, evil, (evil,), 1_234_567),
        Entry("c.html", "de-en", "translation", "Ein Haus.", "", ("cross 3 × 8 heads, 4 × 5",), 900_000),
    ]
    page = index(rows, evil).decode()
    assert "<script" not in page
    assert 'href="a&quot;b.html"' in page
    assert "de-en · translation · cross 3 × 8 heads, 4 × 5 · 0.9 MB" in page
    assert "2 traces" in page
    assert "1 trace, " in index(rows[:1], "x").decode()
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="https?:', page)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        digits = colour.lstrip("#")
        digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_its_colours_can_be_read_light_and_dark() -> None:
    for block in re.findall(r":root \{([^}]*)\}", STYLE):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", block))
        assert min(contrast(colours[name], colours["page"]) for name in ("text", "quiet", "link")) >= 4.5
    assert len(re.findall(r":root \{", STYLE)) == 2
