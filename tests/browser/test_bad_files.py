"""Files that are no traces, dropped on the page: each is told, nothing runs, and what is on show stays."""

import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.small_trace import small_trace

from .conftest import Opener, Watched

pytestmark = pytest.mark.browser

EVIL = '<img src=x onerror="window.broken = 1"><a href="javascript:window.broken = 2">x</a>'
EVIL += "<script>window.broken = 3</script>"
DROP = """({name, data}) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name));
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""
Header = dict[str, Any]
Change = Callable[[Header, Header], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A trace's file, whose every text is markup."""
    path = tmp_path_factory.mktemp("traces") / "t.safetensors"
    small_trace(EVIL, EVIL, "m", EVIL).save(path, {"id": "0" * 32, "model": EVIL})
    return path.read_bytes()


def rewritten(whole: bytes, change: Change) -> bytes:
    """The file with its header changed: the directory of tensors with the metadata, and the trace's own description."""
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    trace = json.loads(header["__metadata__"]["trace"])
    change(header, trace)
    if "trace" in header["__metadata__"]:
        header["__metadata__"]["trace"] = json.dumps(trace)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + whole[8 + length :]


def put(place: str, value: Any) -> Change:
    """Another value in the trace's description, by a path such as sites.0.layers."""

    def change(_: Header, trace: Header) -> None:
        *steps, last = (int(step) if step.isdigit() else step for step in place.split("."))
        there: Any = trace
        for step in steps:
            there = there[step]
        there[last] = value

    return change


def entry(name: str, field: str, value: Any) -> Change:
    """Another value in the directory of tensors."""
    return lambda header, _: header[name].update({field: value})


def holding(whole: bytes, name: str, numbers: bytes) -> bytes:
    """The file with other bytes at a tensor's beginning."""
    length = int.from_bytes(whole[:8], "little")
    start = 8 + length + json.loads(whole[8 : 8 + length])[name]["data_offsets"][0]
    return whole[:start] + numbers + whole[start + len(numbers) :]


def overlapping(header: Header, _: Header) -> None:
    """Two tensors of one size in one place."""
    header["cross.0.v"]["data_offsets"] = header["cross.0.k"]["data_offsets"]


def missing(header: Header, _: Header) -> None:
    """No log-sum-exp, and its bytes have another name."""
    header["cross.0.lsd"] = header.pop("cross.0.lse")


def deep(header: Header, _: Header) -> None:
    """Lists in lists, as deep as a stack."""
    header["cross.0.q"]["shape"] = [[]]
    for _n in range(200):
        header["cross.0.q"]["shape"] = [header["cross.0.q"]["shape"]]


BAD: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda _: b"", "is no trace"),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(64), "is no trace"),
    "a page": (lambda _: b"<!doctype html><script>window.broken = 4</script>", "is no trace"),
    "cut off": (lambda whole: whole[:-9], "is cut short"),
    "cut in its header": (lambda whole: whole[:200], "is cut short"),
    "a header longer than memory": (lambda whole: b"\xff" * 7 + b"\x7f" + whole[8:], "too large"),
    "a header that is none": (lambda whole: whole[:8] + b"{" + whole[8:-1], "table of contents"),
    "something behind it": (lambda whole: whole + b"12345678", "is damaged"),
    "another's tensors": (
        lambda whole: rewritten(whole, lambda header, _: header["__metadata__"].pop("trace")),
        "no trace of Heedmap",
    ),
    "a newer version": (
        lambda whole: rewritten(whole, lambda header, _: header["__metadata__"].update(heedmap="2")),
        "has version 2",
    ),
    "a summary that does not read": (
        lambda whole: whole.replace(b'\\"axes\\"', b'\\"axes\\\\'),
        "trace cannot be right",
    ),
    "overlapping": (lambda whole: rewritten(whole, overlapping), "place that it names for cross.0"),
    "offsets behind the file": (
        lambda whole: rewritten(whole, entry("cross.0.q", "data_offsets", [2**50, 2**50 + 480])),
        "names for cross.0",
    ),
    "a length that lies": (lambda whole: rewritten(whole, entry("cross.0.q", "shape", [4, 5, 2**40])), "cross.0.q"),
    "a shape over all numbers": (lambda whole: rewritten(whole, entry("cross.0.q", "shape", [2**53] * 8)), "cross.0.q"),
    "a negative side": (lambda whole: rewritten(whole, entry("cross.0.q", "shape", [-4, -5, 6])), "cross.0.q"),
    "a shape that is none": (lambda whole: rewritten(whole, deep), "cross.0.q"),
    "an unknown kind of number": (lambda whole: rewritten(whole, entry("cross.0.q", "dtype", "F8_E4M3")), "cross.0.q"),
    "whole numbers": (lambda whole: rewritten(whole, entry("cross.0.q", "dtype", "I32")), "cross.0.q does not have"),
    "a missing tensor": (lambda whole: rewritten(whole, missing), "cross.0.lse is missing"),
    "NaN among the queries": (lambda whole: holding(whole, "cross.0.q", struct.pack("<f", float("nan"))), "NaN"),
    "infinite keys": (lambda whole: holding(whole, "cross.0.k", struct.pack("<f", float("inf"))), "NaN"),
    "NaN among the log-sum-exps": (lambda whole: holding(whole, "cross.0.lse", b"\xff" * 4), "cross.0.lse has NaN"),
    "layers that are not there": (lambda whole: rewritten(whole, put("sites.0.layers", 1000)), "cross.layers"),
    "less than no layers": (lambda whole: rewritten(whole, put("sites.0.layers", -1)), "cross.layers"),
    "heads that are not there": (lambda whole: rewritten(whole, put("sites.0.heads", 8)), "cross.0.q does not"),
    "more heads than a screen has pixels": (
        lambda whole: rewritten(whole, put("sites.0.heads", 10**9)),
        "layers × heads has 1000000000",
    ),
    "another shape": (lambda whole: rewritten(whole, put("sites.0.shape", [10**6, 10**6])), "cross.queries"),
    "an axis without labels": (lambda whole: rewritten(whole, put("axes.source.labels", 7)), "axes.source"),
    "labels that are no texts": (
        lambda whole: rewritten(whole, put("axes.source.labels", [{}] * 7)),
        "axes.source.labels",
    ),
    "a site of another's name": (lambda whole: rewritten(whole, put("sites.0.name", "__proto__")), "sites"),
    "an answer of no form": (lambda whole: rewritten(whole, put("prediction", [{"label": 5}, 7])), "prediction"),
    "a mask of tomorrow": (
        lambda whole: rewritten(whole, put("layers.cross.0.mask", {"kind": "spiral"})),
        "does not know spiral",
    ),
    "a score of tomorrow": (
        lambda whole: rewritten(whole, put("layers.cross.0.score", {"kind": EVIL, "scale": 1.0})),
        "does not know <img src=x",
    ),
    "a bias without its table": (
        lambda whole: rewritten(whole, put("layers.cross.0.bias", {"kind": "dense"})),
        "cross.0.bias is missing",
    ),
}


def drop(page: Page, content: bytes, name: str = "some.safetensors") -> None:
    """Drop a file on the page."""
    page.evaluate(DROP, {"name": name, "data": base64.b64encode(content).decode()})


def on_show(page: Page) -> tuple[str, str, str, str]:
    """The map, its cell, the input and the link."""
    return page.inner_text("#now"), page.inner_text("#cell-weight"), page.input_value("#input"), page.url


def unbroken(watched: Watched) -> None:
    """Nothing of a file ran, and nothing else did that it asked for."""
    assert watched.page.evaluate("window.broken ?? null") is None


def test_each_is_told_and_nothing_is_lost(watch: Opener, whole: bytes) -> None:
    watched = watch()
    page = watched.open()
    before = on_show(page)
    for name, (spoil, says) in BAD.items():
        spoilt = spoil(whole)
        assert spoilt != whole, name
        drop(page, spoilt)
        expect(page.locator("#problem"), name).to_contain_text(says)
        assert on_show(page) == before, name
    drop(page, b"a,b\n1,2\n", "table.csv")
    expect(page.locator("#problem")).to_contain_text("table.csv is no trace")
    unbroken(watched)
    page.press("body", "ArrowRight")  # and the page works on
    watched.settled()
    assert page.inner_text("#now") != before[0]


def test_sentences_are_in_the_readers_language(watch: Opener, whole: bytes) -> None:
    watched = watch(locale="zh-CN")
    page = watched.open()
    files = {"a picture": "文件", "cut off": "文件", "a newer version": "记录", "NaN among the queries": "记录"}
    for name, said in (files | {"a mask of tomorrow": "本页不认识"}).items():
        drop(page, BAD[name][0](whole))
        expect(page.locator("#problem"), name).to_contain_text(said)
        expect(page.locator("#problem"), name).not_to_contain_text("trace")


def test_markup_in_a_trace_is_text(watch: Opener, whole: bytes) -> None:
    watched = watch()
    page = watched.open()
    drop(page, whole)
    expect(page.locator("#input")).to_have_value(EVIL)
    watched.settled()
    for key in ("b", "d", "h", "e", "?", "Escape"):
        page.keyboard.press(key)
    expect(page.locator("#cell-query")).to_contain_text("<img src=x")
    assert page.locator("img[src=x], a[href^='javascript']").count() == 0
    unbroken(watched)


def test_a_file_that_takes_long_does_not_stop_the_page(watch: Opener, tmp_path: Path, whole: bytes) -> None:
    """A small file of a large map: 36 million cells."""
    many = 6_000
    numbers = bytes(4 * many)

    def tensor(shape: list[int], at: int) -> Header:
        return {"dtype": "F32", "shape": shape, "data_offsets": [at * len(numbers), (at + 1) * len(numbers)]}

    axis = {
        "kind": "text",
        "labels": ["x"] * many,
        "ids": [0] * many,
        "spans": [[0, 0]] * many,
        "special": [False] * many,
    }
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    trace = json.loads(header["__metadata__"]["trace"])
    trace["axes"] = {"tokens": axis}
    site = {"name": "decoder", "layers": 1, "heads": 1, "kv_heads": 1, "queries": "tokens", "keys": "tokens"}
    trace["sites"] = [{**site, "shape": [many, many], "mask": "full"}]
    trace["layers"] = {"decoder": trace["layers"]["cross"]}
    header = {"__metadata__": {**header["__metadata__"], "trace": json.dumps(trace), "model": "m"}}
    for at, name in enumerate("qkv"):
        header[f"decoder.0.{name}"] = tensor([1, many, 1], at)
    header["decoder.0.lse"] = tensor([1, many], 3)
    text = json.dumps(header).encode()
    watched = watch()
    page = watched.open()
    drop(page, len(text).to_bytes(8, "little") + text + numbers * 4)
    page.wait_for_selector("#tiles[data-state=complete]")
    assert len(page.workers) == 1
    before = page.evaluate("performance.now()")
    assert page.evaluate("new Promise((done) => setTimeout(() => done(performance.now()), 50))") < before + 2000
    drop(page, whole)  # another takes its place, and the work ends
    expect(page.locator("#input")).to_have_value(EVIL)
    watched.settled()
    assert page.workers == []
