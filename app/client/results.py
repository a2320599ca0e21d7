"""What the clients answer with: numpy arrays, the names of their rows and columns, and Plotly figures of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heedmap.model.prediction import Axis, Prediction

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PANELS_PER_ROW = 4  # of a figure of all heads: a layer of eight is two rows, still legible on a laptop


@dataclass(frozen=True, eq=False)
class Window:
    """A block of a map, exact, with what its rows and columns stand for.

    `weights` is float32 of shape (rows, columns); with head "all" it has a leading axis of heads. A masked cell is 0.
    `rows` and `cols` are the half-open ranges of queries and keys that it covers.
    """

    weights: NDArray[np.float32]
    queries: list[str]
    keys: list[str]
    title: str
    rows: tuple[int, int]
    cols: tuple[int, int]

    def figure(self) -> "Figure":
        """A Plotly heatmap: keys from left to right, queries from top to bottom; a panel per head."""
        from plotly.graph_objects import Figure, Heatmap
        from plotly.subplots import make_subplots

        panels = self.weights[None] if self.weights.ndim == 2 else self.weights
        if len(panels) == 1:
            figure = Figure()
        else:
            columns = min(PANELS_PER_ROW, len(panels))
            titles = [f"head {head}" for head in range(len(panels))]
            figure = make_subplots(math.ceil(len(panels) / columns), columns, subplot_titles=titles)
        for index, panel in enumerate(panels):
            place = {} if len(panels) == 1 else {"row": index // columns + 1, "col": index % columns + 1}
            # Numbered axes with token texts as ticks: equal tokens used as categories would fall into one column.
            heatmap = Heatmap(z=panel, coloraxis="coloraxis", hovertemplate="%{y} → %{x}: %{z:.6g}<extra></extra>")
            figure.add_trace(heatmap, **place)
            figure.update_xaxes(tickvals=list(range(len(self.keys))), ticktext=self.keys, **place)
            ticks = {"tickvals": list(range(len(self.queries))), "ticktext": self.queries}
            figure.update_yaxes(autorange="reversed", **ticks, **place)
        figure.update_layout(title=self.title, coloraxis={"colorscale": "Cividis", "cmin": 0.0})
        return figure


@dataclass(frozen=True)
class Answer:
    """A prediction, and the maps that were asked for with it."""

    model: str
    task: str
    prediction: Prediction
    attention: list[Window] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The predicted text."""
        return self.prediction.text

    @property
    def axes(self) -> dict[str, Axis]:
        """What the queries and keys of the maps stand for."""
        return self.prediction.axes

    @property
    def finish_reason(self) -> str | None:
        """Why a generated text ended: "stop", or "length" where it was cut; None of every other answer."""
        return self.prediction.finish_reason

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Answer":
        """The answer of POST /v1/predict."""
        prediction = _prediction(data)
        windows = []
        for entry in data.get("attention") or []:
            weights = np.asarray(entry["weights"], dtype=np.float32)
            queries, keys = prediction.axes[entry["queries"]].labels, prediction.axes[entry["keys"]].labels
            title = _title(entry["site"], entry["layer"], entry["head"])
            ranges = (0, weights.shape[-2]), (0, weights.shape[-1])
            windows.append(Window(weights, queries, keys, title, *ranges))
        return cls(data["model"], data["task"], prediction, windows)


@dataclass(frozen=True)
class Site:
    """Where attention happens in a trace: its layers and heads, and the axes and shape of its maps."""

    name: str
    layers: int
    heads: int
    kv_heads: int
    queries: str
    keys: str
    shape: tuple[int, int]


@dataclass(frozen=True)
class TraceSummary:
    """A trace that the service keeps; its maps are asked for by its id."""

    id: str
    model: str
    task: str
    prediction: Prediction
    sites: dict[str, Site]
    certificate: dict[str, Any]
    bytes: int
    created_at: str | None
    expires_at: str | None

    @property
    def text(self) -> str:
        """The predicted text."""
        return self.prediction.text

    @property
    def axes(self) -> dict[str, Axis]:
        """What the queries and keys of the maps stand for."""
        return self.prediction.axes

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "TraceSummary":
        """The answer of POST /v1/traces."""
        sites = {
            row["name"]: Site(
                row["name"],
                row["layers"],
                row["heads"],
                row["kv_heads"],
                row["queries"],
                row["keys"],
                (row["shape"][0], row["shape"][1]),
            )
            for row in data["sites"]
        }
        return cls(
            data["id"],
            data["model"],
            data["task"],
            _prediction(data),
            sites,
            dict(data["certificate"]),
            data["bytes"],
            data.get("created_at"),
            data.get("expires_at"),
        )

    def window(
        self,
        site: str,
        layer: int,
        head: int | str,
        weights: NDArray[np.float32],
        rows: tuple[int, int],
        cols: tuple[int, int],
    ) -> Window:
        """Weights that belong to this trace, with the labels of their rows and columns."""
        place = self.sites[site]
        queries, keys = self.axes[place.queries].labels[slice(*rows)], self.axes[place.keys].labels[slice(*cols)]
        return Window(weights, queries, keys, _title(site, layer % place.layers, head), rows, cols)


@dataclass(frozen=True, eq=False)
class Attention:
    """The bare operator's answer, float32: output, lse (NaN where a row sees nothing) and, unless declined, weights."""

    output: NDArray[np.float32]
    lse: NDArray[np.float32]
    weights: NDArray[np.float32] | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Attention":
        """The answer of POST /v1/attention."""
        weights = data.get("weights")
        output, lse = (np.asarray(data[name], dtype=np.float32) for name in ("output", "lse"))
        return cls(output, lse, None if weights is None else np.asarray(weights, dtype=np.float32))


def _prediction(data: Mapping[str, Any]) -> Prediction:
    axes = {name: Axis.from_json(axis) for name, axis in data["axes"].items()}
    return Prediction.from_json(data["prediction"], axes)


def _title(site: str, layer: int, head: int | str) -> str:
    return f"{site}, layer {layer}, " + (f"head {head}" if isinstance(head, int) else f"{head} of heads")
