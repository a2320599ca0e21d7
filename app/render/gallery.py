"""A folder of traces for any web host: a page for each, and one that lists them."""

import hashlib
import html
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from heedmap.model.page.trace_page import summary_of, text_of

NAME = 60  # characters of a page's name, without its ending: under what every file system takes
SHOWN = 300  # characters of a text in the list
STYLE = """
:root { color-scheme: light dark; --text: #1c1e21; --quiet: #5b6168; --page: #fff; --line: #d9dce0; --link: #0b57b0 }
@media (prefers-color-scheme: dark) {
  :root { --text: #e7e9ec; --quiet: #a2a9b2; --page: #15171a; --line: #363a40; --link: #86b7ff }
}
* { box-sizing: border-box }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--page) }
main { max-width: 52rem; margin: 0 auto; padding: 2rem 1rem 4rem }
h1 { font-size: 1.5rem; margin: 0 0 .5rem }
h2 { font-size: 1.0625rem; margin: 0; overflow-wrap: anywhere }
p { margin: .25rem 0 0; overflow-wrap: anywhere }
ul { list-style: none; margin: 1.5rem 0 0; padding: 0 }
li { padding: 1rem 0; border-top: 1px solid var(--line) }
a { color: var(--link) }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px }
.quiet { color: var(--quiet); font-size: .875rem; font-variant-numeric: tabular-nums }
"""


@dataclass(frozen=True)
class Entry:
    """One trace of the list: the address of its page, relative to the list's, and what there is to say of it."""

    page: str
    model: str
    task: str
    text: str
    answer: str
    sites: tuple[str, ...]
    bytes: int


def entry(page: str, file: bytes, size: int) -> Entry:
    """What a trace's file says of itself; `size` is that of its page.

    Raises:
        TraceError: it is no trace's file.
    """
    summary = summary_of(file)
    prediction: Any = summary.get("prediction")
    answer = prediction.get("text", "") if isinstance(prediction, dict) else ""
    sites = tuple(map(_site, summary.get("sites", ())))
    text, model = text_of(summary), str(summary["model"])
    said = " ".join(str(answer).split())
    return Entry(page, model, str(summary.get("task", "")), text, "" if said == text else said, sites, size)


def names(stems: Iterable[str]) -> list[str]:
    """A page's name for each of these, no two alike, of letters, digits, dots and dashes: fit for every web host."""
    given: list[str] = []
    for stem in stems:
        plain = re.sub(r"[^\w.-]+|^[.-]+", "-", stem)[:NAME].strip("-.") or "trace"
        name, number = plain, 1
        while name.casefold() in {"index", *(each.casefold() for each in given)}:
            number += 1
            name = f"{plain}-{number}"
        given.append(name)
    return [f"{name}.html" for name in given]


def index(entries: Iterable[Entry], title: str) -> bytes:
    """The page that lists them: it needs nothing beside itself, and has no script."""
    known = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    rows = list(entries)
    many = f"{len(rows)} trace{'' if len(rows) == 1 else 's'}, each with every head of its model, exactly."
    policy = f"default-src 'none'; style-src 'sha256-{known}'; img-src data:; base-uri 'none'; form-action 'none'"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<title>{html.escape(title)}</title>\n<link rel="icon" href="data:,">\n<style>{STYLE}</style>',
            f"</head>\n<body>\n<main>\n<h1>{html.escape(title)}</h1>\n<p>{many}</p>\n<ul>",
            *map(_item, rows),
            "</ul>\n</main>\n</body>\n</html>\n",
        ]
    ).encode()


def _item(row: Entry) -> str:
    facts = [row.model, row.task, *row.sites, f"{row.bytes / 1e6:.1f} MB"]
    answer = f'<p dir="auto">{html.escape(_short(row.answer))}</p>\n' if row.answer else ""
    return (
        f'<li>\n<h2 dir="auto"><a href="{html.escape(str(PurePosixPath(row.page)))}">'
        f"{html.escape(_short(row.text) or row.model)}</a></h2>\n{answer}"
        f'<p class="quiet">{html.escape(" · ".join(filter(None, facts)))}</p>\n</li>'
    )


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1].rstrip()}…"


def _site(site: Mapping[str, Any]) -> str:
    """cross 6 × 8, 10 × 9: layers and heads, queries and keys."""
    queries, keys = site["shape"]
    return f"{site['name']} {site['layers']} × {site['heads']} heads, {queries} × {keys}"
