"""A trace under a cell of a notebook: the explorer with the trace in it, and no service.

JupyterLab, Notebook, VS Code and Colab show it, by anywidget's protocol. What they show is the page that `Trace.page`
writes, in a frame of its own: it asks nobody for anything, and a trace of unknown origin cannot reach the notebook.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlencode

import anywidget
import traitlets

from heedmap.model.errors import ParameterError, RangeError, TraceTooLarge
from heedmap.model.page.files import STATIC
from heedmap.model.page.trace_page import summary_of, text_of, trace_page

SCRIPT = STATIC / "notebook" / "widget.js"
LARGEST = 64 * 2**20  # bytes of a trace: notebooks pass a widget on in one message, and keep it in memory twice
LOWEST, HIGHEST = 240, 4000  # pixels: under that nothing of the map is seen, and a cell is no longer one
THEMES = ("auto", "light", "dark")


@runtime_checkable
class Savable(Protocol):
    """A `Trace`, which is not imported here: a trace file is shown without PyTorch."""

    @property
    def nbytes(self) -> int:
        """The size of its tensors."""

    def save(self, path: Path) -> int:
        """Write its file."""


class Explorer(anywidget.AnyWidget):
    """The explorer in a notebook; `show` makes it.

    page: the HTML. height: pixels. theme: auto (the notebook's), light or dark. place: what is shown first, as the
    explorer's links say it.
    """

    _esm = SCRIPT.read_text(encoding="utf-8")
    page = traitlets.Bytes().tag(sync=True)
    height = traitlets.Int(720).tag(sync=True)
    theme = traitlets.Unicode("auto").tag(sync=True)
    place = traitlets.Unicode("").tag(sync=True)
    described = ""

    def __repr__(self) -> str:
        """What stands in place of the explorer where widgets are not shown."""
        return f"<heedmap explorer: {self.described}>"


def show(
    trace: Savable | str | Path,
    *,
    site: str | None = None,
    layer: int | None = None,
    head: int | None = None,
    height: int = 720,
    theme: str = "auto",
    plotly: bool | None = None,
) -> Explorer:
    """The explorer with a trace in it, for a notebook to show under the cell; no service is needed.

    Args:
        trace: a trace, or the path of a trace file, which is read without PyTorch.
        site: whose maps are shown first; by default the explorer chooses, as it does for layer and head.
        layer: which is shown first, from 0, negatives from the end; with `head` alone.
        head: as `layer`.
        height: pixels, 240 to 4000; the lower edge can be dragged.
        theme: light, dark, or auto, which follows the notebook.
        plotly: whether Plotly is in it, two thirds of a megabyte; by default where a map is too long to do without.

    Raises:
        TraceError: it is no trace's file. TraceTooLarge: it has more than 64 MiB. RangeError: it has no such site,
        layer or head. ParameterError: a height or a theme that there is not. OSError: the file cannot be read.
    """
    if not LOWEST <= height <= HIGHEST:
        raise ParameterError(f"a height is {LOWEST} to {HIGHEST} pixels, not {height}", field="height")
    if theme not in THEMES:
        raise ParameterError(f"a theme is one of {', '.join(THEMES)}, not {theme!r}", field="theme")
    content = _content(trace)
    summary = summary_of(content)
    widget = Explorer(
        page=trace_page(content, plotly=plotly), height=height, theme=theme, place=_place(summary, site, layer, head)
    )
    widget.described = text_of(summary)[:80] or str(summary["model"])
    return widget


def _content(trace: Savable | str | Path) -> bytes:
    """The trace's file.

    Raises:
        TraceTooLarge: it would be over what notebooks pass on.
    """
    if isinstance(trace, str | Path):
        path = Path(trace)
        _check_size(path.stat().st_size)
        return path.read_bytes()
    _check_size(trace.nbytes)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.safetensors"
        trace.save(path)
        return path.read_bytes()


def _check_size(size: int) -> None:
    if size > LARGEST:
        raise TraceTooLarge(
            f"this trace has {size / 2**20:,.0f} MiB, and a notebook takes {LARGEST // 2**20}: serve it, or write it "
            "with trace.page('trace.html') and open that in a browser",
            field="trace",
        )


def _place(summary: dict[str, Any], site: str | None, layer: int | None, head: int | None) -> str:
    """The part of a link that says which map is meant."""
    if site is None and layer is None and head is None:
        return ""
    if (layer is None) != (head is None):
        raise RangeError("a map is named by its layer and its head: give both, or none", field="layer")
    sites = {each["name"]: each for each in summary["sites"]}
    if site is None:
        site = next((name for name in ("cross", *sites) if name in sites), "")
    if site not in sites:
        raise RangeError(f"site {site!r} does not exist: this trace has {', '.join(sites)}", field="site")
    place: dict[str, str | int] = {"site": site}
    for name, index, count in (("layer", layer, "layers"), ("head", head, "heads")):
        if index is None:
            continue
        many = sites[site][count]
        if not -many <= index < many:
            raise RangeError(f"{name} {index} does not exist: {site} has {count} 0 to {many - 1}", field=name)
        place[name] = index % many
    return urlencode(place)
