"""No pass alters a later answer: long and short texts, in any order, get what a model fresh from its file says."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from torch import nn

from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.errors import InputError, InputTooLong
from heedmap.model.hub.served import HubModel
from heedmap.model.hub.state import State, depends_on_length
from heedmap.model.load import load
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints, vocabularies

SHORT, MIDDLING = "Hello there", "Where is the station? The train is late again."
LONG = " ".join([MIDDLING] * 8)
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 37}


def big_bird(folder: Path) -> Path:
    """Block-sparse attention from 45 tokens on; what is shorter has full attention."""
    tokenizer = vocabularies.wordpiece()
    config = hf.BigBirdConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=256,
        attention_type="block_sparse",
        block_size=4,
        num_random_blocks=1,
        hidden_act="gelu",
        pad_token_id=0,
        **TINY,
    )
    return checkpoints.save(folder, checkpoints.random(hf.BigBirdForMaskedLM, config, 4.0), tokenizer)


def rotary(kind: str, folder: Path) -> Path:
    """Positions that turn more slowly where a text is longer than 16 tokens."""
    tokenizer = vocabularies.byte_level()
    scaling: dict[str, Any] = {"rope_type": kind, "rope_theta": 10000.0, "factor": 16.0}
    if kind == "longrope":
        scaling |= {"short_factor": [1.0] * 4, "long_factor": [9.0] * 4, "original_max_position_embeddings": 16}
    config = hf.LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=16 if kind == "dynamic" else 256,
        rope_parameters=scaling,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
        **TINY,
    )
    return checkpoints.save(folder, checkpoints.random(hf.LlamaForCausalLM, config, 4.0), tokenizer)


def dynamic(folder: Path) -> Path:
    return rotary("dynamic", folder)


def longrope(folder: Path) -> Path:
    return rotary("longrope", folder)


def request(text: str, name: str) -> Request:
    parameters = Parameters(max_new_tokens=4)
    return Request(f"{text} [MASK]", parameters=parameters) if name == "big_bird" else Request(text, None, parameters)


BUILDERS = [big_bird, dynamic, longrope]


@pytest.fixture(scope="module", params=BUILDERS, ids=lambda build: build.__name__)
def case(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    name = request.param.__name__
    return name, request.param(tmp_path_factory.mktemp("made") / name)


def answers(model: HubModel, requests: list[Request]) -> list[Any]:
    """What predictions and traces say, and the maps of the traces."""
    results: list[Any] = []
    for answer, trace in zip(model.predict(requests), model.trace(requests), strict=True):
        assert isinstance(answer, Prediction)
        if isinstance(trace, InputError):
            results.append((answer.to_json(), str(trace)))
            continue
        maps = {site: [layer.dense().tolist() for layer in layers] for site, layers in trace.layers.items()}
        results.append((answer.to_json(), trace.prediction.to_json(), maps))
    return results


def fresh(folder: Path) -> HubModel:
    model = load(folder)
    assert isinstance(model, HubModel)
    return model


def test_answers_do_not_depend_on_what_was_asked_before(case: tuple[str, Path]) -> None:
    name, folder = case
    requests = [request(text, name) for text in (SHORT, MIDDLING, LONG)]
    alone = [answers(fresh(folder), [one])[0] for one in requests]
    model = fresh(folder)
    for index in (0, 2, 1, 2, 0):
        assert answers(model, [requests[index]])[0] == alone[index]
    assert answers(model, requests) == alone, "nor on what shares the batch"
    assert not model.chunked, "each chunk would have a length of its own"


@torch.no_grad()
@pytest.mark.parametrize("text", [SHORT, LONG])
def test_texts_are_read_as_the_checkpoint_says(text: str, case: tuple[str, Path]) -> None:
    """Against transformers' own class, which saw nothing before; had it seen another length, it would differ."""
    name, folder = case
    kind = hf.BigBirdForMaskedLM if name == "big_bird" else hf.LlamaForCausalLM

    def theirs(before: torch.Tensor | None = None) -> Any:
        model = kind.from_pretrained(folder, attn_implementation="eager").eval()
        if before is not None:
            model(before)
        return model(ids, output_attentions=True)

    model = fresh(folder)
    body = request(text, name) if name == "big_bird" else Request(text, ".")
    ids = torch.tensor([model.runner.prepare(body).axes["tokens"].ids])
    [trace] = model.trace([body])
    if name == "big_bird":
        [answer] = model.predict([body])
        assert isinstance(answer, Prediction)
        place = ids[0].tolist().index(model.loaded.tokenizer.mask_token_id)
        expected = theirs().logits[0, place].softmax(dim=-1)
        assert answer.output[0]["token"] == int(expected.argmax())
        assert answer.output[0]["score"] == pytest.approx(float(expected.max()), abs=1e-5)
        if text == LONG:
            assert isinstance(trace, InputTooLong)
            assert "block-sparse" in str(trace)
            assert (theirs(ids[:, :9]).logits - theirs().logits).abs().max() > 1e-2, "a short text before does matter"
            return
    assert isinstance(trace, Trace)
    ids = torch.tensor([trace.prediction.axes["tokens"].ids])
    # What BigBird puts in place of its modules shows its weights from the second pass on.
    maps = theirs(ids if name == "big_bird" else None)
    for ours, weights in zip(next(iter(trace.layers.values())), maps.attentions, strict=True):
        torch.testing.assert_close(ours.dense(), weights[0], rtol=0, atol=1e-5)


class Changing(nn.Module):
    """Changes itself in every way that a pass may."""

    def __init__(self) -> None:
        super().__init__()
        self.config = hf.LlamaConfig(num_hidden_layers=2)
        self.inner = nn.Linear(2, 2)
        self.longest, self.seen = 0, None
        self.register_buffer("places", torch.zeros(3))
        self.register_buffer("frequencies", torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.longest, self.seen, self.new = 5, x, x
        self.inner = nn.Linear(2, 2)
        self.places.add_(1)
        self.register_buffer("frequencies", torch.zeros(3))
        self.config.rope_parameters["rope_theta"] = 7.0
        self.config.problem_type = "regression"
        return x


def test_every_kind_of_change_is_undone_and_named() -> None:
    model = Changing()
    inner, state = model.inner, State(model)
    with torch.inference_mode():
        assert state.restore() == []
        model(torch.ones(1))
        changed = state.restore()
    assert changed == [
        "frequencies", "inner", "longest", "new", "seen", "LlamaConfig.problem_type", "LlamaConfig.rope_parameters"
    ]  # fmt: skip
    assert model.inner is inner
    assert (model.longest, model.seen, hasattr(model, "new")) == (0, None, False)
    assert model.places.tolist() == [0, 0, 0]
    assert model.frequencies.tolist() == [1, 1, 1]
    assert model.config.rope_parameters["rope_theta"] == 10000.0
    assert model.config.problem_type is None


def test_only_some_models_depend_on_the_length() -> None:
    assert not depends_on_length(Changing())
    assert not depends_on_length(hf.LlamaModel(hf.LlamaConfig(vocab_size=9, **TINY)))
