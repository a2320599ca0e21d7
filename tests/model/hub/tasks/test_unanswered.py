"""Inputs that show where a model looks and give its task nothing to answer: traced, and refused as predictions."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from heedmap.model.contract import Unanswered
from heedmap.model.errors import InputError, ParameterError
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints
from tests.model.hub.serving import ask, request, served

PLAIN = "Where is the station?"
PAIR = {"text": "Where is the station?", "text_pair": "The train is late."}


@pytest.mark.parametrize(
    ("head", "task", "inputs", "message", "whole"),
    [
        ("masked", "fill-mask", PLAIN, "there is no mask in the text: write [MASK]", "Where is the [MASK]?"),
        ("masked", "fill-mask", PAIR, "no mask in the text", {**PAIR, "text": "The [MASK] is late."}),
        ("question-answering", "question-answering", PLAIN, "reads a question with its context", None),
        ("question-answering", "question-answering", PAIR, "reads a question with its context", None),
    ],
    ids=["fill-mask", "fill-mask of a pair", "question-answering", "question-answering of a pair"],
)
def test_the_maps_are_the_models_and_the_prediction_is_empty(
    tmp_path: Path, head: str, task: str, inputs: Any, message: str, whole: Any
) -> None:
    model = served(checkpoints.bert(tmp_path, head), task)
    with pytest.raises(InputError, match=message.replace("[", r"\[")) as caught:
        ask(model, inputs)
    assert caught.value.field == "inputs"
    full = whole or {"question": "Where?", "context": "The train is late."}
    trace, answered = model.trace([request(inputs), request(full)])
    assert isinstance(trace, Trace)
    assert isinstance(answered, Trace)
    assert isinstance(trace.prediction, Unanswered)
    assert (trace.prediction.to_json(), trace.prediction.text, trace.prediction.score) == ([], "", None)
    assert not isinstance(answered.prediction, Unanswered)
    assert answered.prediction.to_json() != []
    assert trace.certificate.warning is None
    texts = [inputs] if isinstance(inputs, str) else [inputs["text"], inputs["text_pair"]]
    read = hf.AutoTokenizer.from_pretrained(tmp_path)(*texts, return_tensors="pt")
    assert trace.axes["tokens"].ids == read["input_ids"][0].tolist()
    theirs = hf.AutoModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
    with torch.inference_mode():
        expected = theirs(**read, output_attentions=True).attentions
    for layer, weights in enumerate(expected):
        torch.testing.assert_close(trace.map("encoder", layer).dense(), weights[0], atol=1e-5, rtol=0)


def test_a_trace_without_an_answer_is_read_back_from_its_file(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path / "bert", "masked"), "fill-mask")
    [trace] = model.trace([request(PLAIN)])
    assert isinstance(trace, Trace)
    trace.save(tmp_path / "trace.safetensors")
    again = Trace.load(tmp_path / "trace.safetensors")
    assert again.prediction.to_json() == []
    torch.testing.assert_close(again.map("encoder", 1).dense(), trace.map("encoder", 1).dense(), atol=1e-6, rtol=0)


def test_neighbours_of_what_cannot_be_answered_are_answered(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path, "masked"), "fill-mask")
    first, refused, last = model.predict([request(text) for text in ("a [MASK]", PLAIN, "the [MASK] is late")])
    assert isinstance(refused, ParameterError)
    assert first.text == ask(model, "a [MASK]").text
    assert last.text == ask(model, "the [MASK] is late").text
