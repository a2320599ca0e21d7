"""Maps as Plotly figures: those of the service and those of the clients, so nothing beyond the base install is needed.

The axes are numeric and the tokens their tick labels: as categories, equal tokens would fall on one column. Masked
cells are gaps, so that they differ from zero.
"""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedmap.app.render.colours import plotly_scale
from heedmap.app.render.isolate import isolated
from heedmap.app.render.labels import readable

LABELS = 64  # tick labels on an axis: more overlap at 1,000 pixels
WEIGHTS = "weights"  # the measure that maps have unless another is asked for


def map_title(site: str, layer: int, head: int | str, measure: str = WEIGHTS) -> str:
    """What a map is called: its layer and head from 0, or mean, max or all of its heads."""
    heads = f"head {head}" if isinstance(head, int) else "all heads" if head == "all" else f"{head} of heads"
    return f"{site} · layer {layer} · {heads}" + ("" if measure == WEIGHTS else f" · {measure}")


def figure(
    weights: NDArray[np.float32],
    visible: NDArray[np.bool_] | None,
    queries: Sequence[str],
    keys: Sequence[str],
    *,
    title: str,
    axes: tuple[str, str],
    origin: tuple[int, int] = (0, 0),
    measure: str = WEIGHTS,
    signed: bool | None = None,
) -> dict[str, Any]:
    """A Plotly figure of a window (R, C), or of all heads (H, R, C) with a menu to choose among them.

    visible: (R, C), whose other cells are gaps; None where that is not known: all are drawn. queries, keys: the labels
    of its rows and columns; axes: what they are called; origin: the window's first row and column in the map; measure:
    what the values are: weights have a scale to 1, others to their largest. signed: whether the scale diverges around
    zero; where that is not known, if one of the values is negative.
    """
    signed = bool((weights < 0).any()) if signed is None else signed
    top, name = (1.0, "weight") if measure == WEIGHTS else (float(np.abs(weights).max()) or 1.0, measure)
    panels = weights if weights.ndim == 3 else weights[None]
    rows, columns = np.arange(len(queries)) + origin[0], np.arange(len(keys)) + origin[1]
    hover = f"{axes[0]} %{{y}}<br>{axes[1]} %{{x}}<br>{name} %{{z:.6g}}"
    traces = [
        {
            "type": "heatmap",
            "name": f"head {head}",
            "z": panel if visible is None else np.where(visible, panel, np.float32(np.nan)),
            "x": columns,
            "y": rows,
            "zmin": -top if signed else 0,
            "zmax": top,
            "colorscale": plotly_scale(signed),
            "colorbar": {"title": {"text": name}, "thickness": 12, "outlinewidth": 0},
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
    step = -(-len(labels) // LABELS)
    places = range(0, len(labels), step)
    texts = readable(labels)
    # Plotly reads tags in text; a token that looks like one is shown as it is.
    return {
        "tickmode": "array",
        "tickvals": [origin + place for place in places],
        "ticktext": [html.escape(isolated(texts[place]), quote=False) for place in places],
    }
