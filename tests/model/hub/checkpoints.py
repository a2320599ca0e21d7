"""Tiny checkpoint folders, made on the spot: real tokenizers, random weights, the files that a hub would hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers as hf

from tests.model.hub import vocabularies

hf.utils.logging.disable_progress_bar()

SPREAD = 8.0  # times the usual initialisation: heads differ, and no two predictions are near a tie
SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 64,
}
ENCODER_DECODER = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 37,
    "decoder_ffn_dim": 37,
    "max_position_embeddings": 64,
    "tie_word_embeddings": False,  # tied random ones repeat what they read
}
ENTITIES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def save(folder: Path, model: Any, *processors: Any, card: str | None = None) -> Path:
    """Write a model with whatever goes with it (tokenizer, image processor, ...) and a card, as a hub's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.eval().save_pretrained(folder)
    for processor in processors:
        processor.save_pretrained(folder)
    if card is not None:
        (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def random(cls: Any, config: Any, spread: float = SPREAD, **generation: Any) -> Any:
    """A model of this class with random weights, the same ones every time, and more of its generation_config."""
    torch.manual_seed(0)
    model = cls(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(spread)
            else:
                weight.add_(torch.randn_like(weight) * 0.05)
    for name, value in generation.items():
        setattr(model.generation_config, name, value)
    return model.eval()


def _labels(names: list[str]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}


HEADS: Mapping[str | None, tuple[str, dict[str, Any]]] = {
    None: ("Model", {}),
    "masked": ("ForMaskedLM", {}),
    "sequence-classification": ("ForSequenceClassification", _labels(["bad", "fair", "good"])),
    "token-classification": ("ForTokenClassification", _labels(ENTITIES)),
    "question-answering": ("ForQuestionAnswering", {}),
    "causal": ("ForCausalLM", {}),
}


def _class(family: str, head: str | None) -> tuple[Any, dict[str, Any]]:
    suffix, options = HEADS[head]
    return getattr(hf, family + suffix), dict(options)


def bert(folder: Path, head: str | None = None, **changes: Any) -> Path:
    """A BERT with WordPiece and one of `HEADS`."""
    tokenizer = vocabularies.wordpiece()
    cls, options = _class("Bert", head)
    config = hf.BertConfig(vocab_size=len(tokenizer), pad_token_id=0, **{**SHAPE, **options, **changes})
    return save(folder, random(cls, config), tokenizer)


def roberta(folder: Path, head: str | None = None, **changes: Any) -> Path:
    """A RoBERTa with byte-level BPE: 64 positions after its offset."""
    tokenizer = vocabularies.byte_level_encoder()
    cls, options = _class("Roberta", head)
    shape = {**SHAPE, "max_position_embeddings": 66, "type_vocab_size": 1}
    config = hf.RobertaConfig(vocab_size=len(tokenizer), **{**shape, **options, **changes})
    return save(folder, random(cls, config), tokenizer)


def xlm_roberta(folder: Path, head: str | None = None, **changes: Any) -> Path:
    """An XLM-R with SentencePiece."""
    tokenizer = vocabularies.unigram_encoder()
    cls, options = _class("XLMRoberta", head)
    shape = {**SHAPE, "max_position_embeddings": 66, "type_vocab_size": 1}
    config = hf.XLMRobertaConfig(vocab_size=len(tokenizer), **{**shape, **options, **changes})
    return save(folder, random(cls, config), tokenizer)


def gpt2(folder: Path, head: str | None = "causal", **changes: Any) -> Path:
    """A GPT-2 with byte-level BPE and no padding token."""
    tokenizer = vocabularies.byte_level()
    end = tokenizer.eos_token_id
    cls, options = (hf.GPT2LMHeadModel, {}) if head == "causal" else _class("GPT2", head)
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    ends = {"bos_token_id": end, "eos_token_id": end, "tie_word_embeddings": False}
    config = hf.GPT2Config(vocab_size=len(tokenizer), **{**shape, **ends, **options, **changes})
    return save(folder, random(cls, config), tokenizer)


def llama(folder: Path, head: str | None = "causal", chat: bool = False, **changes: Any) -> Path:
    """A Llama with grouped heads, and a chat template if asked for."""
    tokenizer = vocabularies.metaspace()
    if chat:
        tokenizer.chat_template = vocabularies.CHAT_TEMPLATE
    cls, options = _class("Llama", head)
    shape = {**SHAPE, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2, **options, **changes}
    return save(folder, random(cls, hf.LlamaConfig(vocab_size=len(tokenizer), **shape)), tokenizer)


def t5(folder: Path, **changes: Any) -> Path:
    """A T5 with SentencePiece and relative positions."""
    tokenizer = vocabularies.unigram()
    shape = {"d_model": 32, "d_kv": 8, "num_layers": 2, "num_heads": 4, "d_ff": 37, "decoder_start_token_id": 0}
    config = hf.T5Config(vocab_size=len(tokenizer), **{**shape, **changes})
    return save(folder, random(hf.T5ForConditionalGeneration, config, spread=2.0), tokenizer)  # it begins large


def bart(folder: Path, **changes: Any) -> Path:
    """A BART with byte-level BPE, which forces its first token."""
    tokenizer = vocabularies.byte_level_encoder()
    shape = {**ENCODER_DECODER, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    config = hf.BartConfig(vocab_size=len(tokenizer), **{**shape, **changes})
    model = random(hf.BartForConditionalGeneration, config, forced_bos_token_id=0)
    return save(folder, model, tokenizer)


def marian(folder: Path, **changes: Any) -> Path:
    """A Marian translation model, with its slow tokenizer, as an opus-mt folder."""
    tokenizer = vocabularies.marian(folder)
    pad = tokenizer.pad_token_id
    shape = {**ENCODER_DECODER, "pad_token_id": pad, "eos_token_id": 0, "decoder_start_token_id": pad}
    config = hf.MarianConfig(vocab_size=len(tokenizer), **{**shape, **changes})
    return save(folder, random(hf.MarianMTModel, config), tokenizer)


def mbart(folder: Path, **changes: Any) -> Path:
    """An mBART with its own tokenizer, whose decoder starts with the language wanted."""
    tokenizer = vocabularies.mbart()
    shape = {**ENCODER_DECODER, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    config = hf.MBartConfig(vocab_size=len(tokenizer), **{**shape, **changes})
    return save(folder, random(hf.MBartForConditionalGeneration, config), tokenizer)


def nllb(folder: Path, **changes: Any) -> Path:
    """An M2M100 model with NLLB's tokenizer: three languages."""
    return _m2m(folder, vocabularies.multilingual(), changes)


def m2m100(folder: Path, **changes: Any) -> Path:
    """An M2M100 model with its slow tokenizer: a hundred languages."""
    return _m2m(folder, vocabularies.m2m(folder), changes)


def _m2m(folder: Path, tokenizer: Any, changes: dict[str, Any]) -> Path:
    shape = {**ENCODER_DECODER, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    config = hf.M2M100Config(vocab_size=len(tokenizer), **{**shape, **changes})
    return save(folder, random(hf.M2M100ForConditionalGeneration, config), tokenizer)
