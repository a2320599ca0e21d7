"""describe()["parameters"]: what a model takes, with its defaults and choices, and nothing else; forms offer these."""

from pathlib import Path
from typing import Any

import pytest

from heedmap.model.contract import DECODING, Parameters, taken
from heedmap.model.errors import ParameterError
from heedmap.model.load import load
from tests.model.hub import checkpoints, media_checkpoints
from tests.model.hub.serving import ask, served

NUMBERS = {name: {"default": Parameters.model_fields[name].default} for name in DECODING}
FUNCTIONS = ["sigmoid", "softmax", "none"]
STRATEGIES = ["none", "simple", "first", "average", "max"]
TOP = {"top_k": {"default": 5}}
SOFT = {"function_to_apply": {"default": "softmax", "choices": FUNCTIONS}}


def writing(longest: int, **more: Any) -> dict[str, Any]:
    """What all take that go on from a beginning, with this longest output."""
    return {
        **NUMBERS,
        "stop": {"default": []},
        "prefix": {"default": None},
        "max_new_tokens": {"default": longest},
        **more,
    }


def unbegun(parameters: dict[str, Any]) -> dict[str, Any]:
    """Of a task that goes on from no given beginning."""
    return {name: parameter for name, parameter in parameters.items() if name != "prefix"}


def both(*codes: str, source: str | None = None, target: str | None = None) -> dict[str, Any]:
    """The two languages of a translation."""
    sides = {"src_lang": source, "tgt_lang": target}
    return {name: {"default": default, "choices": list(codes)} for name, default in sides.items()}


TASKS: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "fill-mask": ("bert", {"head": "masked"}, "fill-mask", TOP),
    "labels": ("bert", {"head": "sequence-classification"}, "text-classification", {"top_k": {"default": 0}, **SOFT}),
    "regression": (
        "bert",
        {"head": "sequence-classification", "problem_type": "regression"},
        "text-classification",
        {"top_k": {"default": 0}, "function_to_apply": {"default": "none", "choices": FUNCTIONS}},
    ),
    "entities": (
        "bert",
        {"head": "token-classification"},
        "token-classification",
        {"aggregation_strategy": {"default": "simple", "choices": STRATEGIES}},
    ),
    "answers": (
        "bert",
        {"head": "question-answering"},
        "question-answering",
        {"max_answer_len": {"default": 15}},
    ),
    "features": ("bert", {}, "feature-extraction", {"normalize": {"default": False}}),
    "one pair": ("bart", {}, "translation", writing(64)),
    "any pair": (
        "nllb",
        {},
        "translation",
        writing(64, **both("eng_Latn", "deu_Latn", "fra_Latn", source="eng_Latn")),
    ),
    "continuing": ("gpt2", {}, "text-generation", writing(64)),
    "pictures": ("vit", {}, "image-classification", {**TOP, **SOFT}),
    "sentences for pictures": (
        "clip",
        {},
        "zero-shot-image-classification",
        {
            "candidate_labels": {"default": []},
            "top_k": {"default": 0},
            "hypothesis_template": {"default": "This is a photo of {}."},
        },
    ),
    "captions": ("captioner", {}, "image-to-text", unbegun(writing(40))),
    "letters heard": (
        "wav2vec2",
        {},
        "automatic-speech-recognition",
        {"return_timestamps": {"default": False, "choices": [False, "word", "char"]}},
    ),
}


def folder_of(family: str, folder: Path, changes: dict[str, Any]) -> Path:
    """A folder of this family."""
    place = checkpoints if hasattr(checkpoints, family) else media_checkpoints
    return Path(getattr(place, family)(folder, **changes))


@pytest.mark.parametrize("name", TASKS)
def test_a_task_takes_exactly_these(name: str, tmp_path: Path) -> None:
    family, changes, task, expected = TASKS[name]
    assert served(folder_of(family, tmp_path, changes), task).describe()["parameters"] == expected


def test_a_whisper_of_several_languages_offers_them_and_an_english_one_does_not(tmp_path: Path) -> None:
    several = served(media_checkpoints.whisper(tmp_path / "several"), "automatic-speech-recognition")
    english = served(media_checkpoints.whisper(tmp_path / "en", multilingual=False), "automatic-speech-recognition")
    offered, message = several.describe()["parameters"], english.describe()["parameters"]
    assert offered["language"] == {"default": None, "choices": ["de", "en", "fr"]}
    assert offered["return_timestamps"] == message["return_timestamps"] == {"default": False, "choices": [False, True]}
    assert set(offered) == {*DECODING, "language", "return_timestamps"}
    assert set(message) == {*DECODING, "return_timestamps"}
    recording = {"audio": media_checkpoints.as_wav(media_checkpoints.speech())}
    for code in offered["language"]["choices"]:
        ask(several, recording, language=code, max_new_tokens=2)
    with pytest.raises(ParameterError) as caught:
        ask(english, recording, language="de", max_new_tokens=2)
    assert caught.value.field == "parameters.language"


def test_a_model_of_our_own(tiny: Path) -> None:
    assert load(str(tiny)).describe()["parameters"] == writing(512)


def test_choices_are_those_of_the_type() -> None:
    assert taken("function_to_apply", top_k=3) == {
        "function_to_apply": {"default": None, "choices": FUNCTIONS},
        "top_k": {"default": 3},
    }
    assert taken("candidate_labels") == {"candidate_labels": {"default": []}}
