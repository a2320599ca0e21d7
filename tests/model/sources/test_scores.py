"""Sums over spans against autograd through explicit weights, in strips of any size."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from numpy.typing import NDArray

from heedmap.model.contract import Objective, Request
from heedmap.model.errors import ParameterError
from heedmap.model.sources import scores
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints
from tests.model.hub.serving import served

RANGES = [(1, 5), (5, 6), (0, 0), (8, 12)]
PROMPT, TARGET = "The girl is late. The train is here.\n\nWho?\n", " The girl"
Array = NDArray[np.float64]


def result(parts: Generator[None, None, Array]) -> tuple[Array, int]:
    """What a generator returns, and how often it paused."""
    for pauses in range(10_000):
        try:
            next(parts)
        except StopIteration as end:
            return end.value, pauses
    raise AssertionError


def of_spans(cells: torch.Tensor, rows: list[int] | None, both: bool) -> Array:
    """The same sums, cell by cell (L H Q K)."""
    sums = np.zeros((*cells.shape[:2], len(RANGES)))
    for number, (first, last) in enumerate(RANGES):
        for query in range(cells.shape[2]):
            for key in range(cells.shape[3]):
                inside = first <= query < last, first <= key < last
                counts = (
                    inside[1] if rows is not None else inside == (False, True) or (both and inside == (True, False))
                )
                if counts and (rows is None or query in rows):
                    sums[:, :, number] += cells[:, :, query, key].numpy()
    return sums


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trace]:
    folder = checkpoints.llama(tmp_path_factory.mktemp("llama"))
    [trace] = served(folder, "text-generation").trace([Request(PROMPT, TARGET, objective=Objective(tokens="all"))])
    assert isinstance(trace, Trace)
    return folder, trace


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trace]:
    folder = checkpoints.bert(tmp_path_factory.mktemp("bert"), "question-answering")
    request = Request({"question": "Who?", "context": "The girl is here. The train is late."}, "The girl")
    [trace] = served(folder, "question-answering").trace(
        [Request(request.inputs, request.target, objective=Objective(tokens="all"))]
    )
    assert isinstance(trace, Trace)
    return folder, trace


def reference(cls: Any, folder: Path, trace: Trace, **more: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights, and weights times their gradients (L H Q K), by transformers' eager attention and autograd."""
    network = cls.from_pretrained(folder, attn_implementation="eager").eval()
    ids = torch.tensor([trace.axes["tokens"].ids])
    outputs = network(input_ids=ids, output_attentions=True, **more)
    if "logits" in outputs:
        count = len(trace.prediction.tokens)
        chosen = outputs.logits[0, -count - 1 : -1].log_softmax(-1).gather(1, ids[0, -count:, None]).sum()
    else:
        axis = trace.axes["tokens"]
        context = [at for at, part in enumerate(axis.segments or []) if part == 1 and not axis.special[at]]
        inside = [at for at in context if axis.spans[at][0] < len("The girl")]
        first, last = outputs.start_logits[0].log_softmax(-1), outputs.end_logits[0].log_softmax(-1)
        chosen = first[inside[0]] + last[inside[-1]]
    assert trace.objective is not None
    assert float(chosen.detach()) == pytest.approx(trace.objective["value"], abs=1e-4)
    gradients = torch.autograd.grad(chosen, outputs.attentions)
    weights = torch.stack([layer[0].detach() for layer in outputs.attentions])
    return weights, weights * torch.stack([gradient[0] for gradient in gradients])


@pytest.mark.parametrize("rows", [[11, 12, 13, 15], None])
def test_a_causal_models_sums_are_autograds(
    llama: tuple[Path, Trace], rows: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, trace = llama
    weights, products = reference(hf.AutoModelForCausalLM, folder, trace)
    for cells, dense in ((scores.weights, weights), (scores.gradients, products)):
        ours, _ = result(scores.between(trace, "decoder", cells, RANGES, rows, causal=True))
        right = of_spans(dense, rows, both=False)
        assert ours == pytest.approx(right, abs=2e-4 * np.abs(right).max())
        monkeypatch.setattr(scores, "STRIP", 1)
        again, pauses = result(scores.between(trace, "decoder", cells, RANGES, rows, causal=True))
        assert again == pytest.approx(ours, abs=1e-6)
        assert pauses == 2 * (len(trace.axes["tokens"]) if rows is None else len(rows))
        monkeypatch.undo()


@pytest.mark.parametrize("rows", [[2, 9], None])
def test_a_bidirectional_models_sums_are_autograds(bert: tuple[Path, Trace], rows: list[int] | None) -> None:
    folder, trace = bert
    segments = torch.tensor([trace.axes["tokens"].segments])
    weights, products = reference(hf.AutoModelForQuestionAnswering, folder, trace, token_type_ids=segments)
    for cells, dense in ((scores.weights, weights), (scores.gradients, products)):
        ours, _ = result(scores.between(trace, "encoder", cells, RANGES, rows, causal=False))
        right = of_spans(dense, rows, both=rows is None)
        assert ours == pytest.approx(right, abs=2e-4 * np.abs(right).max())


def test_without_an_objective_there_are_no_gradients(llama: tuple[Path, Trace]) -> None:
    [trace] = served(llama[0], "text-generation").trace([Request(PROMPT, TARGET)])
    assert isinstance(trace, Trace)
    with pytest.raises(ParameterError, match="this trace has no objective"):
        result(scores.between(trace, "decoder", scores.gradients, RANGES, [5], causal=True))
