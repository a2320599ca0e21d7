"""What is taken away has no influence any more, and what is kept is what it was."""

from dataclasses import replace
from pathlib import Path

import pytest

from heedmap.model.contract import Request
from heedmap.model.edits import Replace
from heedmap.model.sources.removal import cuts, runs, without
from heedmap.model.sources.spans import spans_of
from heedmap.model.sources.values import value_of, values, values_of
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import never
from tests.model.hub import checkpoints
from tests.model.hub.serving import served

EXACT = 1e-4  # nats


def test_spans_that_touch_go_as_one() -> None:
    ranges = [(1, 3), (3, 5), (0, 0), (6, 7), (7, 9)]
    assert runs(ranges, [False, False, False, True, False]) == [(1, 5), (7, 9)]
    [one] = cuts("decoder", ranges, [False, False, True, True, True], causal=True)
    assert one.to_json() == {
        "kind": "cut",
        "site": "decoder",
        "layer": "all",
        "head": "all",
        "query": [5, None],
        "key": [1, 5],
        "mass": "renormalise",
    }
    apart = cuts("encoder", [(0, 2), (2, 4)], [False, True], causal=False)
    assert [(edit.query, edit.key) for edit in apart] == [((2, None), (0, 2)), ((0, 2), (2, None))]  # type: ignore[union-attr]
    assert len(cuts("encoder", ranges, [False, False, True, True, True], causal=False)) == 4
    assert cuts("decoder", ranges, [True] * 5, causal=True) == []


def test_what_parts_a_span_from_the_next_goes_with_it() -> None:
    text, spans = spans_of("  One. Two.\n\nThree. ", "sentences")
    assert without(text, spans, [True, False, True]) == "One. Three."
    assert without(text, spans, [True, True, False]) == "One. Two."
    assert without(text, spans, [False] * 3) == ""


def test_a_causal_model_knows_nothing_of_a_span_that_is_cut(tmp_path: Path) -> None:
    model = served(checkpoints.llama(tmp_path, max_position_embeddings=128), "text-generation")
    request = Request("The girl is late. The train is here.\n\nWho?\n", " The girl")
    edits = cuts("decoder", [(1, 6), (9, 12)], [False, False], causal=True)
    plain, cut = values(model, request, [[], edits], never)
    assert abs(plain - cut) > 0.01
    for token in (2, 5, 10):
        other = Replace(kind="replace", token=token, by=300)
        [once], [more] = values(model, request, [[other]], never), values(model, request, [[other, *edits]], never)
        assert abs(once - plain) > 1e-3
        assert more == pytest.approx(cut, abs=EXACT)
    visible = Replace(kind="replace", token=7, by=300)
    assert abs(values(model, request, [[visible, *edits]], never)[0] - cut) > 1e-3
    first = cuts("decoder", [(0, 3)], [False], causal=True)
    assert values(model, request, [first], never)[0] != plain, "no row is left with nothing, the first neither"


def test_a_span_set_apart_neither_sees_nor_is_seen(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path, "question-answering", max_position_embeddings=128), "question-answering")
    request = Request({"question": "Who is late?", "context": "The girl is late. The train is here."}, "The girl")
    [trace] = model.trace([request])
    assert isinstance(trace, Trace)
    begin = (trace.axes["tokens"].segments or []).index(1)
    ranges = [(begin, begin + 6), (begin + 8, begin + 9)]
    edits = cuts("encoder", ranges, [False, False], causal=False)
    [apart] = model.trace([replace(request, edits=tuple(edits))])
    assert isinstance(apart, Trace)
    assert apart.certificate.warning is None
    for layer in apart.layers["encoder"]:
        weights = layer.dense()
        assert weights.sum(dim=-1) == pytest.approx(1, abs=1e-5)
        for first, last in ranges:
            others = [at for at in range(weights.shape[-1]) if not first <= at < last]
            assert weights[:, first:last, others].abs().max() == 0
            assert weights[:, others, first:last].abs().max() == 0
            assert weights[:, first:last, first:last].min() > 0
    [plain, cut] = values(model, request, [[], edits], never)
    assert cut == pytest.approx(value_of(apart.prediction, model.task), abs=EXACT)
    assert abs(plain - cut) > 1e-3


def test_values_are_the_scores_of_predictions(tmp_path: Path) -> None:
    model = served(checkpoints.llama(tmp_path / "llama"), "text-generation")
    request = Request("The girl", " reads")
    requests = [request, replace(request, inputs="The train is")]
    predictions = model.predict(requests)
    assert values_of(model, requests, never) == pytest.approx([p.score for p in predictions], abs=EXACT)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="the text is empty"):
        value_of(model.predict([replace(request, inputs=" ")])[0], model.task)
