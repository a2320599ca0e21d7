"""Tokenizers of models that see or hear, of their own kinds: CLIP's, Whisper's, those of CTC and SpeechT5."""

import json
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer, SpeechT5Tokenizer, Wav2Vec2CTCTokenizer, WhisperTokenizer

from tests.model.hub.vocabularies import SENTENCES, learned, numbered

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
LETTERS = "ETAONIHSRDLUMWCFGYPBVK'XJQZ"
LANGUAGES = ["en", "de", "fr"]
END = "<|endoftext|>"


def clip() -> CLIPTokenizer:
    """Byte-level BPE whose words end in </w>, lower-cased."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [word.lower() for text in SENTENCES for word in text.split() if word.isascii() and word.isalpha()]
    spelt = [split.pre_tokenize_str(word)[0][0] for word in words]
    pieces, merges = learned([(*word[:-1], f"{word[-1]}</w>") for word in spelt], 40)
    vocabulary = numbered(BYTES, [f"{byte}</w>" for byte in BYTES], pieces, ["<|startoftext|>", END])
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)


def whisper(seconds: int = 1, **options: Any) -> WhisperTokenizer:
    """Whisper's: text, then the end token, start, languages, tasks, and a time for each 20 ms."""
    words = [word for text in SENTENCES for word, _ in pre_tokenizers.ByteLevel(False).pre_tokenize_str(text)]
    pieces, merges = learned([tuple(word) for word in words], 40)
    tokens = ["startoftranscript", *LANGUAGES, "translate", "transcribe", "startoflm", "startofprev", "nospeech"]
    special = [END, *(f"<|{name}|>" for name in (*tokens, "notimestamps"))]
    times = [f"<|{index * 0.02:.2f}|>" for index in range(seconds * 50 + 1)]
    tokenizer = WhisperTokenizer(vocab=numbered(BYTES, pieces, special, times), merges=merges, **options)
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    return tokenizer


def letters(folder: Path) -> Wav2Vec2CTCTokenizer:
    """A token for each letter, for CTC: <pad> is the blank, and | stands between words."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "vocab.json"
    file.write_text(json.dumps(numbered(["<pad>", "<s>", "</s>", "<unk>", "|"], LETTERS)))
    return Wav2Vec2CTCTokenizer(str(file))


def characters(folder: Path) -> SpeechT5Tokenizer:
    """SpeechT5's: SentencePiece of single characters."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "spm_char.model"
    with file.open("wb") as writer:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SENTENCES),
            model_writer=writer,
            model_type="char",
            vocab_size=60,
            hard_vocab_limit=False,
            pad_id=1,
            bos_id=0,
            eos_id=2,
            unk_id=3,
            minloglevel=2,
        )
    return SpeechT5Tokenizer(str(file))
