"""Maps as Plotly figures: the figure's JSON, and a page that needs nothing beside itself.

The axes are numeric and the tokens their tick labels: as categories, equal tokens would fall on one column. Masked
cells are gaps, so that they differ from zero.
"""

import hashlib
import html
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedmap.app.render.colours import plotly_scale
from heedmap.app.render.isolate import isolated
from heedmap.app.render.wire import to_json
from heedmap.app.settings import HEADER_LABELS, STATIC

CONFIG = {"showSendToCloud": False, "displaylogo": False, "responsive": True}
DRAW = """
const figure = JSON.parse(document.getElementById("figure").textContent);
Plotly.newPlot("map", figure.data, figure.layout, figure.config);
"""


def figure(
    weights: NDArray[np.float32],
    visible: NDArray[np.bool_],
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    title: str,
    axes: tuple[str, str],
    origin: tuple[int, int] = (0, 0),
    top: float = 1.0,
    measure: str = "weight",
) -> dict[str, Any]:
    """A Plotly figure of a window (R, C), or of all heads (H, R, C) with a menu to choose among them.

    queries, keys: the labels of its rows and columns; axes: what they are called; origin: the window's first row and
    column in the map; top, measure: the scale's end and name.
    """
    panels = weights if weights.ndim == 3 else weights[None]
    rows, columns = np.arange(len(queries)) + origin[0], np.arange(len(keys)) + origin[1]
    hover = f"{axes[0]} %{{y}}<br>{axes[1]} %{{x}}<br>{measure} %{{z:.6g}}"
    traces = [
        {
            "type": "heatmap",
            "name": f"head {head}",
            "z": np.where(visible, panel, np.float32(np.nan)),
            "x": columns,
            "y": rows,
            "zmin": 0,
            "zmax": top,
            "colorscale": plotly_scale(),
            "colorbar": {"title": {"text": measure}, "thickness": 12, "outlinewidth": 0},
            "hoverongaps": False,
            "hovertemplate": hover + (f"<extra>head {head}</extra>" if weights.ndim == 3 else "<extra></extra>"),
            "visible": head == 0,
        }
        for head, panel in enumerate(panels)
    ]
    layout: dict[str, Any] = {
        "title": {"text": html.escape(title, quote=False)},
        "template": {},
        "plot_bgcolor": "#d9d9d9",  # shows through the gaps: masked
        "xaxis": {
            "title": {"text": axes[1]},
            "side": "top",
            "showgrid": False,
            "zeroline": False,
            **_ticks(keys, origin[1]),
        },
        "yaxis": {
            "title": {"text": axes[0]},
            "autorange": "reversed",
            "showgrid": False,
            "zeroline": False,
            **_ticks(queries, origin[0]),
        },
        "margin": {"t": 120, "l": 120},
    }
    if weights.ndim == 3:
        buttons = [
            {
                "label": f"head {head}",
                "method": "restyle",
                "args": [{"visible": [other == head for other in range(len(panels))]}],
            }
            for head in range(len(panels))
        ]
        layout["updatemenus"] = [{"buttons": buttons, "x": 1, "xanchor": "right", "y": 1.2, "yanchor": "bottom"}]
    return {"data": traces, "layout": layout}


def _ticks(labels: Sequence[str], origin: int) -> dict[str, Any]:
    """Every token's label where there is room, else every n-th."""
    step = -(-len(labels) // HEADER_LABELS)
    places = range(0, len(labels), step)
    # Plotly reads tags in text; a token that looks like one is shown as it is.
    return {
        "tickmode": "array",
        "tickvals": [origin + place for place in places],
        "ticktext": [html.escape(isolated(labels[place]), quote=False) for place in places],
    }


def page(drawn: dict[str, Any], title: str) -> bytes:
    """A page of a figure, Plotly included; serve it with `page_policy`."""
    data = to_json({**drawn, "config": CONFIG}).replace(b"<", b"\\u003c")  # a token "</script>" ends nothing
    bundle, _ = _bundle()
    return b"".join(
        [
            b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>',
            html.escape(title).encode(),
            b'</title>\n<meta name="viewport" content="width=device-width">\n<script>',
            bundle,
            b"</script>\n<style>html, body, #map { height: 100%; margin: 0 }</style></head>\n",
            b'<body><div id="map"></div>\n<script type="application/json" id="figure">',
            data,
            b"</script>\n<script>",
            DRAW.encode(),
            b"</script></body></html>\n",
        ]
    )


def page_policy() -> str:
    """The Content-Security-Policy that lets the page's own two scripts run and nothing else, in its own origin."""
    scripts = f"'{_bundle()[1]}' '{_hash(DRAW.encode())}'"
    images = "img-src data: blob:; sandbox allow-scripts allow-downloads"
    return f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; {images}"


@cache
def _bundle() -> tuple[bytes, str]:
    """The Plotly bundle that the explorer ships, and its hash."""
    script = next((STATIC / "vendor").glob("plotly-cartesian*.min.js")).read_bytes()
    script = script.replace(b"</script", b"<\\/script").replace(b"\r\n", b"\n")
    return script, _hash(script)


def _hash(script: bytes) -> str:
    return "sha256-" + b64encode(hashlib.sha256(script).digest()).decode()
