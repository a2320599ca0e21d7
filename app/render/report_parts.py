"""The pieces of a report's page: texts, intervals, tables, places of figures, marked tokens."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from heedmap.app.render.isolate import isolated
from heedmap.app.render.report_figures import number

MARKS = "\u2581\u0120"  # with which tokenizers begin a word


def shown(value: str) -> str:
    """A text as HTML that shows it."""
    return html.escape(str(value))


def interval(given: Mapping[str, Any], digits: int = 3) -> str:
    """A mean with its interval."""
    mean, low, high = (number(given.get(name)) for name in ("mean", "low", "high"))
    if mean is None or low is None or high is None:
        return "\u2013"
    spread = "" if low == high else f" <small>({low:.{digits}f} to {high:.{digits}f})</small>"
    return f"{mean:.{digits}f}{spread}"


def table(caption: str, names: Sequence[str], rows: Sequence[Sequence[str]], numbers: set[int], long: int = -1) -> str:
    """A table of cells that are HTML; `numbers` are the columns on the right; `long` has sentences."""
    kinds = [' class="n"' if at in numbers else ' class="t"' if at == long else "" for at in range(len(names))]
    head = "".join(f'<th scope="col"{kind}>{name}</th>' for name, kind in zip(names, kinds, strict=True))
    lines = [
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    ]
    inside = f"<caption>{shown(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="scroll" tabindex="0"><table>{inside}</table></div>'


def figure(name: str, title: str, said: str, kind: str = "plot") -> str:
    """Where a figure is drawn, under its title; `said` is what it shows, in words."""
    plot = f'<div class="{kind}" id="{name}" role="img" aria-label="{shown(said)}"></div>'
    return f"<figure><h3>{shown(title)}</h3>{plot}</figure>"


def marked(text: str, tokens: Sequence[Mapping[str, Any]], top: float) -> str:
    """A text with some of its tokens marked by what they cost."""
    parts, at = [], 0
    for token in sorted(tokens, key=lambda token: token["span"]):
        start, stop = token["span"]
        if not at <= start < stop <= len(text):
            continue
        said = f"agreement falls by {token['loss']:.3f} where it is touched, {token['touched']} times"
        mark = f'<mark style="--share:{token["loss"] / top:.3f}" title="{said}">{shown(text[start:stop])}</mark>'
        parts += [shown(text[at:start]), mark]
        at = stop
    return "".join([*parts, shown(text[at:])])


def where(box: Sequence[float]) -> str:
    """Where in a picture a region of a grid is, in words."""
    across, down = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    rows, columns = ("top", "middle", "bottom"), ("left", "centre", "right")
    cell = [round(start / (stop - start)) + 1 for start, stop in ((box[1], box[3]), (box[0], box[2]))]
    name = f"{rows[min(2, int(down * 3))]} {columns[min(2, int(across * 3))]}"
    return f"{name} (row {cell[0]}, column {cell[1]})"


def token_shown(label: str) -> str:
    """A token as text, without the mark of a word's beginning."""
    return shown(isolated(label.lstrip(MARKS) or label))
