"""Checkpoints into memory: every weight there, nothing made up, in the dtype that was asked for."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from heedmap.model.errors import CheckpointError, CheckpointMismatch
from heedmap.model.hub.load.loading import load
from tests.model.hub import checkpoints, vocabularies

MASKED = "AutoModelForMaskedLM"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny BERT with a head for masked words."""
    return checkpoints.bert(tmp_path / "bert", "masked")


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_weights_and_tokenizer_are_those_of_the_folder(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    loaded = load(folder, MASKED)
    for name, tensor in load_file(folder / "model.safetensors").items():
        assert torch.equal(loaded.model.state_dict()[name], tensor)
    assert type(loaded.model).__name__ == "BertForMaskedLM"
    assert not loaded.model.training
    assert loaded.tokenizer("Wo ist")["input_ids"]
    assert (loaded.image_processor, loaded.feature_extractor) == (None, None)
    assert (loaded.licence, loaded.folder, len(loaded.revision)) == ("mit", folder, 32)


def test_it_is_float32_on_the_cpu_unless_asked(folder: Path) -> None:
    tensors = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    edit(folder, dtype="float16")
    assert load(folder, MASKED).dtype == torch.float32
    assert load(folder, MASKED, dtype="bfloat16").dtype == torch.bfloat16
    assert load(folder, MASKED, dtype=torch.float16).dtype == torch.float16
    assert load(folder, MASKED, device="meta").dtype == torch.float16, "elsewhere it is the checkpoint's own"
    assert load(folder, MASKED, device="meta", dtype="float32").dtype == torch.float32


def test_the_attention_function_is_the_one_that_is_named(folder: Path) -> None:
    assert load(folder, MASKED, attention="eager").config._attn_implementation == "eager"
    assert load(folder, MASKED, attention="sdpa").config._attn_implementation == "sdpa"


def test_several_files_make_one_checkpoint(folder: Path, tmp_path: Path) -> None:
    whole = load(folder, MASKED)
    whole.model.save_pretrained(tmp_path / "parts", max_shard_size=4000)
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    parts = load(tmp_path / "parts", MASKED)
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 2
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(parts.model.state_dict()[name], tensor)


def test_a_head_that_would_be_random_is_refused(folder: Path) -> None:
    with pytest.raises(CheckpointMismatch) as caught:
        load(folder, "AutoModelForSequenceClassification")
    message = str(caught.value)
    assert "lacks 4 weights" in message
    assert "classifier.weight" in message
    assert "BertForSequenceClassification" in message


def test_a_missing_weight_is_named(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["bert.encoder.layer.1.attention.self.query.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointMismatch, match=r"lacks 1 weights .*layer\.1\.attention\.self\.query\.weight"):
        load(folder, MASKED)


def test_a_wrong_shape_is_named_with_both(folder: Path) -> None:
    edit(folder, intermediate_size=41)
    with pytest.raises(CheckpointMismatch) as caught:
        load(folder, MASKED)
    message = str(caught.value)
    assert "layer.0.intermediate.dense.weight has shape [37, 32], expected [41, 32]" in message
    assert "and 1 more" in message


def test_what_only_training_reads_may_be_missing(tmp_path: Path) -> None:
    config = transformers.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=10,
        conv_dim=(8, 8),
        conv_stride=(5, 2),
        conv_kernel=(10, 3),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    folder = checkpoints.save(tmp_path, transformers.Wav2Vec2ForCTC(config), transformers.Wav2Vec2FeatureExtractor())
    tensors = load_file(folder / "model.safetensors")
    del tensors["wav2vec2.masked_spec_embed"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    loaded = load(folder, "AutoModelForCTC")
    assert loaded.feature_extractor.sampling_rate == 16_000
    assert loaded.image_processor is None


def test_a_bare_encoder_does_without_the_pooler_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    loaded = load(folder, "AutoModel")
    assert loaded.model.pooler is None
    answered = loaded.model(**loaded.tokenizer("Wo ist der Bahnhof?", return_tensors="pt"))
    assert answered.pooler_output is None
    assert load(checkpoints.bert(tmp_path / "bare"), "AutoModel").model.pooler is not None


def test_pictures_are_prepared_without_torchvision(tmp_path: Path) -> None:
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = transformers.ViTForImageClassification(transformers.ViTConfig(**shape, image_size=8, patch_size=4))
    processor = transformers.ViTImageProcessor(size={"height": 8, "width": 8})
    loaded = load(checkpoints.save(tmp_path, model, processor), "AutoModelForImageClassification")
    assert type(loaded.image_processor).__name__ == "ViTImageProcessorPil"
    assert (loaded.tokenizer, loaded.feature_extractor) == (None, None)


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ({"feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.5, 0.5, 0.5]}, (True, False)),
        ({"image_processor_type": "ViTImageProcessor"}, (True, False)),
        ({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 16000}, (False, True)),
    ],
)
def test_old_preprocessor_files_are_told_apart(
    folder: Path, settings: dict[str, Any], kinds: tuple[bool, bool]
) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    loaded = load(folder, MASKED)
    assert (loaded.image_processor is not None, loaded.feature_extractor is not None) == kinds


def test_a_sentencepiece_model_alone_is_a_tokenizer(tmp_path: Path) -> None:
    folder = checkpoints.t5(tmp_path / "t5")
    for path in (*folder.glob("tokenizer*"), *folder.glob("special_tokens_map.json")):
        path.unlink()
    (folder / "spiece.model").write_bytes(vocabularies._sentencepiece())
    loaded = load(folder, "AutoModelForSeq2SeqLM")
    assert loaded.tokenizer.is_fast
    assert (
        loaded.tokenizer.decode(loaded.tokenizer("Where is the station?")["input_ids"][:-1]) == "Where is the station?"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bort9"}, r"knows no model type 'bort9' \(architecture BertForMaskedLM\)"),
        ({"model_type": None}, "has no model_type"),
        ({"hidden_size": "wide"}, "cannot be loaded"),
        ({"num_attention_heads": 5}, "cannot be loaded"),
    ],
)
def test_a_config_that_cannot_be_used(folder: Path, changes: dict[str, Any], message: str) -> None:
    edit(folder, **changes)
    with pytest.raises(CheckpointError, match=message):
        load(folder, MASKED)


def test_a_head_that_the_type_does_not_have(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="bert as AutoModelForSpeechSeq2Seq cannot be loaded"):
        load(folder, "AutoModelForSpeechSeq2Seq")


def test_broken_weights_and_tokenizers(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="is cut short"):
        load(folder, MASKED)
    (folder / "model.safetensors").write_bytes(whole)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="the tokenizer cannot be loaded"):
        load(folder, MASKED)


def test_loading_says_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    load(folder, MASKED)
    load(folder, "AutoModel")
    captured = capfd.readouterr()
    assert (captured.out, captured.err, caplog.text) == ("", "", "")
