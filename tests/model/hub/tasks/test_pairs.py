"""Sentence pairs, read with their segments as transformers reads them; special tokens however they are named."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from heedmap.model.errors import EmptyInput, InputTooLong, ParameterError
from heedmap.model.hub.served import HubModel
from tests.model.hub import checkpoints
from tests.model.hub.serving import ask, request, served, trace

TEXT, SECOND = "Where is the station?", "Angela Smith lives in New York."
PAIR = {"text": TEXT, "text_pair": SECOND}
MASKED = {"text": "Where is the [MASK]?", "text_pair": "The [MASK] is late again."}


def theirs(folder: Path, cls: Any, pair: dict[str, str]) -> tuple[dict[str, torch.Tensor], Any]:
    """transformers' own call: what the tokenizer made of a pair, and what the model made of that."""
    read = hf.AutoTokenizer.from_pretrained(folder)(pair["text"], pair["text_pair"], return_tensors="pt")
    model = cls.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.inference_mode():
        return read, model(**read, output_attentions=True)


def is_read_as_theirs(model: HubModel, pair: dict[str, str], read: Any, outputs: Any) -> None:
    """The tokens, their segments, the characters that they cover, and every map."""
    actual = trace(model, pair)
    axis = actual.axes["tokens"]
    assert axis.ids == read["input_ids"][0].tolist()
    assert axis.segments == read["token_type_ids"][0].tolist()
    texts = (pair["text"], pair["text_pair"])
    for number, text in enumerate(texts):
        others = [at for at, of in enumerate(axis.segments or []) if of == number and not axis.special[at]]
        assert "".join(text[slice(*axis.spans[at])] for at in others) == text.replace(" ", "")
    assert [axis.labels[at] for at, special in enumerate(axis.special) if special] == ["[CLS]", "[SEP]", "[SEP]"]
    for layer, weights in enumerate(outputs.attentions):
        torch.testing.assert_close(actual.map("encoder", layer).dense(), weights[0], atol=1e-5, rtol=0)


def test_fill_mask(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path, "masked"), "fill-mask")
    read, outputs = theirs(tmp_path, hf.BertForMaskedLM, MASKED)
    is_read_as_theirs(model, MASKED, read, outputs)
    places = (read["input_ids"][0] == model.loaded.tokenizer.mask_token_id).nonzero()[:, 0]
    best = outputs.logits[0][places].softmax(-1).topk(5)
    for row, values, tokens in zip(ask(model, MASKED).output, best.values, best.indices, strict=True):
        assert [entry["token"] for entry in row] == tokens.tolist()
        assert [entry["score"] for entry in row] == pytest.approx(values.tolist(), abs=1e-5)


def test_text_classification(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path, "sequence-classification"), "text-classification")
    read, outputs = theirs(tmp_path, hf.BertForSequenceClassification, PAIR)
    is_read_as_theirs(model, PAIR, read, outputs)
    scores = {entry["label"]: entry["score"] for entry in ask(model, PAIR).output}
    expected = outputs.logits[0].softmax(-1).tolist()
    assert [scores[name] for name in ("bad", "fair", "good")] == pytest.approx(expected, abs=1e-5)
    swapped = ask(model, {"text": SECOND, "text_pair": TEXT})
    assert swapped.score != pytest.approx(ask(model, PAIR).score, abs=1e-5)


def test_token_classification(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path, "token-classification"), "token-classification")
    read, outputs = theirs(tmp_path, hf.BertForTokenClassification, PAIR)
    is_read_as_theirs(model, PAIR, read, outputs)
    scores = outputs.logits[0].softmax(-1)
    axis = trace(model, PAIR).axes["tokens"]
    expected = [
        (at, checkpoints.ENTITIES[int(row.argmax())], float(row.max()))
        for at, row in enumerate(scores)
        if not axis.special[at] and int(row.argmax())
    ]
    actual = ask(model, PAIR, aggregation_strategy="none").output
    assert [(entry["index"], entry["entity"]) for entry in actual] == [row[:2] for row in expected]
    assert [entry["score"] for entry in actual] == pytest.approx([row[2] for row in expected], abs=1e-5)
    assert {entry["segment"] for entry in actual} == {0, 1}
    for entry in actual:
        assert (PAIR["text"], PAIR["text_pair"])[entry["segment"]][entry["start"] : entry["end"]]
    for strategy in ("simple", "first", "average", "max"):
        for entry in ask(model, PAIR, aggregation_strategy=strategy).output:
            assert entry["end"] <= len((TEXT, SECOND)[entry["segment"]]), "no entity goes over both texts"


def test_feature_extraction(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path), "feature-extraction")
    read, outputs = theirs(tmp_path, hf.BertModel, PAIR)
    is_read_as_theirs(model, PAIR, read, outputs)
    torch.testing.assert_close(torch.tensor(ask(model, PAIR).output), outputs.last_hidden_state, atol=1e-4, rtol=1e-4)


def test_pairs_and_texts_share_a_batch(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path, "sequence-classification"), "text-classification")
    inputs = [PAIR, TEXT, {"text": SECOND, "text_pair": TEXT}]
    for one, actual in zip(inputs, model.predict([request(each) for each in inputs]), strict=True):
        assert actual.score == pytest.approx(ask(model, one).score, abs=1e-5)
        assert (actual.axes["tokens"].segments is None) == isinstance(one, str)


@pytest.mark.parametrize(
    ("pair", "error", "field"),
    [
        ({"text": "", "text_pair": SECOND}, EmptyInput, "inputs.text"),
        ({"text": TEXT, "text_pair": " "}, EmptyInput, "inputs.text_pair"),
        ({"text": TEXT, "text_pair": "train " * 90}, InputTooLong, "inputs.text_pair"),
        ({"text": "train " * 90, "text_pair": SECOND}, InputTooLong, "inputs.text"),
    ],
)
def test_the_text_at_fault_is_named(tmp_path: Path, pair: Any, error: type[Exception], field: str) -> None:
    model = served(checkpoints.bert(tmp_path, "sequence-classification"), "text-classification")
    with pytest.raises(error) as caught:
        ask(model, pair)
    assert getattr(caught.value, "field", None) == field


def test_a_model_of_one_segment_says_so(tmp_path: Path) -> None:
    folder = checkpoints.bert(tmp_path, "sequence-classification", type_vocab_size=1)
    with pytest.raises(ParameterError, match="made for one text at a time") as caught:
        ask(served(folder, "text-classification"), PAIR)
    assert caught.value.field == "inputs.text_pair"


@pytest.mark.parametrize("flagged", [True, False], ids=["flagged", "inserted alone"])
def test_special_tokens_that_only_tokenizer_json_names(tmp_path: Path, flagged: bool) -> None:
    folder = checkpoints.bert(tmp_path, "sequence-classification")
    for file in ("special_tokens_map.json", "added_tokens.json"):
        (folder / file).unlink(missing_ok=True)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    state = json.loads((folder / "tokenizer.json").read_text())
    for token in state["added_tokens"]:
        token["special"] = flagged
    (folder / "tokenizer.json").write_text(json.dumps(state))
    model = served(folder, "text-classification")
    assert model.loaded.tokenizer.all_special_tokens == []
    axis = trace(model, TEXT).axes["tokens"]
    assert (axis.labels[0], axis.labels[-1]) == ("[CLS]", "[SEP]")
    assert axis.special == [True, *[False] * (len(axis) - 2), True]
    assert (axis.spans[0], axis.spans[-1]) == ((0, 0), (0, 0))
