"""Which task a checkpoint answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from heedmap.model.errors import CheckpointError
from heedmap.model.hub.load.task_choice import choose_task


def chosen(folder: Path, model_type: str, architecture: str | None, task: str | None = None, **more: Any) -> str:
    """The task of a configuration of this type, whatever its shape."""
    architectures = None if architecture is None else [architecture]
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, "architectures": architectures, **more}))
    return choose_task(folder, AutoConfig.from_pretrained(folder), task)


@pytest.mark.parametrize(
    ("model_type", "architecture", "task"),
    [
        ("bert", "BertForMaskedLM", "fill-mask"),
        ("bert", "BertForPreTraining", "fill-mask"),
        ("bert", "BertModel", "feature-extraction"),
        ("electra", "ElectraForPreTraining", "feature-extraction"),
        ("roberta", "RobertaForSequenceClassification", "text-classification"),
        ("xlm-roberta", "XLMRobertaForTokenClassification", "token-classification"),
        ("distilbert", "DistilBertForQuestionAnswering", "question-answering"),
        ("gpt2", "GPT2LMHeadModel", "text-generation"),
        ("llama", "LlamaForCausalLM", "text-generation"),
        ("gemma3_text", "Gemma3ForCausalLM", "text-generation"),
        ("gpt_oss", "GptOssForCausalLM", "text-generation"),
        ("marian", "MarianMTModel", "translation"),
        ("m2m_100", "M2M100ForConditionalGeneration", "translation"),
        ("pegasus", "PegasusForConditionalGeneration", "summarization"),
        ("bart", "BartForConditionalGeneration", "text2text-generation"),
        ("t5", "T5ForConditionalGeneration", "text2text-generation"),
        ("vit", "ViTForImageClassification", "image-classification"),
        ("deit", "DeiTForImageClassificationWithTeacher", "image-classification"),
        ("dinov2", "Dinov2Model", "feature-extraction"),
        ("clip", "CLIPModel", "zero-shot-image-classification"),
        ("vision-encoder-decoder", "VisionEncoderDecoderModel", "image-to-text"),
        ("blip", "BlipForConditionalGeneration", "image-to-text"),
        ("llava", "LlavaForConditionalGeneration", "image-text-to-text"),
        ("qwen2_vl", "Qwen2VLForConditionalGeneration", "image-text-to-text"),
        ("whisper", "WhisperForConditionalGeneration", "automatic-speech-recognition"),
        ("wav2vec2", "Wav2Vec2ForCTC", "automatic-speech-recognition"),
        ("speecht5", "SpeechT5ForSpeechToText", "automatic-speech-recognition"),
    ],
)
def test_the_architecture_says_it(tmp_path: Path, model_type: str, architecture: str, task: str) -> None:
    more: dict[str, Any] = {}
    if model_type == "vision-encoder-decoder":
        more = {"encoder": {"model_type": "vit"}, "decoder": {"model_type": "gpt2"}}
    assert chosen(tmp_path, model_type, architecture, **more) == task


@pytest.mark.parametrize(
    ("params", "task"),
    [
        ({"summarization": {}}, "summarization"),
        ({"translation_en_to_de": {}, "translation_en_to_fr": {}}, "translation"),
        ({"summarization": {}, "translation_en_to_de": {}}, "text2text-generation"),
        (None, "text2text-generation"),
    ],
)
def test_parameters_for_one_kind_of_task_say_it(tmp_path: Path, params: Any, task: str) -> None:
    assert chosen(tmp_path, "t5", "T5ForConditionalGeneration", task_specific_params=params) == task


def card(folder: Path, tag: str) -> None:
    (folder / "README.md").write_text(f"---\npipeline_tag: {tag}\n---\n")


def test_the_card_says_what_an_architecture_leaves_open(tmp_path: Path) -> None:
    card(tmp_path, "translation")
    assert chosen(tmp_path, "t5", "T5ForConditionalGeneration") == "translation"
    card(tmp_path, "fill-mask")
    assert chosen(tmp_path, "bert", None) == "fill-mask"
    assert chosen(tmp_path, "bert", "BertForSequenceClassification") == "text-classification", "the head is the truth"
    assert chosen(tmp_path, "t5", "T5ForConditionalGeneration") == "text2text-generation", "no task of its own"


def test_what_is_wanted_goes_first(tmp_path: Path) -> None:
    card(tmp_path, "feature-extraction")
    assert chosen(tmp_path, "bert", "BertModel", "sentence-similarity") == "sentence-similarity"
    assert chosen(tmp_path, "bart", "BartForConditionalGeneration", "summarization") == "summarization"


def test_what_there_is_not_is_told_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no task 'text-generation' for ViTForImageClassification .*vit.* "
                       r"there is image-classification, feature-extraction$"):  # fmt: skip
        chosen(tmp_path, "vit", "ViTForImageClassification", "text-generation")
    with pytest.raises(CheckpointError, match="no task 'fill-mosk'"):
        chosen(tmp_path, "bert", "BertForMaskedLM", "fill-mosk")


def test_nothing_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"nothing says what an unnamed architecture .*\?task=, one of .*fill-mask"
    ):
        chosen(tmp_path, "bert", None)
    with pytest.raises(CheckpointError, match="BertForMultipleChoice"):
        chosen(tmp_path, "bert", "BertForMultipleChoice")
    with pytest.raises(CheckpointError, match="no task here can use it"):
        chosen(tmp_path, "vitmatte", "VitMatteForImageMatting")
