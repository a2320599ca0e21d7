"""Sources, whole: the span that decides is found and checked, on every kind of model and at any length."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from heedmap.app.requests.sources import METHODS, SourcesRequest
from heedmap.app.service import sources
from heedmap.app.service.jobs.kind import Progress, Work
from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import Cancelled, HeedmapError
from heedmap.model.load import load
from heedmap.model.sources import fit
from heedmap.model.sources.removal import cuts
from heedmap.model.sources.values import value_of
from heedmap.model.trace.trace import Trace
from tests import writer
from tests.app.service.searching import PASSAGES, result, work_with
from tests.model.hub import checkpoints
from tests.model.sources.decisive import ANSWER, QUESTION, SECRET, decisive

CONTEXT = " ".join(PASSAGES)
EXACT = 1e-3  # nats


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return work_with(decisive(tmp_path_factory.mktemp("decisive")), "text-generation")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = checkpoints.llama(tmp_path_factory.mktemp("llama"), chat=True, max_position_embeddings=256)
    return work_with(folder, "text-generation")


@pytest.fixture(scope="module")
def extractive(tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = checkpoints.bert(tmp_path_factory.mktemp("bert"), "question-answering", max_position_embeddings=256)
    return work_with(folder, "question-answering")


@pytest.mark.parametrize("removal", ["cut", "text"])
def test_the_span_that_decides_is_first_of_every_method(causal: Work, removal: str) -> None:
    made, told = result(causal, answer=ANSWER, removal=removal, check=1)
    for name in METHODS:
        assert made["methods"][name]["top"] == [2], name
        assert made["methods"][name]["agreement"] > 0.8, name
    assert (made["answer"], made["generated"], made["removal"]) == (ANSWER, False, removal)
    assert made["methods"]["ablation"]["fit"]["r2"] > 0.9
    assert np.shape(made["methods"]["attention"]["head_weights"]) == (1, 4)
    spans = made["spans"]
    assert [span["text"] for span in spans] == PASSAGES
    assert [span["passage"] for span in spans] == [0, 1, 2, 3]
    assert [span["checked"] is None for span in spans] == [True, True, False, True]
    assert spans[2]["checked"]["before"] == made["log_probability"]
    assert spans[2]["checked"]["after"] < made["log_probability"] - 3
    by_ablation = [span["scores"]["ablation"] for span in spans]
    assert by_ablation[2] > 3
    assert max(abs(score) for place, score in enumerate(by_ablation) if place != 2) < 0.5
    assert told[-1] == Progress(made["passes"], made["passes"], "passes")
    assert made["passes"] <= 1 + 32 + 8 + 1
    assert all(one.done <= other.done <= other.of for one, other in itertools.pairwise(told))


def test_sentences_of_one_text_are_told_apart(causal: Work) -> None:
    made, _ = result(causal, context=CONTEXT, answer=ANSWER, method=["gradient"], ablations=0)
    assert [span["text"] for span in made["spans"]] == PASSAGES
    assert made["methods"]["gradient"]["top"][0] == 2
    assert made["methods"]["gradient"]["agreement"] is None
    first, last = made["spans"][2]["characters"]
    assert CONTEXT[first:last] == PASSAGES[2]
    [whole] = result(causal, context=CONTEXT, answer=ANSWER, by="passages", method=["gradient"], ablations=0)[0][
        "spans"
    ]
    assert whole["text"] == CONTEXT
    assert whole["checked"]["after"] < whole["checked"]["before"] - 3


def test_what_is_checked_is_what_traces_with_and_without_say(llama: Work) -> None:
    made, _ = result(llama, context=PASSAGES[:3], answer=" a book", check=2, ablations=8)
    inputs = {"messages": [{"role": "user", "content": "\n\n".join([*PASSAGES[:3], QUESTION])}]}
    request = Request(inputs, " a book")
    ranges = [tuple(span["tokens"]) for span in made["spans"]]
    checked = [place for place, span in enumerate(made["spans"]) if span["checked"]]
    assert len(checked) >= 2
    [plain] = llama.model.trace([request])
    assert isinstance(plain, Trace)
    assert made["tokens"] == len(plain.axes["tokens"]) - len(plain.prediction.tokens)
    for place in checked:
        edits = cuts("decoder", ranges, [at != place for at in range(3)], causal=True)
        [edited] = llama.model.trace([replace(request, edits=tuple(edits))])
        assert isinstance(edited, Trace)
        both = made["spans"][place]["checked"]
        assert both["before"] == pytest.approx(plain.prediction.score, abs=EXACT)
        assert both["after"] == pytest.approx(edited.prediction.score, abs=EXACT)
    text = "\n\n".join([*PASSAGES[:3], QUESTION])
    for (first, last), passage in zip(ranges, PASSAGES, strict=False):
        spans = plain.axes["tokens"].spans[first:last]
        covered = text[spans[0][0] : spans[-1][1]]
        assert covered.strip() == passage


def test_ablations_are_passes_over_random_subsets(llama: Work) -> None:
    made, _ = result(llama, answer=" a book", method=["ablation"], ablations=16, seed=5, check=0)
    request = Request({"messages": [{"role": "user", "content": "\n\n".join([*PASSAGES, QUESTION])}]}, " a book")
    ranges = [tuple(span["tokens"]) for span in made["spans"]]
    masks = np.random.default_rng(5).random((20, 4)) < 0.5
    edits = [tuple(cuts("decoder", ranges, kept.tolist(), causal=True)) for kept in masks]
    outcomes = llama.model.predict([replace(request, edits=each) for each in edits])
    observed = fit.logits(np.array([value_of(outcome, "text-generation") for outcome in outcomes]))
    line = fit.lasso(masks[:16].astype(float), observed[:16])
    scores = [span["scores"]["ablation"] for span in made["spans"]]
    assert scores == pytest.approx(line.weights, abs=1e-2)
    again, _ = result(llama, answer=" a book", method=["ablation"], ablations=16, seed=5, check=0)
    assert again == made
    other, _ = result(llama, answer=" a book", method=["ablation"], ablations=16, seed=6, check=0)
    assert other["spans"] != made["spans"]


def test_the_models_own_answer_is_asked_about_unless_one_is_given(llama: Work) -> None:
    three = Parameters(max_new_tokens=3)
    made, told = result(llama, method=["gradient"], ablations=0, check=0, parameters=three)
    messages = {"messages": [{"role": "user", "content": "\n\n".join([*PASSAGES, QUESTION])}]}
    [written] = llama.model.predict([Request(messages, None, three)])
    assert not isinstance(written, HeedmapError)
    assert (made["answer"], made["generated"], made["passes"]) == (written.text, True, 2)
    assert told[0] == Progress(1, 2, "passes")


def test_fitted_weights_of_heads_can_be_given_again(causal: Work) -> None:
    made, _ = result(causal, answer=ANSWER, method=["attention"], check=1)
    weights = made["methods"]["attention"]["head_weights"]
    other = [*PASSAGES[:2], PASSAGES[3], PASSAGES[2]]
    again, _ = result(
        causal, context=other, answer=ANSWER, method=["attention"], head_weights=weights, ablations=0, check=1
    )
    assert again["methods"]["attention"]["top"] == [3]
    assert again["methods"]["attention"]["head_weights"] == weights
    assert again["passes"] == 2


@pytest.mark.parametrize("rows", ["answer", "all"])
def test_question_answering(extractive: Work, rows: str) -> None:
    made, _ = result(extractive, answer="girl", rows=rows, check=4, ablations=16)
    assert made["task"] == "question-answering"
    request = Request({"question": QUESTION, "context": "\n\n".join(PASSAGES)}, "girl")
    [plain] = extractive.model.predict([request])
    assert made["log_probability"] == pytest.approx(value_of(plain, made["task"]), abs=EXACT)
    ranges = [tuple(span["tokens"]) for span in made["spans"]]
    for place, span in enumerate(made["spans"]):
        edits = cuts("encoder", ranges, [at != place for at in range(4)], causal=False)
        [edited] = extractive.model.trace([replace(request, edits=tuple(edits))])
        assert isinstance(edited, Trace)
        assert span["checked"]["after"] == pytest.approx(value_of(edited.prediction, made["task"]), abs=EXACT)
    written, _ = result(extractive, ablations=0, method=["gradient"], check=0)
    assert written["generated"]
    assert written["answer"] in "\n\n".join(PASSAGES)


def test_a_native_language_model(tmp_path: Path) -> None:
    model = load(writer.tiny(tmp_path))
    work = Work("native", model, model.describe())
    context = ["Köln liegt am Rhein.", "The girl reads."]
    made, _ = result(work, context=context, answer="Ja.", ablations=8, check=2)
    data = "\n\n".join([*context, QUESTION]).encode() + b"\n"
    first, last = made["spans"][0]["tokens"]
    assert data[first:last].decode() == context[0]
    ranges = [tuple(span["tokens"]) for span in made["spans"]]
    request = Request("\n\n".join([*context, QUESTION]) + "\n", "Ja.")
    [edited] = model.trace([replace(request, edits=tuple(cuts("decoder", ranges, [False, True], causal=True)))])
    assert isinstance(edited, Trace)
    assert made["spans"][0]["checked"]["after"] == pytest.approx(edited.prediction.score, abs=EXACT)


class Largest(TorchDispatchMode):
    """Notes how many elements the largest tensor has that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outcome = func(*args, **(kwargs or {}))
        made = [leaf.numel() for leaf in tree_leaves(outcome) if isinstance(leaf, torch.Tensor)]
        self.elements = max([self.elements, *made])
        return outcome


def test_at_8192_tokens_memory_is_linear(tmp_path: Path) -> None:
    work = work_with(decisive(tmp_path, positions=16_384), "text-generation")
    filler = "The girl is reading a beautiful book about Cologne. "
    passages = [filler * 12] * 27
    passages[13] = f"The book is {SECRET} here."
    with Largest() as largest:
        made, _ = result(
            work, context=passages, answer=ANSWER, method=["gradient", "attention"], head_weights=[[1, 0, 0, 0]],
            ablations=0, check=1,
        )  # fmt: skip
    assert made["tokens"] > 8192
    assert made["methods"]["gradient"]["top"] == made["methods"]["attention"]["top"] == [13]
    assert made["spans"][13]["checked"]["after"] < made["log_probability"] - 1
    assert largest.elements <= 1 << 24, "a map of one head has four times as many"


def test_it_stops_between_two_passes(causal: Work) -> None:
    body = SourcesRequest(context=PASSAGES, question=QUESTION, answer=ANSWER)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 12

    work = Work(causal.name, causal.model, causal.facts, step=stop)
    steps = sources.steps(body, work)
    told: list[Progress] = []
    with pytest.raises(Cancelled):
        told.extend(steps)
    assert 0 < told[-1].done < 12
    assert list(steps) == []
