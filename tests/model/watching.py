"""A watch that writes down what it is told, and the comparison of that with the trace."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from heedmap.model.contract import Axis, Request
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Place, Token, Watch

CLOSE = 1e-5


class Notes(Watch):
    """Axes and tokens as they came; `patience` is after how many tokens nobody waits any more."""

    def __init__(self, maps: Sequence[Place] = (), patience: int | None = None) -> None:
        self.maps, self.patience = maps, patience
        self.axes: dict[str, Axis] = {}
        self.tokens: list[Token] = []

    def __call__(self) -> bool:
        return self.patience is not None and len(self.tokens) >= self.patience

    def start(self, axes: Mapping[str, Axis]) -> None:
        assert not self.tokens
        assert not self.axes
        self.axes = dict(axes)

    def token(self, token: Token) -> None:
        assert self.axes, "the axes come first"
        self.tokens.append(token)


def watched(model: Any, request: Request, maps: Sequence[Place] = ()) -> tuple[Notes, Trace]:
    """The notes of a watched trace, and the trace, which is the one that nobody watches: checked."""
    notes = Notes(maps)
    [trace] = model.trace([request], notes)
    [alone] = model.trace([request])
    assert isinstance(trace, Trace), trace
    assert replace(trace.prediction, score=0.0) == replace(alone.prediction, score=0.0)
    assert abs(trace.prediction.score - alone.prediction.score) < CLOSE
    return notes, trace


def every_map(model: Any) -> list[Place]:
    """Every layer of the sites that grow, in all the ways that heads can be asked for."""
    return [
        (site["name"], layer, head)
        for site in model.describe()["sites"]
        if site["name"] in ("decoder", "cross")
        for layer in range(site["layers"])
        for head in ("all", "mean", "max", site["heads"] - 1)
    ]


def check(notes: Notes, trace: Trace, axis: str, maps: Sequence[Place], *, told: int = 0, after: int = 0) -> None:
    """Tokens, text and log-probabilities are the prediction's, and the rows are the trace's.

    told: tokens of the output's axis that the model was given to begin with. after: tokens behind the last that was
    written, where there may be some.
    """
    prediction, tokens = trace.prediction, notes.tokens
    given = notes.axes.get(axis)
    begun = told if given is None else len(given)
    written = prediction.axes[axis]
    assert [token.index for token in tokens] == list(range(len(tokens)))
    ids, labels = written.ids[begun:][: len(tokens)], written.labels[begun:][: len(tokens)]
    assert [token.id for token in tokens] == ids
    assert [token.label for token in tokens] == labels
    assert len(prediction.axes[axis]) - begun - len(tokens) in (0, after)
    assert "".join(token.text for token in tokens) == prediction.text
    parts = [token.log_probability for token in tokens if token.log_probability is not None]
    assert len(parts) == len(tokens)
    assert prediction.score is not None
    assert abs(sum(parts) - prediction.score) < 1e-4
    for name, axis_given in notes.axes.items():
        whole = prediction.axes[name]
        assert whole.ids[: len(axis_given)] == axis_given.ids
        assert whole.spans[: len(axis_given)] == axis_given.spans
    for token in tokens:
        assert [(row.site, row.layer, row.head) for row in token.rows] == list(maps)
        for row in token.rows:
            expected = trace.map(row.site, row.layer).window(slice(row.query, row.query + 1))[:, 0].numpy()
            match row.head:
                case int():
                    expected = expected[row.head]
                case "mean":
                    expected = expected.mean(axis=0)
                case "max":
                    expected = expected.max(axis=0)
            known = row.values.shape[-1]
            assert row.values.dtype == np.float32
            np.testing.assert_allclose(row.values, expected[..., :known], atol=CLOSE, rtol=0)
            assert known == (row.query + 1 if row.site == "decoder" else expected.shape[-1])
            assert not expected[..., known:].any(), "what is still to come has no weight"
