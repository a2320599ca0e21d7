"""Tasks of encoders: the same answers as transformers' own pipelines, in batches too, with axes and maps that fit."""

import functools
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from heedmap.model.contract import Objective, Prediction, Request
from heedmap.model.errors import InputError
from heedmap.model.hub.served import HubModel
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints
from tests.model.hub.serving import ask, request, served, trace

TEXTS = [
    "Angela Smith lives in New York and works for Acme.",
    "The train is late.",
    "I don't think that's right, is it? 漢 😀",
]
FAMILIES = ("bert", "roberta", "xlm_roberta")
Maker = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Checkpoint folders, each made once: family, head and changes of its configuration."""

    @functools.cache
    def make(family: str, head: str | None = None, **changes: Any) -> Path:
        place = tmp_path_factory.mktemp("text") / family
        return Path(getattr(checkpoints, family)(place, head=head, **changes))

    return make


def pipeline(task: str, folder: Path) -> Any:
    """transformers' own, on plain SDPA."""
    return hf.pipeline(task, model=str(folder))


def rows(prediction: Prediction) -> Any:
    return prediction.to_json()


def same(ours: Any, theirs: Any, tolerance: float = 1e-6) -> None:
    """Nested answers, their numbers within a tolerance."""
    if isinstance(theirs, dict):
        assert set(ours) == set(theirs)
        for key, value in theirs.items():
            same(ours[key], value, tolerance)
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other, tolerance)
    elif isinstance(theirs, str):
        assert ours == theirs
    else:
        assert ours == pytest.approx(float(theirs), abs=tolerance)


def batch_equals_singles(model: HubModel, inputs: list[Any], tolerance: float = 1e-5, **parameters: Any) -> None:
    together = model.predict([request(one, **parameters) for one in inputs])
    traced = model.trace([request(one, **parameters) for one in inputs])
    for one, prediction, recorded in zip(inputs, together, traced, strict=True):
        alone = ask(model, one, **parameters)
        same(rows(prediction), rows(alone), tolerance)
        same(rows(recorded.prediction), rows(alone), tolerance)
        assert prediction.axes == alone.axes == recorded.prediction.axes
        assert recorded.certificate.max_error < 1e-5
        [site] = recorded.sites()
        assert site["name"] == "encoder"
        assert site["shape"] == [len(alone.axes["tokens"])] * 2


@pytest.mark.parametrize("family", FAMILIES)
def test_fill_mask(folder: Maker, family: str) -> None:
    place = folder(family, "masked")
    model, theirs = served(place, "fill-mask"), pipeline("fill-mask", place)
    mask = theirs.tokenizer.mask_token
    one, two = f"The {mask} is late again.", f"The {mask} is {mask}."
    same(rows(ask(model, one)), theirs(one))
    same(rows(ask(model, two)), theirs(two))
    same(rows(ask(model, one, top_k=2)), theirs(one, top_k=2))
    batch_equals_singles(model, [one, two, f"Where is the {mask}?"])
    axis = ask(model, one).axes["tokens"]
    at = axis.labels.index(mask)
    assert (axis.special[at], one[slice(*axis.spans[at])]) == (False, mask)


@pytest.mark.parametrize("family", FAMILIES)
def test_text_classification(folder: Maker, family: str) -> None:
    place = folder(family, "sequence-classification")
    model, theirs = served(place, "text-classification"), pipeline("text-classification", place)
    for text in TEXTS:
        same(rows(ask(model, text)), theirs(text, top_k=None))
        same(rows(ask(model, text, top_k=2)), theirs(text, top_k=2))
        for function in ("sigmoid", "softmax", "none"):
            reference = theirs(text, top_k=None, function_to_apply=function)
            same(rows(ask(model, text, function_to_apply=function)), reference)
    batch_equals_singles(model, TEXTS)
    best = ask(model, TEXTS[0])
    assert (best.text, best.score) == (best.output[0]["label"], best.output[0]["score"])


@pytest.mark.parametrize(
    ("problem", "labels"), [("multi_label_classification", 3), ("regression", 1), (None, 1), ("regression", 3)]
)
def test_what_the_scores_are_is_the_checkpoints_word(folder: Maker, problem: str | None, labels: int) -> None:
    place = folder("bert", "sequence-classification", problem_type=problem, num_labels=labels)
    reference = pipeline("text-classification", place)(TEXTS[0], top_k=None)
    same(rows(ask(served(place, "text-classification"), TEXTS[0])), reference)


def test_a_decoder_that_classifies_without_a_padding_token_answers_one_by_one(folder: Maker) -> None:
    place = folder("gpt2", "sequence-classification")
    model, theirs = served(place, "text-classification"), pipeline("text-classification", place)
    for prediction, text in zip(model.predict([request(text) for text in TEXTS]), TEXTS, strict=True):
        same(rows(prediction), theirs(text, top_k=None))
    assert [site["name"] for site in trace(model, TEXTS[0]).sites()] == ["decoder"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
def test_token_classification(folder: Maker, family: str, strategy: str) -> None:
    place = folder(family, "token-classification")
    model, theirs = served(place, "token-classification"), pipeline("token-classification", place)
    count = 0
    for text in TEXTS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that a tokenizer marks no words
            reference = theirs(text, aggregation_strategy=strategy)
        same(rows(ask(model, text, aggregation_strategy=strategy)), reference)
        count += len(reference)
    assert count > 3, "nothing was found to compare"
    if strategy == "simple":
        same(rows(ask(model, TEXTS[0])), theirs(TEXTS[0], aggregation_strategy="simple"))
        batch_equals_singles(model, TEXTS)


@pytest.mark.parametrize("family", FAMILIES)
def test_feature_extraction(folder: Maker, family: str) -> None:
    place = folder(family)
    model, theirs = served(place, "feature-extraction"), pipeline("feature-extraction", place)
    for text in TEXTS:
        same(rows(ask(model, text)), theirs(text), 1e-5)
    batch_equals_singles(model, TEXTS, 1e-5)
    lengths = torch.tensor(rows(ask(model, TEXTS[1], normalize=True))[0]).norm(dim=-1)
    assert torch.allclose(lengths, torch.ones_like(lengths), atol=1e-5)


QUESTIONS = [
    {"question": "Where does Angela live?", "context": TEXTS[0]},
    {"question": "What's late?", "context": TEXTS[1]},
]


def answer_by_trying_all(folder: Path, question: str, context: str, longest: int) -> dict[str, Any]:
    """The best span, by the product of two softmaxes over class token and context, by going through all of them."""
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    model = hf.AutoModelForQuestionAnswering.from_pretrained(folder, attn_implementation="sdpa")
    encoding = tokenizer(question, context, return_tensors="pt")
    with torch.inference_mode():
        outputs = model(**encoding)
    of = encoding.sequence_ids(0)
    context_tokens = [at for at, number in enumerate(of) if number == 1]
    start, end = (
        logits[0][[0, *context_tokens]].softmax(dim=0)[1:] for logits in (outputs.start_logits, outputs.end_logits)
    )
    score, first, last = max(
        (float(start[a] * end[b]), context_tokens[a], context_tokens[b])
        for a in range(len(context_tokens))
        for b in range(a, min(a + longest, len(context_tokens)))
    )
    left = encoding.word_to_chars(0, encoding.token_to_word(first), 1)[0]
    right = encoding.word_to_chars(0, encoding.token_to_word(last), 1)[1]
    return {"score": score, "start": left, "end": right, "answer": context[left:right]}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("longest", [1, 15])
def test_question_answering(folder: Maker, family: str, longest: int) -> None:
    place = folder(family, "question-answering")
    model = served(place, "question-answering")
    for question in QUESTIONS:
        reference = answer_by_trying_all(place, **question, longest=longest)
        same(rows(ask(model, question, max_answer_len=longest)), reference)
    batch_equals_singles(model, QUESTIONS)
    axis = ask(model, QUESTIONS[0]).axes["tokens"]
    texts = list(QUESTIONS[0].values())
    pieces = [texts[of][slice(*span)] for of, span in zip(axis.segments or [], axis.spans, strict=True)]
    assert "".join(pieces).replace(" ", "") == "".join(texts).replace(" ", "")


@pytest.mark.parametrize("family", FAMILIES)
def test_question_answering_scores_a_given_answer_where_it_likeliest_stands(folder: Maker, family: str) -> None:
    place = folder(family, "question-answering")
    model = served(place, "question-answering")
    question, context = "Who is late?", "The girl is late. The train is late."
    [plain], [scored] = (
        model.trace([Request({"question": question, "context": context}, target, objective=Objective(tokens="all"))])
        for target in (None, "late")
    )
    assert isinstance(plain, Trace)
    assert isinstance(scored, Trace)
    network = hf.AutoModelForQuestionAnswering.from_pretrained(place).eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(place)
    encoding = tokenizer(question, context, return_tensors="pt")
    with torch.inference_mode():
        outputs = network(**encoding)
    mine = [at for at, of in enumerate(encoding.sequence_ids(0)) if of == 1]
    places = [0, *mine] if tokenizer.cls_token_id == encoding["input_ids"][0, 0] else mine
    sides = outputs.start_logits[0].double(), outputs.end_logits[0].double()
    sums = []
    for first in (12, 31):  # where "late" begins
        ends = encoding.char_to_token(0, first, 1), encoding.char_to_token(0, first + 3, 1)
        logs = [side[places].log_softmax(0)[places.index(end)] for side, end in zip(sides, ends, strict=True)]
        sums.append((float(sum(logs)), first, ends))
    best, first, ends = max(sums)
    output = scored.prediction.output
    assert math.log(output["score"]) == pytest.approx(best, abs=1e-4)
    assert output["start"] <= first < output["end"]
    assert "late" in output["answer"]
    assert output["score"] <= plain.prediction.output["score"] + 1e-6
    whole = sum(float(side.log_softmax(0)[end]) for side, end in zip(sides, ends, strict=True))
    assert scored.objective is not None
    assert scored.objective["value"] == pytest.approx(whole, abs=1e-4)
    for answer, words in ((" ", "the text is empty"), ("never", "does not stand in the context")):
        [refused] = model.predict([Request({"question": question, "context": context}, answer)])
        assert isinstance(refused, InputError)
        assert refused.field == "target"
        assert words in str(refused)


def test_sentence_similarity_of_an_encoder_without_a_head_is_that_of_means(folder: Maker) -> None:
    place = folder("bert")
    model = served(place, "sentence-similarity")
    body = {"source_sentence": TEXTS[0], "sentences": TEXTS}
    tokenizer = hf.AutoTokenizer.from_pretrained(place)
    plain = hf.AutoModel.from_pretrained(place, attn_implementation="sdpa")
    with torch.inference_mode():
        means = [plain(**tokenizer(text, return_tensors="pt"))[0][0].mean(dim=0) for text in TEXTS]
    expected = [float(torch.cosine_similarity(means[0], other, dim=0)) for other in means]
    same(rows(ask(model, body)), expected)
    assert expected[0] == pytest.approx(1, abs=1e-5)
    recorded = trace(model, body)
    same(rows(recorded.prediction), expected)
    assert recorded.prediction.axes == ask(model, TEXTS[0]).axes  # the axis is of the sentence that is compared


def test_similarities_in_a_batch_are_those_of_each_alone(folder: Maker) -> None:
    model = served(folder("bert"), "feature-extraction")
    bodies = [
        {"source_sentence": TEXTS[0], "sentences": TEXTS[1:]},
        TEXTS[2],
        {"source_sentence": TEXTS[1], "sentences": TEXTS[:1]},
    ]
    batch_equals_singles(model, bodies)
