"""What the clients answer with: numpy arrays, the names of their rows and columns, and Plotly figures of them."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heedmap.app.render import figures
from heedmap.model.prediction import Axis, Prediction

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def arrays(content: bytes) -> list[Any]:
    """The arrays of a body of npy files, one after the other."""
    stream, read = io.BytesIO(content), []
    while stream.tell() < len(content):
        read.append(np.load(stream, allow_pickle=False))
    return read


@dataclass(frozen=True, eq=False)
class Window:
    """A block of a map, exact, with what its rows and columns stand for.

    `weights` is float32 of shape (rows, columns); with head "all" it has a leading axis of heads. A masked cell is 0.
    `rows` and `cols` are the half-open ranges of queries and keys that it covers, and `axes` what those are called.
    `visible` is bool of shape (rows, columns), the same for every head: which cells the mask leaves visible. It is None
    where that was not asked for, or where the service did not say.
    """

    weights: NDArray[np.float32]
    queries: list[str]
    keys: list[str]
    title: str
    rows: tuple[int, int]
    cols: tuple[int, int]
    visible: NDArray[np.bool_] | None = None
    axes: tuple[str, str] = ("queries", "keys")
    measure: str = figures.WEIGHTS

    def figure(self) -> "Figure":
        """The figure that the service draws of the same window, as Plotly's own: with all heads, a menu of them.

        Keys run from left to right, queries from top to bottom; masked cells are gaps, which differ from weights of 0.
        Where `visible` is None no cell is a gap.
        """
        from plotly.graph_objects import Figure  # takes a while to import, and nothing else here needs it

        drawn = figures.figure(
            self.weights,
            self.visible,
            self.queries,
            self.keys,
            title=self.title,
            axes=self.axes,
            origin=(self.rows[0], self.cols[0]),
            measure=self.measure,
        )
        return Figure(drawn)


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
            visible = None if entry.get("visible") is None else np.asarray(entry["visible"], dtype=bool)
            axes = entry["queries"], entry["keys"]
            queries, keys = (prediction.axes[name].labels for name in axes)
            title = figures.map_title(entry["site"], entry["layer"], entry["head"])
            ranges = (0, weights.shape[-2]), (0, weights.shape[-1])
            windows.append(Window(weights, queries, keys, title, *ranges, visible, axes))
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
    """A trace that the service keeps; its maps are asked for by its id.

    durable: whether its file is whole, so that it outlives the service; on an accelerator that follows in a moment.
    objective: what its gradients are of, and its `value`; edits: what was changed in its pass.
    """

    id: str
    model: str
    task: str
    prediction: Prediction
    sites: dict[str, Site]
    certificate: dict[str, Any]
    bytes: int
    created_at: str | None
    expires_at: str | None
    durable: bool = True
    objective: dict[str, Any] | None = None
    edits: tuple[dict[str, Any], ...] = ()

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
            data.get("durable", True),
            data.get("objective"),
            tuple(data.get("edits", ())),
        )

    def window(
        self,
        site: str,
        layer: int,
        head: int | str,
        weights: NDArray[np.float32],
        rows: tuple[int, int],
        cols: tuple[int, int],
        visible: NDArray[np.bool_] | None = None,
        measure: str = figures.WEIGHTS,
    ) -> Window:
        """Weights that belong to this trace, with the labels of their rows and columns."""
        place = self.sites[site]
        queries, keys = self.axes[place.queries].labels[slice(*rows)], self.axes[place.keys].labels[slice(*cols)]
        which = head % place.heads if isinstance(head, int) else head
        title = figures.map_title(site, layer % place.layers, which, measure)
        return Window(weights, queries, keys, title, rows, cols, visible, (place.queries, place.keys), measure)


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
