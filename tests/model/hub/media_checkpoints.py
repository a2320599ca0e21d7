"""Tiny checkpoint folders of models that see or hear: random weights, the processors' files that a hub would hold."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import transformers as hf
from PIL import Image

from tests.model.hub import media_vocabularies, vocabularies
from tests.model.hub.checkpoints import random, save

LABELS = ["cat", "dog", "car", "tree", "house", "boat", "bird"]
LABEL_MAPS = {"id2label": dict(enumerate(LABELS)), "label2id": {name: index for index, name in enumerate(LABELS)}}
TOWER = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "image_size": 32,
    "patch_size": 8,
}
SQUARE = {"height": 32, "width": 32}
CROPPED = {"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": SQUARE}


def picture(width: int = 60, height: int = 40, seed: int = 0) -> Image.Image:
    """Soft noise, so that resizing keeps its features."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def as_png(image: Image.Image) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def claimed(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header claims this size, whatever data there are."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def speech(seconds: float = 0.5, rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """Noise whose loudness and pitch wander: nothing that is said, and no two moments alike."""
    generator = np.random.default_rng(seed)
    times = np.arange(int(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * f * times + p) for f, p in generator.uniform((100, 0), (3000, 6), (6, 2)))
    loudness = np.interp(times, np.linspace(0, seconds, 9), generator.uniform(0.02, 0.12, 9))
    return np.asarray(loudness * (tone + generator.normal(0, 0.3, len(times))), dtype=np.float32)


def as_wav(samples: np.ndarray, rate: int = 16_000) -> bytes:
    """A recording as a file that holds every bit of it."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def vit(folder: Path, processor: Any = None, **changes: Any) -> Path:
    """A ViT; its processor resizes to a square."""
    model = random(hf.ViTForImageClassification, hf.ViTConfig(**{**TOWER, **LABEL_MAPS, **changes}))
    return save(folder, model, processor or hf.ViTImageProcessorPil(size=SQUARE))


def deit(folder: Path, **changes: Any) -> Path:
    """A DeiT with its two tokens; its processor resizes to a square and crops it."""
    model = random(hf.DeiTForImageClassificationWithTeacher, hf.DeiTConfig(**{**TOWER, **LABEL_MAPS, **changes}))
    return save(folder, model, hf.DeiTImageProcessorPil(size={"height": 40, "width": 40}, crop_size=SQUARE))


def beit(folder: Path, **changes: Any) -> Path:
    """A BEiT with relative positions."""
    config = hf.BeitConfig(**{**TOWER, **LABEL_MAPS, "use_relative_position_bias": True, **changes})
    return save(folder, random(hf.BeitForImageClassification, config), hf.BeitImageProcessorPil(size=SQUARE))


def dinov2(folder: Path, crop: bool = True, **changes: Any) -> Path:
    """A DINOv2; its processor scales the short side and crops the middle, or does not crop."""
    model = random(hf.Dinov2ForImageClassification, hf.Dinov2Config(**{**TOWER, **LABEL_MAPS, **changes}))
    options = CROPPED if crop else {"size": {"shortest_edge": 32}, "do_center_crop": False}
    return save(folder, model, hf.BitImageProcessorPil(**options))


def swin(folder: Path, **changes: Any) -> Path:
    """A Swin of two stages on 21 x 21 pixels: 11 x 11 patches, then 6 x 6, in windows of 4 x 4 that divide neither."""
    shape = {
        "embed_dim": 16,
        "depths": [2, 2],
        "num_heads": [2, 4],
        "window_size": 4,
        "image_size": 21,
        "patch_size": 2,
    }
    model = random(hf.SwinForImageClassification, hf.SwinConfig(**{**shape, **LABEL_MAPS, **changes}))
    return save(folder, model, hf.ViTImageProcessorPil(size={"height": 21, "width": 21}))


def clip(folder: Path, **changes: Any) -> Path:
    """A CLIP whose image processor crops."""
    tokenizer = media_vocabularies.clip()
    end = {"vocab_size": len(tokenizer), "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {**{name: value for name, value in TOWER.items() if name not in ("image_size", "patch_size")}, **end}
    parts = {"text_config": {**text, "max_position_embeddings": 40}, "vision_config": TOWER, "projection_dim": 16}
    model = random(hf.CLIPModel, hf.CLIPConfig(**{**parts, **changes}))
    return save(folder, model, tokenizer, hf.CLIPImageProcessorPil(**CROPPED))


def siglip(folder: Path) -> Path:
    """A SigLIP, which reads texts that are filled up to 64 tokens."""
    tokenizer = vocabularies.metaspace(pad_token="</s>", model_max_length=64)
    tokenizer.model_input_names = ["input_ids"]
    text = {name: value for name, value in TOWER.items() if name not in ("image_size", "patch_size")}
    more = {"vocab_size": len(tokenizer), "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2}
    parts = {"text_config": {**text, **more}, "vision_config": TOWER}
    model = random(hf.SiglipModel, hf.SiglipConfig(**parts))
    return save(folder, model, tokenizer, hf.SiglipImageProcessorPil(size=SQUARE))


def captioner(folder: Path, encoder: Any = None, **changes: Any) -> Path:
    """A ViT, or another encoder, whose patches a GPT-2 attends to."""
    tokenizer = vocabularies.byte_level()
    end = tokenizer.eos_token_id
    written = {"vocab_size": len(tokenizer), "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40}
    decoder = hf.GPT2Config(**written, add_cross_attention=True, is_decoder=True, bos_token_id=end, eos_token_id=end)
    config = hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder or hf.ViTConfig(**TOWER), decoder)
    config.decoder_start_token_id = config.eos_token_id = config.pad_token_id = end
    for name, value in changes.items():
        setattr(config, name, value)
    size = SQUARE if encoder is None else {"height": encoder.image_size, "width": encoder.image_size}
    tokenizer.pad_token = tokenizer.eos_token
    model = random(lambda pair: hf.VisionEncoderDecoderModel(config=pair), config)
    return save(folder, model, tokenizer, hf.ViTImageProcessorPil(size=size))


def blip(folder: Path, **changes: Any) -> Path:
    """A BLIP that writes captions with WordPiece."""
    tokenizer = vocabularies.wordpiece()
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": 2,
        "pad_token_id": tokenizer.pad_token_id,
        "sep_token_id": tokenizer.sep_token_id,
    }
    shape = {name: value for name, value in TOWER.items() if name not in ("image_size", "patch_size")}
    text = {**shape, **special, "vocab_size": len(tokenizer), "encoder_hidden_size": 32, "max_position_embeddings": 40}
    config = hf.BlipConfig(text_config={**text, **changes}, vision_config={**TOWER, "initializer_range": 0.02})
    return save(
        folder, random(hf.BlipForConditionalGeneration, config), tokenizer, hf.BlipImageProcessorPil(size=SQUARE)
    )


LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ part['text'] + ' ' }}{% endif %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_TOKENS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
TEXT = {name: value for name, value in TOWER.items() if name not in ("image_size", "patch_size")}


def llava(folder: Path, template: str | None = LLAVA_TEMPLATE, side: int = 32, **changes: Any) -> Path:
    """A LLaVA of CLIP's tower, which crops to a square of so many pixels, and a Llama."""
    tokenizer = vocabularies.metaspace(pad_token="<unk>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    tokenizer.chat_template = template
    positions = 2 * (side // TOWER["patch_size"]) ** 2 + 96  # the picture's patches, and as many again
    text = {**TEXT, "num_key_value_heads": 2, "vocab_size": len(tokenizer), "max_position_embeddings": positions}
    config = hf.LlavaConfig(
        text_config={"model_type": "llama", **text},
        vision_config={"model_type": "clip_vision_model", **TOWER, "image_size": side},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        **changes,
    )
    model = random(hf.LlavaForConditionalGeneration, config)
    cropped = {**CROPPED, "size": {"shortest_edge": side * 5 // 4}, "crop_size": {"height": side, "width": side}}
    return save(folder, model, tokenizer, hf.CLIPImageProcessorPil(**cropped))


def qwen2_vl(folder: Path, template: str | None = QWEN_TEMPLATE) -> Path:
    """A Qwen2-VL: pictures of any shape in patches of 8 x 8, four of which make a token."""
    tokenizer = vocabularies.byte_level()
    tokenizer.add_special_tokens({"additional_special_tokens": QWEN_TOKENS, "pad_token": "<|endoftext|>"})
    tokenizer.chat_template = template
    start, end, *vision = tokenizer.convert_tokens_to_ids(QWEN_TOKENS)
    names = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
    text = {
        **TEXT,
        "num_key_value_heads": 2,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 128,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]},
        "bos_token_id": start,
        "eos_token_id": end,
    }
    tower = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "mlp_ratio": 2, "patch_size": 8}
    config = hf.Qwen2VLConfig(text_config=text, vision_config=tower, **dict(zip(names, vision, strict=True)))
    processor = hf.Qwen2VLImageProcessorPil(patch_size=8, min_pixels=512, max_pixels=3072)
    return save(folder, random(hf.Qwen2VLForConditionalGeneration, config), tokenizer, processor)


STACKS = {
    f"{end}_{name}": value
    for end in ("encoder", "decoder")
    for name, value in {"layers": 2, "attention_heads": 4, "ffn_dim": 37, "layerdrop": 0.0}.items()
}
CONVOLUTIONS = {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}


def whisper(folder: Path, seconds: int = 1, multilingual: bool = True, **settings: Any) -> Path:
    """A Whisper that hears a second instead of thirty; `settings` are of its generation."""
    tokenizer = media_vocabularies.whisper(seconds)
    number = tokenizer.convert_tokens_to_ids
    end, start = number(["<|endoftext|>", "<|startoftranscript|>"])
    config = hf.WhisperConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        num_mel_bins=16,
        max_source_positions=50 * seconds,
        max_target_positions=40,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **STACKS,
    )
    model = random(hf.WhisperForConditionalGeneration, config)
    languages = {f"<|{name}|>": number(f"<|{name}|>") for name in media_vocabularies.LANGUAGES}
    tasks = {name: number(f"<|{name}|>") for name in ("transcribe", "translate")}
    generation = {
        "_from_model_config": False,  # or it would be made anew when the folder is loaded
        "no_timestamps_token_id": number("<|notimestamps|>"),
        "begin_suppress_tokens": [number("\u0120"), end],
        "is_multilingual": multilingual,
        "max_initial_timestamp_index": 50,
        "return_timestamps": False,
        **({"lang_to_id": languages, "task_to_id": tasks, "task": "transcribe"} if multilingual else {}),
        **settings,
    }
    for name, value in generation.items():
        setattr(model.generation_config, name, value)
    extractor = hf.WhisperFeatureExtractor(feature_size=16, chunk_length=seconds)
    return save(folder, model, tokenizer, extractor)


def wav2vec2(folder: Path, **changes: Any) -> Path:
    """A wav2vec2 with a head for CTC, normalised over time, as its first checkpoints were."""
    return _framewise(folder, hf.Wav2Vec2ForCTC, hf.Wav2Vec2Config, changes)


def hubert(folder: Path, **changes: Any) -> Path:
    """A HuBERT with a head for CTC, trained with an attention mask."""
    return _framewise(folder, hf.HubertForCTC, hf.HubertConfig, {"feat_extract_norm": "layer", **changes})


def _framewise(folder: Path, model: Any, config: Any, changes: dict[str, Any]) -> Path:
    tokenizer = media_vocabularies.letters(folder)
    shape = {**TEXT, **CONVOLUTIONS, "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    network = random(model, config(**{**shape, **changes}))
    masked = changes.get("feat_extract_norm") == "layer"
    return save(folder, network, tokenizer, hf.Wav2Vec2FeatureExtractor(return_attention_mask=masked))


def speecht5(folder: Path) -> Path:
    """A SpeechT5 that writes characters."""
    tokenizer = media_vocabularies.characters(folder)
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
    shape = {**STACKS, **CONVOLUTIONS, **special, "hidden_size": 32, "vocab_size": len(tokenizer)}
    model = random(hf.SpeechT5ForSpeechToText, hf.SpeechT5Config(**shape, max_text_positions=40))
    return save(folder, model, tokenizer, hf.SpeechT5FeatureExtractor())
