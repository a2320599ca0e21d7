"""Figures: gaps for masked cells, and thinned labels."""

import numpy as np
import pytest

from heedmap.app.render import figures

WEIGHTS = np.array([[1.0, 0.0], [0.25, 0.75]], np.float32)
VISIBLE = np.array([[True, False], [True, True]])


def test_a_window_keeps_its_place_in_the_map() -> None:
    drawn = figures.figure(WEIGHTS, VISIBLE, ["c", "d"], ["x", "x"], title="t", axes=("q", "k"), origin=(2, 5))
    [heatmap] = drawn["data"]
    assert (heatmap["x"].tolist(), heatmap["y"].tolist()) == ([5, 6], [2, 3])
    assert np.isnan(heatmap["z"]).tolist() == (~VISIBLE).tolist()
    assert drawn["layout"]["xaxis"]["tickvals"] == [5, 6]
    assert drawn["layout"]["xaxis"]["ticktext"] == ["x", "x"], "equal tokens keep columns of their own"


def test_a_mask_that_is_not_known_leaves_weights_as_they_are() -> None:
    [heatmap] = figures.figure(WEIGHTS, None, ["c", "d"], ["x", "y"], title="t", axes=("q", "k"))["data"]
    assert heatmap["z"].tolist() == WEIGHTS.tolist()


def test_weights_have_a_scale_to_one_and_other_measures_to_their_largest() -> None:
    low = WEIGHTS / 2
    [heatmap] = figures.figure(low, VISIBLE, ["c", "d"], ["x", "y"], title="t", axes=("q", "k"))["data"]
    assert (heatmap["zmax"], heatmap["colorbar"]["title"]["text"]) == (1, "weight")
    drawn = figures.figure(low, VISIBLE, ["c", "d"], ["x", "y"], title="t", axes=("q", "k"), measure="value-norm")
    [heatmap] = drawn["data"]
    assert (heatmap["zmax"], heatmap["colorbar"]["title"]["text"]) == (0.5, "value-norm")


@pytest.mark.parametrize(
    ("head", "measure", "expected"),
    [
        (3, "weights", "cross · layer 2 · head 3"),
        ("mean", "weights", "cross · layer 2 · mean of heads"),
        ("all", "value-norm", "cross · layer 2 · all heads · value-norm"),
    ],
)
def test_a_map_is_called_after_its_place(head: int | str, measure: str, expected: str) -> None:
    assert figures.map_title("cross", 2, head, measure) == expected


def test_many_labels_are_thinned() -> None:
    labels = [str(number) for number in range(200)]
    block = np.zeros((1, 200), np.float32)
    drawn = figures.figure(block, block == 0, ["q"], labels, title="t", axes=("q", "k"))
    assert drawn["layout"]["xaxis"]["tickvals"] == list(range(0, 200, 4))
    assert drawn["layout"]["xaxis"]["ticktext"][1] == "4"


def test_all_heads_have_a_menu() -> None:
    drawn = figures.figure(np.stack([WEIGHTS] * 3), VISIBLE, ["a", "b"], ["x", "y"], title="t", axes=("q", "k"))
    assert [trace["visible"] for trace in drawn["data"]] == [True, False, False]
    assert drawn["layout"]["updatemenus"][0]["buttons"][2]["args"] == [{"visible": [False, False, True]}]


def test_what_has_a_sign_diverges_around_zero() -> None:
    values = np.array([[-3.0, 1.0]], np.float32)
    named = {"title": "t", "axes": ("q", "k"), "measure": "gradient"}
    [heatmap] = figures.figure(values, None, ["c"], ["x", "y"], **named)["data"]
    assert (heatmap["zmin"], heatmap["zmax"]) == (-3.0, 3.0)
    assert heatmap["colorscale"][5] == (0.5, "rgb(247,247,247)")
    [heatmap] = figures.figure(np.abs(values), None, ["c"], ["x", "y"], **named, signed=True)["data"]
    assert (heatmap["zmin"], heatmap["zmax"]) == (-3.0, 3.0)
    [heatmap] = figures.figure(np.abs(values), None, ["c"], ["x", "y"], **named)["data"]
    assert (heatmap["zmin"], heatmap["zmax"]) == (0, 3.0)
