"""Inputs that text models cannot use: refused before any work, with the part at fault and what would be right."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heedmap.model.errors import CheckpointError, EmptyInput, InputError, InputTooLong, ParameterError
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.served import HubModel
from heedmap.model.hub.tasks.fill_mask import FillMask
from heedmap.model.hub.tasks.text import TARGET_LIMITS, positions
from heedmap.model.hub.tasks.text_classification import TextClassification
from tests.model.hub import checkpoints, vocabularies
from tests.model.hub.serving import ask, request, served

Maker = Callable[..., HubModel]
IMAGE, AUDIO = {"image": b"png"}, {"audio": b"wav"}
QUESTION = {"question": "Where?", "context": "Here."}
PAIR = {"source_sentence": "a", "sentences": ["b"]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Models, each made once: task, family and changes of its configuration."""

    @functools.cache
    def make(task: str, family: str, **changes: Any) -> HubModel:
        place: Path = getattr(checkpoints, family)(tmp_path_factory.mktemp("made") / family, **changes)
        return served(place, task)

    return make


MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "fill-mask": ("bert", {"head": "masked"}),
    "text-classification": ("bert", {"head": "sequence-classification"}),
    "token-classification": ("bert", {"head": "token-classification"}),
    "question-answering": ("bert", {"head": "question-answering"}),
    "feature-extraction": ("bert", {}),
    "sentence-similarity": ("bert", {}),
    "text-generation": ("gpt2", {}),
    "translation": ("t5", {}),
    "summarization": ("bart", {}),
    "text2text-generation": ("bart", {}),
}


@pytest.mark.parametrize("task", MODELS)
def test_what_a_task_does_not_read(model: Maker, task: str) -> None:
    family, changes = MODELS[task]
    taken = {"question-answering": [QUESTION], "feature-extraction": [PAIR], "sentence-similarity": [PAIR]}
    for inputs, called in ((IMAGE, "an image"), (AUDIO, "a recording"), (QUESTION, "a question"), (PAIR, "a sentence")):
        if inputs in taken.get(task, []):
            continue
        with pytest.raises(ParameterError, match=f"{task} reads .*, and this is {called}") as caught:
            ask(model(task, family, **changes), inputs)
        assert caught.value.field == "inputs"


@pytest.mark.parametrize("task", [task for task in MODELS if task != "question-answering"])
def test_an_empty_text(model: Maker, task: str) -> None:
    family, changes = MODELS[task]
    for text in ("", " \n"):
        with pytest.raises(EmptyInput) as caught:
            ask(model(task, family, **changes), text)
        assert caught.value.field == "inputs"


@pytest.mark.parametrize(
    ("task", "inputs", "field", "message"),
    [
        ("question-answering", {"question": "", "context": "Here."}, "inputs.question", "empty"),
        ("question-answering", {"question": "Where?", "context": " "}, "inputs.context", "empty"),
        ("question-answering", "Where?", "inputs", "a question with its context"),
        ("feature-extraction", {"source_sentence": "a", "sentences": ["b", ""]}, "inputs.sentences.1", "empty"),
        ("sentence-similarity", {"source_sentence": "a", "sentences": []}, "inputs.sentences", "at least one"),
        ("sentence-similarity", {"source_sentence": "a", "sentences": [1]}, "inputs.sentences", "at least one"),
        ("sentence-similarity", {"source_sentence": "a", "sentences": "b"}, "inputs", "source_sentence"),
        ("fill-mask", "There is none.", "inputs", r"no mask in the text: write \[MASK\]"),
        ("text-generation", {"messages": [{"role": "user", "content": "Hi"}]}, "inputs", "no chat template"),
    ],
)
def test_what_is_missing_is_named(model: Maker, task: str, inputs: Any, field: str, message: str) -> None:
    family, changes = MODELS[task]
    with pytest.raises(InputError, match=message) as caught:
        ask(model(task, family, **changes), inputs)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("messages", "field", "message"),
    [
        ([], "inputs.messages", "at least one"),
        ("Hi", "inputs.messages", "at least one"),
        ([{"role": "user", "content": "a"}, {"role": "user"}], "inputs.messages.1", "role"),
        ([{"role": "user", "content": "no"}], "inputs.messages", "Only whispers"),
    ],
)
def test_chats_that_cannot_be_rendered(model: Maker, messages: Any, field: str, message: str) -> None:
    hub_model = model("text-generation", "llama", chat=True)
    template = hub_model.loaded.tokenizer.chat_template
    hub_model.loaded.tokenizer.chat_template = "{{ raise_exception('Only whispers') }}"
    try:
        with pytest.raises(InputError, match=message) as caught:
            ask(hub_model, {"messages": messages})
    finally:
        hub_model.loaded.tokenizer.chat_template = template
    assert caught.value.field == field


# The most tokens that fit, the tokenizer's own among them; of 64 positions one is kept for an output.
LONG = [
    ("fill-mask", "bert", {"head": "masked"}, 64),
    ("text-classification", "roberta", {"head": "sequence-classification"}, 64),
    ("feature-extraction", "xlm_roberta", {}, 64),
    ("text-generation", "gpt2", {}, 63),
    ("text-generation", "llama", {}, 63),
    ("summarization", "bart", {}, 64),
]


@pytest.mark.parametrize(("task", "family", "changes", "most"), LONG)
def test_a_text_longer_than_the_models_positions(
    model: Maker, task: str, family: str, changes: dict[str, Any], most: int
) -> None:
    hub_model = model(task, family, **changes)
    tokenizer = hub_model.loaded.tokenizer
    fits = tokenizer.mask_token if task == "fill-mask" else "a"
    while len(tokenizer(fits)["input_ids"]) < most:
        fits += ","
    longer = fits + ","
    while len(tokenizer(longer)["input_ids"]) == most:  # commas may join
        longer += ","
    assert len(tokenizer(fits)["input_ids"]) == most
    ask(hub_model, fits, max_new_tokens=3)
    passes: list[int] = []
    handle = hub_model.loaded.model.register_forward_hook(lambda *_: passes.append(1))
    with pytest.raises(InputTooLong, match=rf"{most + 1:,} tokens.* 64\b") as caught:
        ask(hub_model, longer, max_new_tokens=3)
    handle.remove()
    assert (caught.value.field, passes) == ("inputs", [])


def test_t5_has_no_positions_to_run_out_of(model: Maker) -> None:
    hub_model = model("translation", "t5")
    assert positions(hub_model.loaded) is None
    assert ask(hub_model, "Where is the station? " * 40, max_new_tokens=2).text is not None


@pytest.mark.parametrize(
    ("task", "family", "expected"), [("fill-mask", "roberta", 64), ("text-generation", "gpt2", 64)]
)
def test_positions_are_counted_behind_robertas_padding(model: Maker, task: str, family: str, expected: int) -> None:
    changes = {"head": "masked"} if task == "fill-mask" else {}
    loaded: Loaded = model(task, family, **changes).loaded
    assert positions(loaded) == positions(loaded, TARGET_LIMITS) == expected


def test_an_output_is_cut_to_the_room_that_is_left(model: Maker) -> None:
    hub_model = model("text-generation", "gpt2")
    prompt = "," * 60
    taken = len(hub_model.loaded.tokenizer(prompt)["input_ids"])
    assert len(ask(hub_model, prompt, max_new_tokens=100).tokens) == 64 - taken
    short, both = "No", hub_model.predict([request(text, max_new_tokens=20) for text in (prompt, "No")])
    assert [len(prediction.tokens) for prediction in both] == [64 - taken, 20]
    assert both[1].text == ask(hub_model, short, max_new_tokens=20).text
    assert len(ask(model("translation", "bart"), "No", max_new_tokens=200).tokens) <= 64


@pytest.mark.parametrize(("task", "family"), [("text-generation", "gpt2"), ("translation", "bart")])
def test_targets_that_cannot_be_scored(model: Maker, task: str, family: str) -> None:
    hub_model = model(task, family)
    for target, kind in (("", EmptyInput), (",; " * 90, InputTooLong)):
        with pytest.raises(kind) as caught:
            ask(hub_model, "No", target)
        assert caught.value.field == "target"


@pytest.mark.parametrize(
    ("family", "parameters", "field", "message"),
    [
        ("nllb", {"src_lang": "eng_Latn"}, "tgt_lang", "name tgt_lang, one of eng_Latn, deu_Latn, fra_Latn"),
        ("nllb", {"src_lang": "eng_Latn", "tgt_lang": "deu"}, "tgt_lang", "no language 'deu': one of eng_Latn"),
        ("m2m100", {"src_lang": "xx", "tgt_lang": "de"}, "src_lang", "no language 'xx': one of af, .* and 88 more"),
        ("bart", {"tgt_lang": "de"}, "tgt_lang", "one pair of languages: leave tgt_lang out"),
        ("bart", {"src_lang": "de"}, "src_lang", "one pair of languages: leave src_lang out"),
    ],
)
def test_languages_that_the_model_does_not_know(
    model: Maker, family: str, parameters: dict[str, str], field: str, message: str
) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        ask(model("translation", family), "Where is the station?", **parameters)
    assert caught.value.field == f"parameters.{field}"


def test_a_language_that_the_checkpoint_does_not_name_has_to_be_named(model: Maker, monkeypatch: Any) -> None:
    hub_model = model("translation", "nllb")
    assert ask(hub_model, "No", tgt_lang="deu_Latn", max_new_tokens=2).axes["source"].labels[0] == "eng_Latn"
    monkeypatch.setitem(hub_model.loaded.tokenizer.init_kwargs, "src_lang", None)
    with pytest.raises(ParameterError, match="name src_lang, one of eng_Latn"):
        ask(hub_model, "No", tgt_lang="deu_Latn")


def test_checkpoints_whose_tokenizer_will_not_do(model: Maker) -> None:
    loaded = model("fill-mask", "bert", head="masked").loaded
    for tokenizer in (None, vocabularies.byte_level()):
        with pytest.raises(CheckpointError, match="no mask token"):
            FillMask(replace(loaded, tokenizer=tokenizer))
    with pytest.raises(CheckpointError, match="no tokenizer files"):
        TextClassification(replace(loaded, tokenizer=None)).prepare(request("a train"))


def test_one_bad_input_of_a_batch_spoils_no_other(model: Maker) -> None:
    hub_model = model("text-classification", "bert", head="sequence-classification")
    good, bad, also = hub_model.predict([request("a train"), request(""), request("a book")])
    assert isinstance(bad, EmptyInput)
    for text, one in (("a train", good), ("a book", also)):
        assert one.score == pytest.approx(ask(hub_model, text).score, abs=1e-5)
