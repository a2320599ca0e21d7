"""The report: its numbers, nothing of a caller's becomes markup, and a policy that allows its two scripts alone."""

import base64
import hashlib
import json
import re
from typing import Any

from heedmap.app.render.report import Report, report
from heedmap.app.render.report_figures import curves, instability

EVIL = "</script><b onclick=alert(1)>&"


def interval(mean: float | None, low: float = 0.2, high: float = 0.4) -> dict[str, float | None]:
    return {"mean": mean, "low": None if mean is None else low, "high": None if mean is None else high}


def made(**changes: Any) -> dict[str, Any]:
    """A result of two perturbations at two strengths, with an evil text in every place."""
    rows = [
        {
            "perturbation": name, "strength": strength, "inputs": 1, "seeds": 2,
            "exact": interval(0.25), "agreement": interval(1 - strength, 1 - strength - 0.05, 1 - strength + 0.01),
            "divergence": {EVIL: interval(strength / 10, 0, 0.1), "cross": interval(None)},
        }
        for name in ("swaps", "pgd")
        for strength in (0.4, 0.1)
    ]  # fmt: skip
    head = {"site": EVIL, "layer": 1, "head": 0, "divergence": interval(0.3), "curves": {}}
    return {
        "model": EVIL, "medium": "text", "unit": "share", "agreement": "chrf", "versions": {EVIL: EVIL},
        "refused": [{"input": 0, "detail": EVIL}], "answers": [{"input": 0, "text": EVIL}], "curves": rows,
        "heads": [head],
        "tokens": [{"input": 0, "token": 1, "label": EVIL, "span": [2, 5], "touched": 3, "loss": 0.5}],
        "regions": [], "flips": [{"input": 0, "token": 1, "label": EVIL, "by": EVIL, "estimated": -1.0,
                                  "measured": None, "answer": EVIL}],
        **changes,
    }  # fmt: skip


def test_nothing_of_a_callers_becomes_markup() -> None:
    page = report(Report(made(), [EVIL + "a"], {}, {EVIL: EVIL})).decode()
    body = page[page.index("<body>") :]
    assert "onclick" in body
    assert "<b onclick" not in page
    assert len(re.findall("</script>", body)) == 2, "the figures' and the one that draws them"


def test_the_policy_allows_exactly_the_pages_scripts_and_no_network() -> None:
    page = report(Report(made(), ["x" * 9])).decode()
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    hashes = {"sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts}
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert set(re.findall(r"'(sha256-[^']+)'", policy)) == hashes
    assert len(hashes) == 2
    assert "http" not in policy
    assert "default-src 'none'" in policy
    own = page.replace(scripts[0], "")
    assert re.findall(r"(?:src|href)=\"(?!data:)", own) == []


def test_curves_are_sorted_and_have_their_intervals() -> None:
    figure = curves(made(), "agreement")
    first, second = figure["data"]
    assert (first["x"], first["y"]) == ([0.1, 0.4], [0.9, 0.6])
    assert [round(value, 6) for value in first["error_y"]["array"]] == [0.01, 0.01]
    assert [round(value, 6) for value in first["error_y"]["arrayminus"]] == [0.05, 0.05]
    assert first["meta"] != second["meta"]
    assert first["marker"]["symbol"] != second["marker"]["symbol"], "not by colour alone"
    assert curves(made(), "divergence", "cross")["data"][0]["y"] == [], "what is no number has no point"
    assert curves(made(unit="dB"), "exact")["layout"]["xaxis"]["autorange"] == "reversed"


def test_heads_stand_in_their_layers() -> None:
    [trace] = instability(made()["heads"], EVIL)["data"]
    assert trace["z"] == [[None], [0.3]]


def test_the_page_has_the_numbers_and_marks_the_fragile_token() -> None:
    page = report(Report(made(), ["ab<d>fg"], {}, {"parameters": "seeds 2"})).decode()
    assert 'title="agreement falls by 0.500 where it is touched, 3 times">&lt;d&gt;</mark>' in page
    assert "0.600 <small>(0.550 to 0.610)</small>" in page
    assert "<dt>parameters</dt><dd>seeds 2</dd>" in page
    figures = re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)
    assert figures is not None
    assert set(json.loads(figures[1])) == {"agreement", "exact", "moved-0", "heads-0"}
    empty = made(curves=[], heads=[], tokens=[], flips=[], refused=[], answers=[])
    assert b"<h1>" in report(Report(empty, ["a"]))
