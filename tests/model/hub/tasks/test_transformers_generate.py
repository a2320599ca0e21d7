"""Generation against transformers' own `generate`, and its scores against a teacher-forced pass of one's own."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from heedmap.model.contract import Parameters
from heedmap.model.errors import Cancelled
from heedmap.model.hub.load import loading
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.transformers_generate import generate
from heedmap.model.watch import never
from tests.model.hub import checkpoints

TEXTS = ["Where is the station?", "The train is late again.", "I don't"]
DECODERS = ("gpt2", "llama")
BOTH = ("t5", "bart", "marian")
Maker = Callable[[str], Loaded]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Checkpoint folders by family, each made once."""
    return functools.cache(lambda family: getattr(checkpoints, family)(tmp_path_factory.mktemp("made") / family))


@pytest.fixture
def load(folder: Callable[[str], Path]) -> Maker:
    """A fresh copy of a family's model, whose generation_config a test may change."""

    def make(family: str) -> Loaded:
        kind = "AutoModelForCausalLM" if family in DECODERS else "AutoModelForSeq2SeqLM"
        return loading.load(folder(family), kind, attention="sdpa")

    return make


def inputs_of(loaded: Loaded, texts: list[str]) -> dict[str, Any]:
    """A batch, a decoder's prompts padded on the left."""
    rows = [loaded.tokenizer(text)["input_ids"] for text in texts]
    width, left = max(map(len, rows)), not loaded.config.is_encoder_decoder
    pads = [[0] * (width - len(row)) for row in rows]
    ids = [pad + row if left else row + pad for pad, row in zip(pads, rows, strict=True)]
    ones = [[1] * len(row) for row in rows]
    mask = [pad + one if left else one + pad for pad, one in zip(pads, ones, strict=True)]
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def run(loaded: Loaded, texts: list[str], limit: int = 8, **parameters: Any) -> list[Any]:
    return generate(loaded, inputs_of(loaded, texts), Parameters(**parameters), limit)


def teacher_forced(loaded: Loaded, text: str, output: list[int]) -> float:
    """The output's log-probability, a step at a time, by the definition."""
    prompt = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
    start = loaded.model.generation_config.decoder_start_token_id
    total, read = 0.0, [start] if loaded.config.is_encoder_decoder else prompt[0].tolist()
    for token in output:
        ids = torch.tensor([read])
        with torch.inference_mode():
            if loaded.config.is_encoder_decoder:
                logits = loaded.model(input_ids=prompt, decoder_input_ids=ids).logits
            else:
                logits = loaded.model(input_ids=ids).logits
        total += float(logits[0, -1].double().log_softmax(dim=-1)[token])
        read.append(token)
    return total


def theirs(loaded: Loaded, text: str, **options: Any) -> list[int]:
    """What transformers' own generate says to one text."""
    encoding = loaded.tokenizer(text, return_tensors="pt")
    inputs = {name: encoding[name] for name in ("input_ids", "attention_mask")}
    row = loaded.model.generate(**inputs, max_new_tokens=8, max_length=None, **options)[0]
    return row[1 if loaded.config.is_encoder_decoder else inputs["input_ids"].shape[1] :].tolist()


@pytest.mark.parametrize("family", [*DECODERS, *BOTH])
@pytest.mark.parametrize("beams", [1, 3])
def test_outputs_and_scores_in_a_padded_batch(load: Maker, family: str, beams: int) -> None:
    loaded = load(family)
    for text, output in zip(TEXTS, run(loaded, TEXTS, beam_size=beams), strict=True):
        reference = theirs(loaded, text, num_beams=beams, do_sample=False, pad_token_id=0)
        ends = loaded.model.generation_config.eos_token_id
        stop = reference.index(ends) + 1 if ends in reference else len(reference)
        assert output.ids == reference[:stop]
        assert output.score == pytest.approx(teacher_forced(loaded, text, output.ids), abs=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_a_sample_depends_on_seed_and_text_alone(load: Maker, family: str) -> None:
    loaded = load(family)
    options = {"do_sample": True, "temperature": 1.5, "top_k": 50, "top_p": 0.9}
    before = torch.random.get_rng_state()
    first = run(loaded, TEXTS, seed=1, **options)
    assert run(loaded, TEXTS, seed=1, **options) == first
    assert [output.ids for output in run(loaded, TEXTS, seed=2, **options)] != [output.ids for output in first]
    assert torch.equal(torch.random.get_rng_state(), before), "a caller's own randomness was touched"
    for text, output in zip(TEXTS, first, strict=True):
        [alone] = run(loaded, [text], seed=1, **options)
        assert alone.ids == output.ids
        assert output.score == pytest.approx(teacher_forced(loaded, text, output.ids), abs=1e-4)


def test_the_likeliest_of_one_is_greedy(load: Maker) -> None:
    loaded = load("gpt2")
    assert [f.ids for f in run(loaded, TEXTS, do_sample=True, top_k=1)] == [f.ids for f in run(loaded, TEXTS)]


def test_a_row_ends_at_its_end_token_and_the_others_go_on(load: Maker) -> None:
    loaded = load("llama")
    free = run(loaded, TEXTS)
    end = free[0].ids[2]
    assert end not in free[0].ids[:2] + free[1].ids
    loaded.model.generation_config.eos_token_id = [end, 1]
    outputs = run(loaded, TEXTS)
    assert outputs[0].ids == free[0].ids[:3]
    assert outputs[1].ids == free[1].ids
    assert outputs[0].score == pytest.approx(teacher_forced(loaded, TEXTS[0], outputs[0].ids), abs=1e-4)


def test_what_the_checkpoint_forces_and_forbids_holds(load: Maker) -> None:
    loaded = load("bart")
    free = run(loaded, TEXTS[:1])[0]
    assert free.ids[0] == loaded.model.generation_config.forced_bos_token_id
    loaded.model.generation_config.suppress_tokens = free.ids[1:3]
    loaded.model.generation_config.no_repeat_ngram_size = 1
    output = run(loaded, TEXTS[:1])[0]
    assert not set(free.ids[1:3]) & set(output.ids)
    assert len(set(output.ids)) == len(output.ids)
    assert output.ids[0] == free.ids[0]
    # The score is the model's own all the same: what was forced counts as what it thought of it.
    assert output.score == pytest.approx(teacher_forced(loaded, TEXTS[0], output.ids), abs=1e-4)


def test_lengths_beams_and_sampling_are_the_parameters(load: Maker) -> None:
    loaded = load("gpt2")
    greedy = run(loaded, TEXTS, limit=12)
    settings = loaded.model.generation_config
    settings.max_length, settings.min_length, settings.num_beams, settings.do_sample = 3, 100, 4, True
    settings.temperature, settings.num_return_sequences = 0.3, 2
    settings.output_logits = settings.return_dict_in_generate = True
    for one, other in zip(run(loaded, TEXTS, limit=12), greedy, strict=True):
        assert (one.ids, one.finish_reason) == (other.ids, "length")
        assert one.score == pytest.approx(other.score, abs=1e-4)
    assert [len(output.ids) for output in greedy] == [12, 12, 12]
    assert (settings.max_length, settings.num_beams) == (3, 4), "the checkpoint's own settings were changed"


def test_a_length_penalty_ranks_the_beams(load: Maker) -> None:
    loaded = load("llama")
    loaded.model.generation_config.eos_token_id = run(loaded, TEXTS[:1])[0].ids[1]
    lengths = {}
    for penalty in (0.0, 5.0):
        [output] = run(loaded, TEXTS[:1], beam_size=4, length_penalty=penalty)
        lengths[penalty] = len(output.ids)
        reference = theirs(loaded, TEXTS[0], num_beams=4, do_sample=False, length_penalty=penalty, pad_token_id=0)
        assert output.ids == reference[: len(output.ids)]
    assert lengths[0.0] < lengths[5.0]


@pytest.mark.parametrize("parameters", [{}, {"beam_size": 2}, {"do_sample": True}])
def test_cancelling_stops_between_two_steps(load: Maker, parameters: dict[str, Any]) -> None:
    loaded = load("gpt2")
    passes: list[int] = []
    handle = loaded.model.register_forward_hook(lambda *_: passes.append(1))
    with pytest.raises(Cancelled):
        generate(loaded, inputs_of(loaded, TEXTS), Parameters(**parameters), 50, lambda: len(passes) >= 3)
    assert len(passes) == 3
    handle.remove()
    assert not loaded.model._forward_hooks, "a hook was left behind"
    with pytest.raises(Cancelled):
        generate(loaded, inputs_of(loaded, TEXTS), Parameters(), 50, lambda: True)
    assert len(generate(loaded, inputs_of(loaded, TEXTS), Parameters(), 5, never)) == len(TEXTS)


def test_only_one_positions_logits_are_held(load: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    from heedmap.model.hub.tasks import transformers_generate

    held: list[tuple[int, ...]] = []
    real = transformers_generate.log_probabilities

    def watch(logits: Any, chosen: Any) -> Any:
        held.append(tuple(logits.shape))
        return real(logits, chosen)

    monkeypatch.setattr(transformers_generate, "log_probabilities", watch)
    loaded = load("gpt2")
    run(loaded, TEXTS)
    assert set(held) == {(len(TEXTS), 1, loaded.config.vocab_size)}


def test_a_model_within_a_model_is_scored_afterwards(load: Maker) -> None:
    loaded = load("gpt2")

    class Around(torch.nn.Module):
        """As BLIP's captioning model: its `generate` is that of a part of it."""

        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner, self.config, self.generation_config = inner, inner.config, inner.generation_config

        def generate(self, **options: Any) -> Any:
            return self.inner.generate(**options)

        def forward(self, input_ids: Any, attention_mask: Any, position_ids: Any = None, use_cache: Any = None) -> Any:
            return self.inner(input_ids, attention_mask=attention_mask, position_ids=position_ids, use_cache=use_cache)

    around = Loaded(Around(loaded.model).eval(), loaded.config, loaded.tokenizer)
    for one, other in zip(run(around, TEXTS), run(loaded, TEXTS), strict=True):
        assert one.ids == other.ids
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_the_wrong_reference_would_be_noticed(load: Maker) -> None:
    loaded = load("gpt2")
    [output] = run(loaded, TEXTS[:1])
    assert teacher_forced(loaded, TEXTS[1], output.ids) != pytest.approx(output.score, abs=1e-2)
    assert isinstance(loaded.model, hf.GPT2LMHeadModel)
