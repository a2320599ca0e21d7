"""Text that is handed out piece by piece joins to the whole, and no piece is taken back."""

import random

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models

from heedmap.model import detokenizer
from heedmap.model.detokenizer import Detokenizer
from heedmap.model.native.tokenizer import ByteTokenizer, Tokenizer

TEXT = "Über 世界 – 🎭 don't . Stop !"


def pieces(writer: Detokenizer, ids: list[int]) -> list[str]:
    return [writer.add(token, last=index == len(ids) - 1) for index, token in enumerate(ids)]


def test_a_character_waits_until_it_is_whole() -> None:
    tokenizer = ByteTokenizer.build()
    assert pieces(tokenizer.detokenizer(), tokenizer.encode("aü世").ids) == ["a", "", "ü", "", "", "世"]


def test_broken_bytes_come_with_the_last_token() -> None:
    tokenizer = ByteTokenizer.build()
    ids = tokenizer.encode("a世").ids[:-1]
    assert pieces(tokenizer.detokenizer(), ids) == ["a", "", "\ufffd"]


def test_random_bytes_join_to_what_they_decode_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detokenizer, "WINDOW", 24)
    tokenizer, draw = ByteTokenizer.build(), random.Random(0)
    for _ in range(50):
        whole = TEXT.encode() * 6 + bytes(draw.randrange(256) for _ in range(40))
        ids = [tokenizer.encode(chr(0)).ids[0]] + [draw.choice(tokenizer.encode(TEXT).ids) for _ in whole]
        assert "".join(pieces(tokenizer.detokenizer(), ids)) == tokenizer.decode(ids)


def test_words_join_with_their_spaces(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detokenizer, "WINDOW", 8)
    writer = tokenizer.detokenizer()
    ids = tokenizer.encode("Das Mädchen liest ein schönes Buch über Köln. " * 5).ids
    parts = pieces(writer, ids)
    assert "".join(parts) == tokenizer.decode(ids)
    assert len(writer.ids) < 30, "a long text is not decoded from its beginning at every step"


def test_a_run_of_byte_tokens_waits_for_its_end() -> None:
    names = ["▁a", "<0xE4>", "<0xB8>", "<0xAD>", "<0xFF>", "b"]
    backend = Backend(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[], byte_fallback=True))
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    sound = Detokenizer(backend.decode, backend.id_to_token)
    assert pieces(sound, [0, 1, 2, 3, 5]) == [" a", "", "", "", "中b"]
    broken = Detokenizer(backend.decode, backend.id_to_token)
    ids = [0, 1, 2, 3, 4, 5]
    assert "".join(pieces(broken, ids)) == backend.decode(ids) == " a" + "\ufffd" * 4 + "b"


def test_words_that_cleaning_may_change_wait() -> None:
    words = ["I", "do", "n't", "know", ",", "it", "'s", "'", "well", "'", "."]

    def decode(ids: list[int]) -> str:
        text = " ".join(words[i] for i in ids)
        for before, after in ((" .", "."), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 's", "'s")):
            text = text.replace(before, after)
        return text

    ids = list(range(len(words)))
    parts = pieces(Detokenizer(decode, lambda i: words[i], cleans=True), ids)
    assert "".join(parts) == decode(ids)
    assert "".join(parts[:5]) == "I", "what lies back far enough is handed out"
    assert "".join(parts[:7]) == "I don't"
