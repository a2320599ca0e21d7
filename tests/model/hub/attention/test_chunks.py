"""A decoder's long text goes in by chunks: the maps and answers of one pass, and no model taken on trust."""

from typing import Any

import pytest
import torch
import transformers

from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.errors import Cancelled, TraceError
from heedmap.model.hub.attention import chunks
from heedmap.model.hub.attention.recorder import prepare, record
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.served import HubModel
from heedmap.model.hub.tasks.registry import TASKS
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints
from tests.model.hub.attention.test_bands import gemma, mistral, oss
from tests.model.hub.families import BY_NAME

TEXT = "The girl is reading a book about the train, and the train is late again, I think; who knows."
DECODERS = [
    "gpt2",
    "opt",
    "phi",
    "gpt-neox",
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "mixtral",
    "gemma2",
    "gemma3",
    "gpt-oss",
]


@pytest.mark.parametrize("chunk", [13, 40, 39])
@pytest.mark.parametrize("build", [mistral, gemma, oss])
def test_chunks_give_the_maps_of_the_whole(build: Any, chunk: int) -> None:
    model = build()
    ids = torch.randint(5, 600, (1, 40), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        expected = model(ids, output_attentions=True)
        wiring = prepare(model)
        with record(wiring) as recorder:
            outputs = chunks.read(model, inputs, recorder=recorder, chunk=chunk)
    torch.testing.assert_close(outputs.logits[:, -1], expected.logits[:, -1], atol=1e-4, rtol=1e-4)
    maps = recorder.maps(0, {"decoder": (40, 40)})
    assert recorder.certify(0, maps).warning is None
    for layer, weights in zip(maps["decoder"], expected.attentions, strict=True):
        torch.testing.assert_close(layer.dense(), weights[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [*DECODERS, "gpt-oss"])
def test_decoders_read_in_chunks(name: str) -> None:
    model = BY_NAME[name].build("eager")
    ids = torch.randint(5, model.config.vocab_size, (1, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(ids).logits[:, -1]
        with record(prepare(model)) as recorder:
            traced = chunks.tried(model, {"input_ids": ids}, recorder)
    assert traced is not None
    torch.testing.assert_close(traced, expected.float(), atol=1e-4, rtol=1e-4)


@pytest.fixture
def tokenizer(tmp_path: Any) -> Any:
    return transformers.AutoTokenizer.from_pretrained(checkpoints.gpt2(tmp_path / "tokenizer"))


def served(model: Any, tokenizer: Any) -> HubModel:
    return HubModel(Loaded(model, model.config, tokenizer, revision="r"), TASKS["text-generation"])


@pytest.mark.parametrize("build", [mistral, gemma])
@pytest.mark.parametrize("options", [{}, {"beam_size": 2}, {"target": " who knows?"}])
def test_a_long_text_is_answered_and_traced_in_chunks(
    build: Any, options: dict[str, Any], tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = options.get("target")
    parameters = Parameters(max_new_tokens=4, beam_size=options.get("beam_size", 1))
    requests = [Request(TEXT, target, parameters), Request("The train", target, parameters)]
    wholes = served(build(), tokenizer).trace(requests)
    monkeypatch.setattr(chunks, "CHUNK", 8)
    model = served(build(), tokenizer)
    assert model.chunked
    read: list[int] = []
    forward = model.loaded.model.model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        ids = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
        read.append(ids.shape[1])
        return forward(*args, **kwargs)

    monkeypatch.setattr(model.loaded.model.model, "forward", counted)
    for request, whole, traced in zip(requests, wholes, model.trace(requests), strict=True):
        assert isinstance(whole, Trace)
        assert isinstance(traced, Trace)
        assert traced.prediction.text == whole.prediction.text
        assert traced.prediction.score == pytest.approx(whole.prediction.score, abs=1e-4)
        assert traced.certificate.warning is None
        for one, other in zip(traced.layers["decoder"], whole.layers["decoder"], strict=True):
            torch.testing.assert_close(one.dense(), other.dense(), atol=1e-5, rtol=0)
        [predicted] = model.predict([request])
        assert isinstance(predicted, Prediction)
        assert predicted.text == whole.prediction.text
    assert max(read) <= 8 + 5  # a chunk, and what the logits of a given text need


def test_texts_that_outgrow_a_chunk_together_are_traced_as_a_batch(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [Request(text, parameters=Parameters(max_new_tokens=6)) for text in (TEXT, TEXT[:60])]
    wholes = served(mistral(), tokenizer).trace(requests)
    assert all(isinstance(whole, Trace) for whole in wholes)
    prompts = [len(served(mistral(), tokenizer).runner.prepare(one).axes["tokens"]) for one in requests]
    monkeypatch.setattr(chunks, "CHUNK", max(prompts))  # each fits, but not with what is written after it
    for whole, traced in zip(wholes, served(mistral(), tokenizer).trace(requests), strict=True):
        assert isinstance(whole, Trace)
        assert isinstance(traced, Trace)
        assert traced.prediction.text == whole.prediction.text
        for one, other in zip(traced.layers["decoder"], whole.layers["decoder"], strict=True):
            torch.testing.assert_close(one.dense(), other.dense(), atol=1e-5, rtol=0)


def test_a_reader_who_goes_away_stops_the_reading() -> None:
    model = mistral()
    with pytest.raises(Cancelled):
        chunks.read(model, {"input_ids": torch.ones(1, 9, dtype=torch.long)}, lambda: True)


def test_a_model_that_forgets_its_cache_reads_whole(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = mistral()
    forward, name = model.model.forward, chunks.cache_argument(model.model)
    monkeypatch.setattr(model.model, "forward", lambda *a, **k: forward(*a, **{**k, name: None}))
    assert not served(model, tokenizer).chunked


def test_a_model_whose_forward_takes_no_cache_is_said_to() -> None:
    """A fill-mask head, for one."""
    model = BY_NAME["bert"].build("eager")
    with pytest.raises(TypeError, match="takes no cache"):
        chunks.cache_argument(model)


def test_masks_of_cells_are_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mistral()
    monkeypatch.setattr("heedmap.model.hub.attention.bands._causal_band", lambda *arguments: None)
    ids = torch.ones(1, 12, dtype=torch.long)
    with torch.no_grad(), record(prepare(model)) as recorder, pytest.raises(TraceError, match="cell by cell"):
        chunks.read(model, {"input_ids": ids}, recorder=recorder, chunk=6)
    with record(prepare(model)) as recorder:
        assert chunks.tried(model, {"input_ids": ids}, recorder) is None
