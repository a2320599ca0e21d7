"""A trace as one HTML file with the explorer in it, which opens from disk and by mail and asks nobody for anything.

    <script type="application/octet-stream" id="program"> the explorer's modules joined into one, gzip, base64
    <script type="application/octet-stream" id="trace">   the trace's file, gzip, base64
    <script>                                              a few lines, which begin the program
    <script type="application/octet-stream" id="plotly">  Plotly, unpacked when a plot is first drawn: no picture waits

The few lines unpack the program and put it into the page as a script of its own. The page's policy knows each
script by its hash and allows no other, and no request: so no import map, no blob: and no data: address of a script has
to be let through, and what works is what every browser does with a module that stands in a page, under file: too.

Nothing of a trace stands in the page as text but its title, escaped; base64 has no sign that HTML knows.
"""

import hashlib
import html
import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from posixpath import join
from typing import Any

from heedmap.model.errors import TraceError
from heedmap.model.page.assets import packed
from heedmap.model.page.errors import LinkError
from heedmap.model.page.files import STATIC, Files, rooted, stamp
from heedmap.model.page.linker import quoted

STARTER = "js/page-starter.js"
DATA = "application/octet-stream"
STRICT = '"use strict";\n'  # as every module is
DRAWN = 256  # queries or keys: a map of no more is drawn on a canvas of the page's own, and needs no Plotly
TITLE = 80  # characters of a text in a title: a window's bar has about as many
UNSTARTED = "This page needs JavaScript, and a browser of 2023 or newer."
UNSTARTED += " · 本页需要启用 JavaScript，并使用 2023 年以后的浏览器。"


def trace_page(file: bytes, *, plotly: bool | None = None, folder: Path = STATIC) -> bytes:
    """The page of a trace's file. The same file gives the same bytes.

    plotly: whether Plotly is in it, two thirds of a megabyte; by default where a map is too long to do without.

    Raises:
        TraceError: it is no trace's file.
    """
    summary = summary_of(file)
    title = f"{title_of(summary)} · Heedmap"
    shell = _shell(folder, _long(summary) if plotly is None else plotly, stamp(folder))
    return b"".join([shell.before, html.escape(title).encode(), shell.between, b64encode(packed(file)), shell.after])


def policy(*, plotly: bool = True, folder: Path = STATIC) -> str:
    """The Content-Security-Policy that stands in the page."""
    return _shell(folder, plotly, stamp(folder)).policy


def edition(*, plotly: bool = True, folder: Path = STATIC) -> str:
    """Changes with the explorer that the pages carry."""
    shell = _shell(folder, plotly, stamp(folder))
    return hashlib.sha256(shell.before + shell.between + shell.after).hexdigest()[:32]


def summary_of(file: bytes) -> dict[str, Any]:
    """What a trace's file says of itself: the summary, with `id` and `model` where they stand beside it.

    Raises:
        TraceError: it is no trace's file.
    """
    try:
        header = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
        metadata = header["__metadata__"]
        summary = json.loads(metadata["trace"])
        recorded = summary["model"]
        return {**summary, "id": metadata.get("id", ""), "model": metadata.get("model") or recorded["revision"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TraceError("this is no trace's file, or its summary does not read") from error


def _long(summary: dict[str, Any]) -> bool:
    """Whether a map is longer than the page draws without Plotly."""
    try:
        return any(max(site["shape"]) > DRAWN for site in summary["sites"])
    except (KeyError, TypeError, ValueError) as error:
        raise TraceError("this is no trace's file, or its summary does not read") from error


def text_of(summary: dict[str, Any]) -> str:
    """What went into a trace, in words: the text, or what the request says of it, or the answer."""
    asked = (summary.get("request") or {}).get("inputs")
    if isinstance(asked, dict):
        asked = next((value for value in asked.values() if isinstance(value, str)), None)
    if isinstance(asked, str) and asked.strip():
        return " ".join(asked.split())
    prediction = summary.get("prediction")
    said = prediction.get("text") if isinstance(prediction, dict) else None
    return " ".join(said.split()) if isinstance(said, str) else ""


def title_of(summary: dict[str, Any]) -> str:
    """The text's beginning and the model."""
    text = text_of(summary)
    text = text if len(text) <= TITLE else f"{text[: TITLE - 1].rstrip()}…"
    return " · ".join(part for part in (text, str(summary["model"])) if part)


def script_hash(script: str) -> str:
    """What a Content-Security-Policy knows a script or a style by."""
    return "sha256-" + b64encode(hashlib.sha256(script.encode()).digest()).decode()


@dataclass(frozen=True)
class Shell:
    """A page without its title and its trace."""

    before: bytes
    between: bytes
    after: bytes
    policy: str


@lru_cache(maxsize=4)
def _shell(folder: Path, plotly: bool, now: tuple[int, int, int]) -> Shell:
    files = Files(folder)
    inside = _Inside(files, plotly)
    document = files.page(inside)
    starter = _fit(files.text(STARTER))
    scripts = " ".join(f"'{script_hash(text)}'" for text in (*inside.scripts, starter))
    rules = (
        f"default-src 'none'; script-src {scripts}; style-src '{script_hash(inside.css)}'; img-src data: blob:; "
        "media-src data: blob:; worker-src blob:; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )
    meta = f'<meta http-equiv="Content-Security-Policy" content="{rules}">'
    document = re.sub(r'(id="(?:docs|lab)") href="[^"]*"', r"\1", document)  # of a service, which is not there
    document = re.sub(r"<html\b", '<html data-source="file"', document, count=1)
    document = re.sub(r'(<meta charset="utf-8">\n)', lambda match: f"{match[1]}  {meta}\n", document, count=1)
    before, _, rest = document.partition("<title>")
    _, _, rest = rest.partition("</title>")
    body, _, _ = rest.rpartition("</body>")
    told = f'<noscript><p class="problem">{UNSTARTED}</p></noscript>\n'
    told += f'<p class="problem" id="unstarted" role="alert" hidden>{UNSTARTED}</p>\n'
    body = re.sub(r"(<body[^>]*>\n)", lambda match: match[1] + told, body, count=1)
    data = {name: f'<script type="{DATA}" id="{name}">{content}</script>\n' for name, content in inside.data.items()}
    return Shell(
        f"{before}<title>".encode(),
        f'</title>{body}{data["program"]}<script type="{DATA}" id="trace">'.encode(),
        f"</script>\n<script>{starter}</script>\n{data.get('plotly', '')}</body>\n</html>\n".encode(),
        rules,
    )


def _fit(text: str) -> str:
    """What stands in a page as it is.

    Raises:
        LinkError: it would end its own element.
    """
    if re.search(r"</(?:script|style)|<!--", text, re.IGNORECASE):
        raise LinkError("a script or a style that stands in a page has a tag in it")
    return text


@dataclass
class _Inside:
    """Tags that hold what they stand for."""

    files: Files
    plotly: bool
    css: str = ""
    scripts: list[str] = field(default_factory=list)
    data: dict[str, str] = field(default_factory=dict)

    def styles(self, names: list[str], attributes: str) -> str:
        self.css = _fit(self.files.css(names))
        return f"<style{attributes}>{self.css}</style>"

    def script(self, name: str) -> str:
        text = _fit(self.files.text(name))
        self.scripts.append(text)
        return f"<script>{text}</script>"

    def module(self, name: str) -> str:
        self._pack("program", self.files.module(name, lambda each: self._worker(name, each)))
        return ""

    def later(self, name: str, attributes: str) -> str:
        if self.plotly:
            self._pack("plotly", self.files.text(name))
        return ""

    def _worker(self, main: str, name: str) -> str:
        """A worker's program stands in the program that begins it.

        It is a plain script: of a module, Chromium has none from a blob: address in a page from disk.
        """
        source = self.files.module(join(rooted(main)[0], name), lambda each: self._worker(main, each))
        blob = f'new Blob([{quoted(STRICT + source)}], {{ type: "text/javascript" }})'
        return f"new Worker(URL.createObjectURL({blob}))"

    def _pack(self, name: str, script: str) -> None:
        self.scripts.append(script)
        self.data[name] = b64encode(packed(script.encode())).decode()
