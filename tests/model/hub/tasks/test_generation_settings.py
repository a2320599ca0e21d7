"""generation_config.json: what is followed comes out as from transformers' `generate`; the rest is told or refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

from heedmap.model.contract import Prediction
from heedmap.model.errors import CheckpointError
from heedmap.model.generated import CONTINUATION, WRITTEN
from heedmap.model.hub.served import HubModel
from heedmap.model.hub.tasks import generation_settings
from heedmap.model.hub.tasks.generation_settings import (
    FILE,
    FOLLOWED,
    IGNORED,
    METADATA,
    REFUSED,
    GenerationSettings,
    settle,
)
from heedmap.model.load import load
from tests.model.hub import checkpoints
from tests.model.hub.serving import ask, request
from tests.model.hub.tasks.test_transformers_generate import DECODERS, TEXTS, teacher_forced, theirs

LIMIT = 8


def configured(folder: Path, family: str, **settings: Any) -> Path:
    """A family's checkpoint whose generation_config.json also says this, written as a stranger would."""
    place: Path = getattr(checkpoints, family)(folder)
    file = place / FILE
    before = json.loads(file.read_text())
    before.pop("_from_model_config", None)  # beside it transformers drops what it does not know
    file.write_text(json.dumps({**before, **settings}))
    return place


def opened(folder: Path, family: str, **settings: Any) -> HubModel:
    """That checkpoint, served."""
    model = load(configured(folder, family, **settings))
    assert isinstance(model, HubModel)
    return model


def output(model: HubModel, prediction: Prediction, text: str) -> list[int]:
    """The ids that were written."""
    if model.loaded.config.is_encoder_decoder:
        return prediction.axes["target"].ids
    return prediction.axes["tokens"].ids[len(model.loaded.tokenizer(text)["input_ids"]) :]


def test_every_field_of_transformers_has_one_decision() -> None:
    fields = {name for name in vars(hf.GenerationConfig()) if not name.startswith("_")}
    decided = [*FOLLOWED, *IGNORED, *REFUSED, *METADATA]
    assert len(decided) == len(set(decided))
    assert fields <= set(decided), "a newer transformers has more: decide"


@pytest.mark.parametrize(
    "settings",
    [
        {"penalty_alpha": 0.6, "top_k": 4},
        {"cache_implementation": "quantized", "cache_config": {"backend": "quanto", "nbits": 4}},
        {"cache_implementation": "static", "max_cache_len": 64, "use_cache": False},
        {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5, "length_penalty": 2.0},
        {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "min_p": 0.1, "top_h": 0.5, "typical_p": 0.3},
        {"do_sample": True, "epsilon_cutoff": 3e-4, "eta_cutoff": 3e-4},
        {"dola_layers": "low", "low_memory": True},
        {"prompt_lookup_num_tokens": 3, "max_matching_ngram_size": 2},
        {"assistant_early_exit": 1, "is_assistant": True, "num_assistant_tokens": 5, "use_mtp": True},
        {"num_return_sequences": 3, "num_beams": 3, "return_dict_in_generate": True, "output_scores": True},
        {"output_attentions": True, "output_hidden_states": True, "return_dict_in_generate": True},
        {"max_time": 1e-9, "token_healing": True, "disable_compile": True, "prefill_chunk_size": 2},
        {"chat_format": "chatml", "max_window_size": 6144},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_what_is_ignored_is_told_and_changes_nothing(tmp_path: Path, settings: dict[str, Any]) -> None:
    plain, model = opened(tmp_path / "plain", "llama"), opened(tmp_path / "set", "llama", **settings)
    ignored = model.describe()["generation"]["ignored"]
    assert set(ignored) == set(settings) - {"disable_compile"}, "true and false of it are the same here"
    assert all(ignored[name]["value"] == settings[name] and ignored[name]["reason"] for name in ignored)
    json.dumps(model.describe()["generation"])
    for options in ({}, {"beam_size": 3}, {"do_sample": True, "seed": 4}):
        requests = [request(text, max_new_tokens=LIMIT, **options) for text in TEXTS]
        assert model.predict(requests) == plain.predict(requests)


FOLLOWING: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"no_repeat_ngram_size": 1}),
    ("gpt2", {"repetition_penalty": 3.0}),
    ("llama", {"min_length": 12, "eos_token_id": list(range(0, 300, 2))}),
    ("gpt2", {"min_new_tokens": 5, "eos_token_id": list(range(0, 300, 2))}),
    ("llama", {"bad_words_ids": [[5], [7, 8]], "suppress_tokens": list(range(40, 90))}),
    ("gpt2", {"sequence_bias": [[[65], 9.0]], "renormalize_logits": True, "remove_invalid_values": True}),
    ("llama", {"begin_suppress_tokens": list(range(200))}),
    ("llama", {"exponential_decay_length_penalty": [2, 30.0], "eos_token_id": 2}),
    ("bart", {"encoder_no_repeat_ngram_size": 1, "forced_eos_token_id": 2}),
    ("t5", {"encoder_repetition_penalty": 4.0, "no_repeat_ngram_size": 2}),
    ("marian", {"early_stopping": True, "repetition_penalty": 2.0, "bad_words_ids": [[3]]}),
]


@pytest.mark.parametrize(("family", "settings"), FOLLOWING, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("beams", [1, 3])
def test_what_is_followed_comes_out_as_of_transformers_alone(
    tmp_path: Path, family: str, settings: dict[str, Any], beams: int
) -> None:
    model = opened(tmp_path / "set", family, **settings)
    assert set(model.describe()["generation"]["followed"]) >= set(settings) - {"eos_token_id"}
    plain = getattr(hf, "AutoModelForCausalLM" if family in DECODERS else "AutoModelForSeq2SeqLM")
    reference = plain.from_pretrained(tmp_path / "set").eval()
    predictions = model.predict([request(text, max_new_tokens=LIMIT, beam_size=beams) for text in TEXTS])
    for text, answer in zip(TEXTS, predictions, strict=True):
        assert isinstance(answer, Prediction)
        ids = output(model, answer, text)
        expected = theirs(
            type(model.loaded)(reference, model.loaded.config, model.loaded.tokenizer), text, num_beams=beams
        )
        ends = reference.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        stop = next((at + 1 for at, token in enumerate(expected) if token in ends), len(expected))
        assert ids == expected[:stop]
        # The score is the model's own, of the tokens that came out, whatever bent the choice.
        assert answer.score == pytest.approx(teacher_forced(model.loaded, text, ids), abs=2e-4)
        forced = reference.generation_config.forced_eos_token_id is not None and len(ids) == LIMIT
        assert answer.finish_reason == ("stop" if ids[-1] in ends and not forced else "length")


@pytest.mark.parametrize("family", ["gpt2", "llama", "bart"])
@pytest.mark.parametrize("beams", [1, 3])
def test_stop_strings_end_an_output_as_in_transformers(tmp_path: Path, family: str, beams: int) -> None:
    plain = opened(tmp_path / "plain", family)
    stop = next(
        text
        for prompt in TEXTS
        for token in output(plain, ask(plain, prompt, max_new_tokens=LIMIT, beam_size=beams), prompt)[1:6]
        if (text := plain.loaded.tokenizer.decode([token], skip_special_tokens=True).strip()) and text.isascii()
    )
    model = opened(tmp_path / "set", family, stop_strings=[stop, "never said"])
    kind = hf.AutoModelForCausalLM if family in DECODERS else hf.AutoModelForSeq2SeqLM
    reference = type(model.loaded)(
        kind.from_pretrained(tmp_path / "set").eval(), model.loaded.config, model.loaded.tokenizer
    )
    assert model.describe()["generation"]["followed"]["stop_strings"] == [stop, "never said"]
    ended = 0
    for text, answer in zip(
        TEXTS, model.predict([request(text, max_new_tokens=LIMIT, beam_size=beams) for text in TEXTS]), strict=True
    ):
        assert isinstance(answer, Prediction)
        ids = output(model, answer, text)
        expected = theirs(reference, text, num_beams=beams, do_sample=False, tokenizer=model.loaded.tokenizer)
        assert ids == expected[: len(ids)]
        assert set(expected[len(ids) :]) <= {model.loaded.tokenizer.pad_token_id, *_ends(model)}, "padding alone is cut"
        assert answer.score == pytest.approx(teacher_forced(model.loaded, text, ids), abs=2e-4)
        if len(ids) < LIMIT:
            assert answer.finish_reason == "stop"
            ended += ids[-1] not in _ends(model)
    assert ended, "the string ended none of them"


def _ends(model: HubModel) -> list[int]:
    ids = model.loaded.model.generation_config.eos_token_id
    return ids if isinstance(ids, list) else [ids]


@pytest.mark.parametrize(
    "settings",
    [
        {"guidance_scale": 1.5},
        {"watermarking_config": {"bias": 2.5, "seeding_scheme": "selfhash"}},
        {"force_words_ids": [[5, 6]]},
        {"constraints": ["a"]},
        {"custom_generate": "someone/something"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_what_cannot_be_followed_is_refused_when_it_is_loaded(tmp_path: Path, settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(CheckpointError, match=f"sets {name} to .*; take {name} out of the file"):
        opened(tmp_path / "set", "llama", **settings)


def test_a_field_of_a_newer_transformers_is_refused_where_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation_settings, "IGNORED", {k: v for k, v in IGNORED.items() if k != "top_h"})
    opened(tmp_path / "plain", "llama")
    with pytest.raises(CheckpointError, match=r"sets top_h to 0\.5.* does not know what it does; take top_h out"):
        opened(tmp_path / "set", "llama", top_h=0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stop_strings": [5]}, "stop_strings must be a text or a list of texts, and is"),
        ({"stop_strings": ""}, None),
        ({"stop_strings": []}, None),
        ({"bad_words_ids": []}, None),
        ({"max_new_tokens": 0}, "`max_new_tokens` must be greater than 0"),
        ({"exponential_decay_length_penalty": [1], "no_repeat_ngram_size": 2}, "without exponential_decay_length_pen"),
        ({"suppress_tokens": [10**6], "repetition_penalty": 1.5}, None),
        (
            {"bad_words_ids": [[10**6]], "repetition_penalty": 1.5},
            "without bad_words_ids it can, take bad_words_ids out",
        ),
        ({"forced_bos_token_id": 10**6}, None),
    ],
)
def test_a_setting_that_would_fail_every_answer_fails_the_load(
    tmp_path: Path, settings: dict[str, Any], message: str | None
) -> None:
    if message is None:
        assert ask(opened(tmp_path / "set", "llama", **settings), TEXTS[0], max_new_tokens=4).finish_reason
        return
    with pytest.raises(CheckpointError, match=message):
        opened(tmp_path / "set", "llama", **settings)


def test_stop_strings_without_a_tokenizer_are_refused(tmp_path: Path) -> None:
    model = hf.AutoModelForCausalLM.from_pretrained(configured(tmp_path, "llama", stop_strings="x"))
    with pytest.raises(CheckpointError, match="has no tokenizer to find them with"):
        settle(model, None)


@pytest.mark.parametrize(
    ("settings", "requested", "room", "read", "expected"),
    [
        ({}, None, None, 5, WRITTEN),
        ({}, None, 40, 5, 40),
        ({}, 7, 40, 5, 7),
        ({}, 70, 40, 5, 40),
        ({"max_new_tokens": 30}, None, 40, 5, 30),
        ({"max_new_tokens": 30}, 35, 40, 5, 35),
        ({"max_length": 30}, None, 40, 5, 25),
        ({"max_length": 30}, None, 40, 35, 40),  # it was passed before anything was written
        ({"max_length": 10**6}, None, None, 5, WRITTEN),
        ({"max_length": 30, "max_new_tokens": 12}, None, 40, 5, 12),
    ],
)
def test_lengths_by_hand(
    settings: dict[str, int], requested: int | None, room: int | None, read: int, expected: int
) -> None:
    assert GenerationSettings(**settings).limit(requested, room, read) == expected


def test_an_output_is_as_long_as_the_model_allows_and_says_why_it_ended(tmp_path: Path) -> None:
    never = {"eos_token_id": 299}
    model = opened(tmp_path / "plain", "llama", **never)
    read = len(model.loaded.tokenizer(TEXTS[0])["input_ids"])
    prediction = ask(model, TEXTS[0])
    assert (len(prediction.tokens), prediction.finish_reason) == (64 - read, "length")
    assert prediction.to_json()["finish_reason"] == "length"
    assert Prediction.from_json(prediction.to_json(), prediction.axes) == prediction
    scored = ask(model, TEXTS[0], target="I do not know")
    assert scored.finish_reason is None
    assert "finish_reason" not in scored.to_json()
    short = opened(tmp_path / "set", "llama", max_new_tokens=11, **never)
    assert short.describe()["generation"]["max_new_tokens"] == 11
    assert len(ask(short, TEXTS[0]).tokens) == 11
    assert len(ask(short, TEXTS[0], max_new_tokens=13).tokens) == 13, "the request is asked first"


def test_a_model_of_many_positions_is_bounded(tmp_path: Path) -> None:
    place = checkpoints.llama(tmp_path, max_position_embeddings=5_000)
    model = load(place)
    assert model.describe()["generation"]["max_new_tokens"] == CONTINUATION
