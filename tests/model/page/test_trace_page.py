"""A trace as one page: what is in it, what it allows, and that no text of a trace breaks out."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from heedmap.model.errors import TraceError
from heedmap.model.page.files import STATIC
from heedmap.model.page.trace_page import policy, text_of, title_of, trace_page
from heedmap.model.trace.trace import Trace
from tests.small_trace import small_trace

EVIL = "</script><script>alert(1)</script></title><!-- \u2028 ]]>"


@pytest.fixture(scope="module")
def trace() -> Trace:
    """A trace whose every text is markup."""
    return small_trace(EVIL, EVIL, "<b>r</b>", EVIL)


@pytest.fixture(scope="module")
def file(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Its file."""
    path = tmp_path_factory.mktemp("traces") / "evil.safetensors"
    trace.save(path, {"id": "0" * 32, "model": EVIL})
    return path.read_bytes()


def inside(page: bytes, name: str) -> bytes:
    """What the page carries under a name."""
    [content] = re.findall(rf'<script type="application/octet-stream" id="{name}">([\w+/=]*)</script>', page.decode())
    return gzip.decompress(base64.b64decode(content))


def known(script: bytes) -> str:
    """The hash of a script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"


def test_the_file_is_in_the_page_and_nothing_of_it_is_markup(file: bytes) -> None:
    page = trace_page(file)
    assert inside(page, "trace") == file
    assert b"alert(1)" not in page.replace(b"&lt;/script&gt;&lt;script&gt;alert(1)", b"")
    assert page.count(b"<title>") == 1
    title = re.search(rb"<title>(.*)</title>", page)
    assert title
    assert title[1].startswith(b"&lt;/script&gt;&lt;script&gt;alert(1)")


def test_the_policy_knows_every_script_and_allows_no_request(file: bytes) -> None:
    page = trace_page(file, plotly=True)
    [rules] = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page.decode())
    assert rules == policy()
    given = {part.split()[0]: part.split()[1:] for part in rules.split(";")}
    assert (given["default-src"], given["connect-src"]) == (["'none'"], ["'none'"])
    plain = re.findall(rb"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(plain) == 2
    scripts = {known(each) for each in (*plain, inside(page, "program"), inside(page, "plotly"))}
    assert set(given["script-src"]) == scripts
    [style] = re.findall(rb"<style[^>]*>(.*?)</style>", page, flags=re.DOTALL)
    assert given["style-src"] == [known(style)]
    assert not re.search(rb'\b(?:src|href)="(?!data:|#)', page), "an address that is not in the page"
    place = page.index(b"Content-Security-Policy")
    assert place < page.index(b"<script"), "a policy holds for what comes after it"


def test_plotly_is_there_where_a_map_is_long(file: bytes, tmp_path: Path) -> None:
    page = trace_page(file, plotly=False)
    assert b'id="plotly"' not in page
    assert page == trace_page(file), "its maps are short"
    assert len(page) < len(trace_page(file, plotly=True)) - 500_000
    assert len(page) < 500_000
    small_trace(EVIL, EVIL, times=40).save(tmp_path / "long.safetensors")
    assert b'id="plotly"' in trace_page((tmp_path / "long.safetensors").read_bytes())


def test_a_page_of_ten_words_stays_small(file: bytes) -> None:
    """The explorer and a tiny trace; ten words of de-en are half a megabyte more, and 1.5 is the most."""
    assert len(trace_page(file)) <= 500_000


def test_the_same_trace_gives_the_same_page(trace: Trace, file: bytes, tmp_path: Path) -> None:
    assert trace_page(file) == trace_page(file)
    sizes = [trace.page(tmp_path / f"{name}.html") for name in ("a", "b")]
    first, second = ((tmp_path / f"{name}.html").read_bytes() for name in ("a", "b"))
    assert first == second
    assert sizes == [len(first)] * 2
    trace.save(tmp_path / "t.safetensors")
    assert inside(first, "trace") == (tmp_path / "t.safetensors").read_bytes()
    assert trace.page(tmp_path / "large.html", plotly=True) > sizes[0] + 500_000


def test_the_elements_that_the_program_looks_for_are_the_explorers(file: bytes) -> None:
    page = trace_page(file, plotly=True).decode()
    ids = set(re.findall(r'\bid="([^"]+)"', (STATIC / "index.html").read_text(encoding="utf-8")))
    assert ids <= set(re.findall(r'\bid="([^"]+)"', page))
    assert '<html data-source="file" lang="en">' in page
    order = [page.rindex(part) for part in ('id="program"', 'id="trace"', "<script>", 'id="plotly"')]
    assert order == sorted(order), "what begins finds all that it needs, and what is drawn with later is behind it"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        b"\xff" * 64,
        (2).to_bytes(8, "little") + b"{}",
        (40).to_bytes(8, "little") + b'{"__metadata__":{}}',
    ],
)
def test_what_is_no_trace_is_refused(content: bytes) -> None:
    with pytest.raises(TraceError, match="no trace's file"):
        trace_page(content)


def test_a_deep_header_is_refused() -> None:
    header = json.dumps({"__metadata__": {"trace": "[" * 100_000}}).encode()
    with pytest.raises(TraceError):
        trace_page(len(header).to_bytes(8, "little") + header)


def test_titles() -> None:
    asked = {"model": "de-en", "prediction": {"text": "A house."}}
    assert title_of({**asked, "request": {"inputs": "Ein\n Haus."}}) == "Ein Haus. · de-en"
    assert title_of(asked) == "A house. · de-en"
    assert text_of({"prediction": [{"label": "cat"}], "request": {"inputs": {"image": None}}}) == ""
    assert text_of({"request": {"inputs": {"image": None, "text": "What?"}}}) == "What?"
    assert title_of({"model": "m", "prediction": None}) == "m"
    assert title_of({**asked, "request": {"inputs": "x" * 200}}) == "x" * 79 + "… · de-en"
