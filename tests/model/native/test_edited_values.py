"""An objective under many edits in one batch, against a trace of each edit alone."""

from pathlib import Path
from typing import Any

import pytest
import torch

from heedmap.model.attention.batch_edits import BatchEdits
from heedmap.model.attention.edits import LayerEdits
from heedmap.model.attention.scores import ScaledDot
from heedmap.model.contract import Measurable, Objective, Parameters, Request, check_edits
from heedmap.model.errors import Cancelled, ParameterError, RangeError, TraceError
from heedmap.model.load import load
from heedmap.model.native import edited_passes
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.trace.trace import Trace
from tests.conftest import write_tiny
from tests.model.native.test_edits import KINDS, SENTENCE, TARGET, WEIGHTS

Edits = list[dict[str, Any]]
ALL = Objective(tokens="all")
SETS: list[Edits] = [
    *KINDS.values(),
    [],
    [{"kind": "replace", "token": 1, "by": 9}],
    [{"kind": "replace", "token": 0, "by": 12}, *KINDS["cut"]],
    [{"kind": "patch", "site": "decoder", "layer": 0, "head": 1, "trace": "t"}],
    [{"kind": "patch", "site": "cross", "layer": 1, "head": 3, "trace": "t", "what": "weights", "query": [0, 2]}],
]


def value_of(model: Any, edits: Edits, text: str, target: str, objective: Objective, donors: Any = None) -> float:
    """The objective in a trace of its own."""
    [trace] = model.trace([Request(text, target, Parameters(), objective, check_edits(edits), donors or {})])
    assert isinstance(trace, Trace), trace
    assert trace.objective is not None
    return float(trace.objective["value"])


def values(model: Any, request: Request, sets: list[Edits], **more: Any) -> list[float]:
    assert isinstance(model, Measurable)
    [trace] = model.trace([request])
    assert isinstance(trace, Trace), trace
    checked = [check_edits(edits) for edits in sets]
    return [number for some in model.values_under(request, trace.prediction, checked, **more) for number in some]


@pytest.mark.parametrize(
    ("objective", "budget", "base"),
    [(ALL, 2048, []), (Objective(tokens=(1,), minus=("is",)), 40, []), (ALL, 100, KINDS["silent"])],
)
def test_rows_of_a_batch_are_passes_alone(
    tiny: Path, objective: Objective, budget: int, base: Edits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(edited_passes.TOKENS, "cpu", budget)
    model = load(tiny)
    [donor] = model.trace([Request(SENTENCE, "The girl is there.")])
    sets = SETS if base == [] else SETS[:-2]
    request = Request(SENTENCE, TARGET, Parameters(), objective, check_edits(base), {"t": donor})
    batched = values(model, request, sets)
    alone = [value_of(model, base + edits, SENTENCE, TARGET, objective, {"t": donor}) for edits in [[], *sets]]
    assert batched == pytest.approx(alone, abs=1e-5)
    assert len({round(number, 4) for number in alone}) > len(sets) / 2, "they differ"


def test_means_are_of_other_passes(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model: Any = load(write_tiny(tmp_path / "model", tokenizer, positions=24))  # a random model writes on to the end
    mean = {"kind": "silence", "site": "cross", "head": 0, "how": "mean", "corpus": ["Ja.", "Das Buch."]}
    sets: list[Edits] = [[{**mean, "layer": layer}] for layer in (0, 1)]
    read, asked = model._means, []
    model._means = lambda corpus, field, cancelled: asked.append(corpus) or read(corpus, field, cancelled)
    batched = values(model, Request(SENTENCE, "The station", Parameters(), ALL), sets)
    assert asked == [("Ja.", "Das Buch.")], "once for all"
    assert batched == pytest.approx([value_of(model, s, SENTENCE, "The station", ALL) for s in [[], *sets]], abs=1e-5)


def test_every_head_of_the_shipped_model(tiny: Path) -> None:
    model: Any = load(WEIGHTS / "de-en")
    sets: list[Edits] = [
        [{"kind": "silence", "site": site, "layer": layer, "head": head, "how": how}]
        for site, layer, head, how in (
            ("encoder", 0, 0, "zero"),
            ("encoder", -1, 3, "uniform"),
            ("decoder", 0, 1, "uniform"),
            ("cross", -1, 5, "zero"),
        )
    ]
    batched = values(model, Request(SENTENCE, TARGET, Parameters(), ALL), sets)
    assert batched == pytest.approx([value_of(model, s, SENTENCE, TARGET, ALL) for s in [[], *sets]], abs=1e-5)


def test_a_recurrent_models_steps_are_edited_row_by_row(tiny_gru: Path) -> None:
    model = load(tiny_gru)
    place = {"site": "cross", "layer": 0, "head": 0}
    sets: list[Edits] = [
        [{"kind": "silence", **place}],
        [{"kind": "silence", **place, "how": "uniform"}],
        [{"kind": "temper", **place, "temperature": 3.0}],
        [{"kind": "cut", **place, "query": 1, "key": 2}],
        [{"kind": "cut", **place, "query": [1, None], "key": [0, 2], "mass": "drop"}],
        [{"kind": "replace", "token": 2, "by": 11}],
    ]
    batched = values(model, Request(SENTENCE, TARGET, Parameters(), ALL), sets)
    assert batched == pytest.approx([value_of(model, s, SENTENCE, TARGET, ALL) for s in [[], *sets]], abs=1e-5)


def test_a_language_models_rows() -> None:
    model = load(WEIGHTS / "shakespeare")
    text, target, place = "ROMEO: But soft, what", " light through", {"site": "decoder", "layer": 1, "head": 2}
    sets: list[Edits] = [
        [{"kind": "silence", **place}],
        [{"kind": "silence", **place, "layer": 0, "how": "uniform"}],
        [{"kind": "temper", **place, "layer": -1, "temperature": 3.0}],
        [{"kind": "cut", **place, "query": [9, 20], "key": 2}],
        [{"kind": "cut", "site": "decoder", "query": [5, None], "key": [0, 2], "mass": "drop"}],
        [{"kind": "replace", "token": 2, "by": 40}],
    ]
    batched = values(model, Request(text, target, Parameters(), ALL), sets)
    assert batched == pytest.approx([value_of(model, s, text, target, ALL) for s in [[], *sets]], abs=2e-5)
    request = Request(text, target, Parameters(), ALL)
    with pytest.raises(RangeError) as caught:
        values(model, request, [[{"kind": "replace", "token": len(text), "by": 40}]])
    assert caught.value.field == "edits.0.token", "what was written is no input"


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        ({"kind": "silence", "site": "cross", "layer": 0, "head": 4}, "edits.1.head"),
        ({"kind": "cut", "site": "cross", "query": 0, "key": 77}, "edits.1.key"),
        ({"kind": "cut", "site": "decoder", "query": 0, "key": 0}, "edits.1"),
        ({"kind": "replace", "token": 77, "by": 1}, "edits.1.token"),
    ],
)
@pytest.mark.parametrize("base", [[], KINDS["silent"]])
def test_an_edit_that_is_none_of_the_pass_is_named(tiny: Path, base: Edits, edit: dict[str, Any], field: str) -> None:
    request = Request(SENTENCE, TARGET, Parameters(), ALL, check_edits(base))
    with pytest.raises((RangeError, ParameterError)) as caught:
        values(load(tiny), request, [KINDS["cut"], [edit]])
    assert caught.value.field == field


def test_it_stops_between_batches(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(edited_passes.TOKENS, "cpu", 40)
    model: Any = load(tiny)
    request, asked = Request(SENTENCE, TARGET, Parameters(), ALL), 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    [trace] = model.trace([request])
    work = model.values_under(request, trace.prediction, [check_edits(KINDS["cut"])] * 9, stop)
    assert len(next(work)) > 1
    assert next(work)
    with pytest.raises(Cancelled):
        next(work)


def test_a_batch_of_other_rows_than_the_edits_is_no_pass_of_theirs() -> None:
    batch = BatchEdits("a layer", [LayerEdits("a layer"), None], [None, None])
    assert not batch.by_cells
    q = torch.zeros(3, 2, 4, 8)
    with pytest.raises(TraceError, match="a layer attended over 3 rows, where 2 edits have theirs"):
        batch.attend(q, q, q, None, None, ScaledDot(1.0))
    with pytest.raises(TraceError, match="not recorded"):
        batch.attend(q[:2], q[:2], q[:2], None, None, ScaledDot(1.0)).edited(None)
