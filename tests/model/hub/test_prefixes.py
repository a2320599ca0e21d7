"""Checkpoints go on from a beginning, and say what else could stand at each place, as transformers' pass has it."""

from pathlib import Path

import pytest
import torch

from heedmap.model.errors import ParameterError
from heedmap.model.hub.tasks.transformers_generate import end_tokens
from tests.model.hub import checkpoints, media_checkpoints
from tests.model.hub.serving import ask, request, served

TEXT = "The girl is reading"
CLOSE = 1e-4
FAMILIES = {
    "gpt2": "text-generation",
    "llama": "text-generation",
    "marian": "translation",
    "nllb": "translation",
    "t5": "text2text-generation",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_an_output_goes_on_from_its_beginning(tmp_path: Path, family: str) -> None:
    model = served(getattr(checkpoints, family)(tmp_path), FAMILIES[family])
    languages = {"src_lang": "eng_Latn", "tgt_lang": "deu_Latn"} if family == "nllb" else {}
    free = request(TEXT, max_new_tokens=5, **languages)
    prediction = ask(model, TEXT, max_new_tokens=5, **languages)
    places = list(model.likeliest(free, prediction, 3))
    assert prediction.score == pytest.approx(sum(place.written.log_probability for place in places), abs=CLOSE)
    axes, count = prediction.axes, len(places)
    with torch.inference_mode():  # by transformers itself
        if "target" in axes:
            inputs = {"input_ids": torch.tensor([axes["source"].ids])}
            inputs["decoder_input_ids"] = torch.tensor([axes["prefix"].ids])
            logits = model.loaded.model(**inputs).logits[0]
        else:
            logits = model.loaded.model(torch.tensor([axes["tokens"].ids])).logits[0, -count - 1 : -1]
    for place, row in zip(places, logits.log_softmax(dim=-1), strict=True):
        best = row.topk(3)
        assert [candidate.id for candidate in place.tokens] == best.indices.tolist()
        assert [c.log_probability for c in place.tokens] == pytest.approx(best.values.tolist(), abs=CLOSE)
    ends = end_tokens(model.loaded.model)
    other = next(candidate.id for candidate in places[2].tokens[1:] if candidate.id not in ends)
    begun = [*(place.written.id for place in places[:2]), other]
    for beams in (1, 2):
        answer = ask(model, TEXT, max_new_tokens=3, prefix=begun, beam_size=beams, **languages)
        ids = (answer.axes["target"] if "target" in axes else answer.axes["tokens"]).ids[-len(answer.tokens) :]
        assert ids[:3] == begun
        assert len(ids) == 6 or ids[-1] in ends
    assert ask(model, TEXT, max_new_tokens=3, prefix="book", **languages).text.startswith("book")
    with pytest.raises(ParameterError) as caught:
        ask(model, TEXT, prefix=[10**6], **languages)
    assert caught.value.field == "parameters.prefix.0"


def test_a_task_that_goes_on_from_nothing_says_so(tmp_path: Path) -> None:
    model = served(media_checkpoints.captioner(tmp_path / "captioner"), "image-to-text")
    with pytest.raises(ParameterError, match="no given beginning") as caught:
        ask(model, model.runner.example, prefix="A")
    assert caught.value.field == "parameters.prefix"
    classifier = served(checkpoints.bert(tmp_path / "bert", "sequence-classification"), "text-classification")
    prediction = ask(classifier, TEXT)
    with pytest.raises(ParameterError, match="writes no tokens"):
        list(classifier.likeliest(request(TEXT), prediction, 3))
