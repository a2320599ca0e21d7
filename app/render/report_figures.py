"""The figures of a report of robustness: curves with their intervals, and a picture of layers and heads.

Colours are numbers here, `meta.colour`: the page paints them for a light or a dark screen.
"""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from heedmap.app.render.colours import plotly_scale

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "pentagon", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot")
CALLED = {
    "typing_errors": "typing errors",
    "dropped_words": "dropped words",
    "hotflip": "HotFlip",
    "embedding_noise": "noise on embeddings",
    "fgsm": "FGSM",
    "pgd": "PGD",
}
Interval = Mapping[str, float | None]


def called(perturbation: str) -> str:
    """A perturbation's name in words."""
    return CALLED.get(perturbation, perturbation.replace("_", " "))


def number(value: Any) -> float | None:
    """A finite number, or None: JSON has null for what is none."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def curves(result: Mapping[str, Any], of: str, site: str | None = None) -> dict[str, Any]:
    """Curves against strength, one a perturbation, with error bars: of exact, agreement, or a site's divergence."""
    rows = result["curves"]
    names = list(dict.fromkeys(row["perturbation"] for row in rows))
    traces = []
    for index, name in enumerate(names):
        points = [(row["strength"], _interval(row, of, site)) for row in rows if row["perturbation"] == name]
        points = sorted((x, each) for x, each in points if number(each.get("mean")) is not None)
        means, lows, highs = ([number(each.get(part)) or 0.0 for _, each in points] for part in ("mean", "low", "high"))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": called(name),
                "meta": {"colour": index},
                "x": [x for x, _ in points],
                "y": means,
                "line": {"width": 2, "dash": DASHES[index // 4 % len(DASHES)]},
                "marker": {"size": 7, "symbol": SYMBOLS[index % len(SYMBOLS)]},
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [high - mean for mean, high in zip(means, highs, strict=True)],
                    "arrayminus": [mean - low for mean, low in zip(means, lows, strict=True)],
                    "thickness": 1.2,
                    "width": 3,
                },
                "hovertemplate": "%{x:.3g}: %{y:.4f}<extra>" + html.escape(called(name), quote=False) + "</extra>",
            }
        )
    strengths = sorted({row["strength"] for row in rows})
    decibels = result["unit"] == "dB"
    xaxis: dict[str, Any] = {
        "title": {"text": "signal-to-noise ratio, dB" if decibels else "strength", "standoff": 4},
        "tickmode": "array",
        "tickvals": strengths,
        "ticktext": [f"{strength:g}" for strength in strengths],
        **({"autorange": "reversed"} if decibels else {"type": "log"}),
    }
    yaxis: dict[str, Any] = {"rangemode": "tozero"}
    if of != "divergence":
        yaxis["range"] = [-0.03, 1.05]
    return {
        "data": traces,
        "layout": {
            "template": {},
            "xaxis": xaxis,
            "yaxis": yaxis,
            "showlegend": len(traces) > 1,
            "legend": {"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0},
            "margin": {"t": 8, "r": 12, "b": 48, "l": 48},
        },
    }


def _interval(row: Mapping[str, Any], of: str, site: str | None) -> Interval:
    interval: Interval = row["divergence"].get(site, {}) if site is not None else row[of]
    return interval


def instability(heads: Sequence[Mapping[str, Any]], site: str) -> dict[str, Any]:
    """Layers down, heads across: how far each head's rows move on average, in nats."""
    here = [head for head in heads if head["site"] == site]
    layers, width = (max(head[name] for head in here) + 1 for name in ("layer", "head"))
    grid: list[list[float | None]] = [[None] * width for _ in range(layers)]
    for head in here:
        grid[head["layer"]][head["head"]] = number(head["divergence"]["mean"])
    return {
        "data": [
            {
                "type": "heatmap",
                "z": grid,
                "xgap": 2,
                "ygap": 2,
                "zmin": 0,
                "colorscale": plotly_scale(),
                "colorbar": {"thickness": 10, "outlinewidth": 0, "title": {"text": "nats"}},
                "hoverongaps": False,
                "hovertemplate": "layer %{y}, head %{x}: %{z:.4f} nats<extra></extra>",
            }
        ],
        "layout": {
            "template": {},
            "xaxis": {"title": {"text": "head", "standoff": 4}, "showgrid": False, "zeroline": False, **_whole(width)},
            "yaxis": {
                "title": {"text": "layer"},
                "autorange": "reversed",
                "showgrid": False,
                "zeroline": False,
                **_whole(layers),
            },
            "margin": {"t": 8, "r": 12, "b": 44, "l": 48},
        },
    }


def _whole(count: int) -> dict[str, Any]:
    """Ticks on whole numbers, at most a dozen."""
    return {"tickmode": "linear", "tick0": 0, "dtick": max(1, -(-count // 12))}
