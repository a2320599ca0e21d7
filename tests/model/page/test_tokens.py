"""JavaScript as tokens: code told from comments, strings, templates and regular expressions, or refused."""

from pathlib import Path

import pytest

from heedmap.model.page.errors import LinkError
from heedmap.model.page.tokens import stripped, tokens

SCRIPTS = Path(__file__).parents[3] / "static" / "js"


def cut(source: str) -> list[tuple[str, str]]:
    """Kinds and texts, without spaces."""
    return [(token.kind, token.text) for token in tokens(source) if token.kind != "space"]


def test_a_slash_divides_or_begins_an_expression() -> None:
    assert cut("a / b / c")[1] == ("sign", "/")
    assert cut("f(1) / 2 / x")[4] == ("sign", "/")
    assert cut("x = /[/'`]*\\//gu;")[2] == ("regex", "/[/'`]*\\//gu")
    assert cut("return /a/.test(b)")[1] == ("regex", "/a/")
    assert cut("n[0] / `${a / b}px`.length")[4:] == [
        ("sign", "/"),
        ("template", "`${"),
        ("name", "a"),
        ("sign", "/"),
        ("name", "b"),
        ("template", "}px`"),
        ("sign", "."),
        ("name", "length"),
    ]


def test_templates_hold_code_that_holds_templates() -> None:
    source = "`a ${ { b: `c ${d} // e` }.b } $ /* f */ \\` \\${g}`; // h"
    assert "".join(token.text for token in tokens(source)) == source
    assert [text for kind, text in cut(source) if kind == "comment"] == ["// h"]
    assert [text for kind, text in cut(source) if kind == "template"] == [
        "`a ${",
        "`c ${",
        "} // e`",
        "} $ /* f */ \\` \\${g}`",
    ]


def test_comments_go_and_lines_end_where_they_did() -> None:
    source = 'const a = 1; // one\n  /* two\n   * three */ const b = "// no /* no */";\nreturn/* x */a'
    assert "".join(token.text for token in stripped(source)) == 'const a = 1;\nconst b = "// no /* no */";\nreturn a'


@pytest.mark.parametrize("source", ["'a\n'", "`a ${b}", "/* a", "x = /a\n/", "if (a) {} /b/.test(c)"])
def test_what_cannot_be_told_is_refused(source: str) -> None:
    with pytest.raises(LinkError, match="line 1"):
        list(tokens(source))


def test_every_module_of_the_explorer_is_told_apart() -> None:
    paths = sorted(SCRIPTS.rglob("*.js"))
    for path in paths:
        source = path.read_text(encoding="utf-8")
        assert "".join(token.text for token in tokens(source)) == source, path
    assert len(paths) > 50
