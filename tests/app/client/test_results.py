"""Windows and their figures: which cells the mask hides, and one figure in the service and in the clients."""

import dataclasses
from typing import Any

import httpx
import numpy as np
import pytest
from plotly.graph_objects import Figure

from heedmap.app.client.api import Client
from heedmap.app.client.results import TraceSummary, Window
from tests.app.client.conftest import TEXT


@pytest.fixture(scope="module")
def trace(client: Client) -> TraceSummary:
    """A trace of the service's."""
    return client.trace(TEXT)


def plain(drawn: Any) -> Any:
    """A figure's parts as JSON has them: arrays as lists, floats as float32 has them, gaps as None."""
    if isinstance(drawn, dict):
        return {name: plain(part) for name, part in drawn.items()}
    if isinstance(drawn, list | tuple | np.ndarray):
        return [plain(part) for part in drawn]
    if isinstance(drawn, float | np.floating):
        return None if np.isnan(drawn) else float(np.float32(drawn))
    return drawn.item() if isinstance(drawn, np.generic) else drawn


def parts(figure: Figure) -> dict[str, Any]:
    """A figure's data and layout."""
    layout = figure.layout.to_plotly_json()
    return plain({"data": [trace.to_plotly_json() for trace in figure.data], "layout": layout})  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("site", "head", "rows", "cols", "measure"),
    [
        ("decoder", 3, None, None, "weights"),
        ("decoder", -1, (1, 4), (2, 5), "weights"),
        ("decoder", "all", None, None, "weights"),
        ("decoder", 0, None, None, "value-norm"),
        ("cross", 2, None, None, "weights"),
        ("cross", "mean", (2, 4), None, "weights"),
        ("cross", "max", None, (1, 3), "weights"),
        ("encoder", "all", (1, 3), (2, 5), "value-norm"),
    ],
)
def test_the_client_draws_what_the_service_draws(
    client: Client,
    url: str,
    trace: TraceSummary,
    site: str,
    head: int | str,
    rows: tuple[int, int] | None,
    cols: tuple[int, int] | None,
    measure: str,
) -> None:
    ranges = {name: f"{part[0]}:{part[1]}" for name, part in (("rows", rows), ("cols", cols)) if part is not None}
    path = f"{url}/v1/traces/{trace.id}/maps/{site}/-2/{head}"
    served = httpx.get(path, params={"format": "plotly", "measure": measure, **ranges}).raise_for_status().json()
    window = client.map(trace, site, layer=-2, head=head, rows=rows, cols=cols, measure=measure)
    drawn = parts(window.figure())
    assert drawn == parts(Figure(served))
    assert drawn["data"] == plain([{**part} for part in served["data"]]), "Plotly changes nothing in it"
    assert {**drawn["layout"], "template": {}} == plain(served["layout"])


def test_masked_cells_are_gaps_and_others_numbers(client: Client, trace: TraceSummary) -> None:
    window = client.map(trace, "decoder", head=3)
    below = np.tri(*window.weights.shape, dtype=bool)
    assert window.visible is not None
    assert (window.visible.dtype, window.visible.tolist()) == (bool, below.tolist())
    z = np.asarray(window.figure().data[0].z)
    assert z.dtype == np.float32
    assert np.isnan(z).tolist() == (~below).tolist()
    assert (z[below] == window.weights[below]).all()


def test_a_zero_that_is_visible_stays_a_zero() -> None:
    weights, visible = np.array([[1, 0], [0, 1]], np.float32), np.array([[True, False], [True, True]])
    window = Window(weights, ["a", "b"], ["x", "y"], "t", (0, 2), (0, 2), visible)
    assert plain(window.figure().data[0].z) == [[1, None], [0, 1]]
    unknown = dataclasses.replace(window, visible=None)
    assert plain(unknown.figure().data[0].z) == [[1, 0], [0, 1]]


def test_the_visible_cells_can_be_left_out(client: Client, trace: TraceSummary) -> None:
    window, bare = (client.map(trace, "decoder", head="all", visible=visible) for visible in (True, False))
    assert (window.weights == bare.weights).all()
    assert window.visible is not None
    assert window.visible.shape == window.weights.shape[1:]
    assert bare.visible is None


def test_the_maps_of_an_answer_say_which_cells_are_visible(client: Client) -> None:
    wanted = [{"site": "decoder", "head": "all"}, {"site": "cross", "head": 0}]
    decoder, cross, bare = client.predict(TEXT, attention=[*wanted, {**wanted[0], "visible": False}]).attention
    assert decoder.visible is not None
    assert cross.visible is not None
    assert decoder.visible.tolist() == np.tri(*decoder.weights.shape[1:], dtype=bool).tolist()
    assert cross.visible.all()
    assert bare.visible is None
    assert decoder.axes == ("target", "prefix")
    assert np.isnan(np.asarray(decoder.figure().data[0].z)).tolist() == (~decoder.visible).tolist()
