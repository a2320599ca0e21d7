"""What a search for sources refuses, and what it says."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from heedmap.app.requests.sources import MOST_SPANS
from heedmap.app.service.jobs.kind import Work
from heedmap.model.errors import InputError
from heedmap.model.load import load
from tests.app.service.searching import result, work_with
from tests.model.hub import checkpoints
from tests.model.sources.decisive import ANSWER, decisive


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


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"context": ""}, "context", "the context is empty"),
        ({"context": []}, "context", "the list of passages is empty"),
        ({"context": ["One.", " "]}, "context.1", "an empty passage"),
        ({"context": [1]}, "context.0", "expected text, got a number"),
        ({"context": ["a" * 150_000] * 2}, "context", "300,000 characters, at most 200,000"),
        ({"context": ["One."] * (MOST_SPANS + 1)}, "context", "1,001 passages, at most 1,000"),
        ({"question": " "}, "question", "the text is empty"),
        ({"answer": ""}, "answer", "the answer is empty"),
        ({"template": "{context}"}, "template", "{context} and {question} stand once each"),
        ({"method": []}, "method", "at least one of gradient"),
        ({"method": ["gradient", "lrp"]}, "method.1", "no such method: there are gradient, ablation, attention"),
        ({"method": ["gradient", "gradient"]}, "method", "each once"),
        ({"head_weights": [[1, "a"]]}, "head_weights.0.1", "expected a finite number"),
        ({"head_weights": [[1], []]}, "head_weights", "a list of layers"),
        ({"head_weights": [[float("nan")]]}, "head_weights.0.0", "expected a finite number"),
    ],
)
def test_what_is_wrong_in_itself_is_named(causal: Work, fields: Any, field: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        result(causal, **fields)
    [error] = caught.value.errors()
    cause = error["ctx"]["error"]
    assert ".".join([*map(str, error["loc"]), *([cause.field] if cause.field else [])]) == field
    assert words in str(cause)


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"context": "No. " * (MOST_SPANS + 1)}, "context", "the context has 1,001 sentences, at most 1,000"),
        ({"context": "... \n\n ..."}, None, ""),
        ({"ablations": 7}, "ablations", "take at least 8"),
        ({"ablations": 0}, "ablations", "take at least 8"),
        ({"head_weights": [[1, 2]]}, "head_weights", "1 layers of 4 heads"),
        ({"head_weights": [[1, 2, 3, 4]], "method": ["gradient"]}, "head_weights", "for the method attention"),
        ({"context": "The book is here. " * 60}, "context", "the model has positions for 256"),
        ({"question": "The book is here. " * 60}, "context", "the model has positions for 256"),
        ({"answer": "The book is here. " * 60}, "answer", "the model has positions for 256"),
        ({"template": "{question} {context}"}, "template", "something behind {context}"),
    ],
)
def test_what_this_model_cannot_do_is_named(causal: Work, fields: Any, field: str | None, words: str) -> None:
    whole = {"answer": ANSWER, "by": "sentences" if isinstance(fields.get("context"), str) else None, **fields}
    if field is None:
        assert result(causal, **whole, ablations=8)[0]["spans"]
        return
    with pytest.raises(InputError) as caught:
        result(causal, **whole)
    assert caught.value.field == field
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"removal": "text"}, "removal", "the answer is a part of the context"),
        ({"template": "{context} {question}"}, "template", "no template"),
        ({"answer": "a horse"}, "answer", "does not stand in the context"),
    ],
)
def test_what_question_answering_cannot_do_is_named(extractive: Work, fields: Any, field: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        result(extractive, **fields)
    assert caught.value.field == field
    assert words in str(caught.value)


def test_models_without_one_stack_that_reads_all_say_so(tiny: Path, tmp_path: Path) -> None:
    model = load(tiny)
    with pytest.raises(InputError, match="this is one of translation") as caught:
        result(Work("tiny", model, model.describe()))
    assert caught.value.field == "model"


def test_models_whose_attention_cannot_be_cut_say_so(llama: Work) -> None:
    for facts, fields, field, words in (
        ({"attention": "eager"}, {}, "removal", "cannot be cut"),
        ({"attention": "eager"}, {"removal": "text"}, "method", "no gradient"),
        ({"unrecorded": ["mamba"]}, {}, "removal", "by more than attention (1 modules)"),
    ):
        with pytest.raises(InputError) as caught:
            result(Work("other", llama.model, {**llama.facts, **facts}), **fields)
        assert caught.value.field == field
        assert words in str(caught.value)
