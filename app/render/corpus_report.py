"""A corpus' heads as one page that needs nothing beside itself: a scatter of all heads, top sequences, a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from heedmap.app.render.corpus_style import DRAW, STYLE
from heedmap.app.render.page import bundle, script_hash
from heedmap.app.render.report_parts import shown, table
from heedmap.app.render.report_style import STYLE as REPORT
from heedmap.app.render.wire import to_json

CALLED = {
    "entropy": "entropy, nats",
    "distance": "distance, positions",
    "sink": "weight on the first key",
    "diagonal": "weight on its own place",
    "max": "largest weight of a row",
    "previous": "previous token",
    "duplicate": "duplicate token",
    "induction": "induction",
    "copying": "copying",
    "mixing": "mixing ratio of the layer",
    "alignment": "reads as an alignment",
}
KINDS = {
    "aligns": "aligns best",
    "previous": "previous-token head",
    "duplicate": "duplicate-token head",
    "induction": "induction head",
    "sink": "rests on the first key",
}
FIRST = ("distance", "entropy")  # the axes at first


def corpus_report(result: Mapping[str, Any], facts: Mapping[str, str]) -> bytes:
    """The page of a result of `heedmap corpus`, as JSON has it; facts: what else there is to say at its end."""
    metrics: Sequence[str] = result["metrics"]
    data = {
        "heads": result["heads"],
        "passages": {str(each["number"]): each for each in result["passages"]},
        "metrics": metrics,
        "called": {name: CALLED.get(name, name) for name in metrics},
        "kinds": KINDS,
    }
    body = "\n".join([*_beginning(result), *_scatter(metrics), *_kinds(result), *_table(result), *_refused(result)])
    script, known = bundle()
    hashes = f"'{known}' '{script_hash(DRAW.encode())}'"
    policy = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"
    title = shown(f"Heads of {result['model']} over {facts.get('corpus', 'a corpus')}")
    ends = "".join(f"<dt>{shown(name)}</dt><dd>{shown(value)}</dd>" for name, value in facts.items())
    return b"".join(
        [
            b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'.encode(),
            f'<title>{title}</title>\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'.encode(),
            f'<link rel="icon" href="data:,">\n<style>{REPORT}{STYLE}</style>\n<script>'.encode(),
            script,
            f"</script></head>\n<body><main>\n{body}\n</main>\n<footer><dl>{ends}</dl></footer>\n".encode(),
            b'<script type="application/json" id="corpus">',
            to_json(data).replace(b"<", b"\\u003c"),
            f"</script>\n<script>{DRAW}</script></body></html>\n".encode(),
        ]
    )


def _beginning(result: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h1>Heads of {shown(result['model'])}</h1>"
    said = f"{len(result['heads']):,} heads over {result['recorded']:,} sequences, {result['tokens']:,} tokens."
    if result["interrupted"]:
        said += f" It was stopped before all of {result['inputs']:,} inputs were read."
    yield f'<p class="lead">{shown(said)}</p>'


def _scatter(metrics: Sequence[str]) -> Iterator[str]:
    menus = []
    for axis, first in zip(("x", "y"), FIRST, strict=True):
        options = "".join(
            f'<option value="{shown(name)}"{" selected" * (name == first)}>{shown(CALLED.get(name, name))}</option>'
            for name in metrics
        )
        menus.append(f'<label>{"across" if axis == "x" else "up"} <select id="{axis}">{options}</select></label>')
    yield "<h2>All heads</h2>"
    yield "<p>A point is a head, its mean over the rows of all inputs. Choose two measures, and a head.</p>"
    yield f'<div class="menus">{"".join(menus)}<label>head <select id="head"></select></label></div>'
    yield '<figure><div class="plot scatter" id="scatter" role="img" aria-label="a point for each head"></div></figure>'
    yield '<section id="chosen" aria-live="polite"><h3></h3><p class="note"></p><ol class="texts"></ol></section>'


def _kinds(result: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        [shown(called), str(len(those)), ", ".join(f"{shown(h['site'])} {h['layer']}.{h['head']}" for h in those)]
        for kind, called in KINDS.items()
        if (those := [head for head in result["heads"] if kind in head["kinds"]])
    ]
    if not rows:
        return
    least = ", ".join(f"{site['name']} {float(site['least']):.2f}" for site in result["sites"])
    yield "<h2>Kinds of heads</h2>"
    yield f"<p>A head is of a kind from a mean weight of: {shown(least)}.</p>"
    yield table("Kinds, and their heads by layer and number", ["kind", "heads", "which"], rows, {1}, 2)


def _table(result: Mapping[str, Any]) -> Iterator[str]:
    metrics = result["metrics"]
    rows = [
        [
            shown(head["site"]),
            str(head["layer"]),
            str(head["head"]),
            *(_cell(head.get(name), head["deviation"].get(name)) for name in metrics),
            shown(", ".join(head["kinds"])),
        ]
        for head in result["heads"]
    ]
    names = ["site", "layer", "head", *map(shown, metrics), "kinds"]
    yield "<h2>All numbers</h2>"
    caption = "Means over the rows of all inputs, and the deviation between inputs"
    yield table(caption, names, rows, set(range(1, len(names) - 1)))


def _cell(mean: float | None, deviation: float | None) -> str:
    if mean is None:
        return "\u2013"
    return f"{mean:.3f}" + ("" if deviation is None else f" <small>\u00b1 {deviation:.3f}</small>")


def _refused(result: Mapping[str, Any]) -> Iterator[str]:
    refused = result["refused"]
    if not refused["count"]:
        return
    rows = [
        [shown(f"line {each['line']}" if "line" in each else each.get("name", "")), shown(each["detail"])]
        for each in refused["first"]
    ]
    yield "<h2>Left out</h2>"
    yield table(f"{refused['count']:,} inputs could not be used", ["where", "why"], rows, set(), 1)
