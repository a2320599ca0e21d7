"""Text to token ids and back, with the span of characters that each token covers."""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from heedmap.model.beginnings import tokens_over
from heedmap.model.byte_alphabet import byte_alphabet
from heedmap.model.detokenizer import Detokenizer
from heedmap.model.errors import CheckpointError
from heedmap.model.one_token import one_token

# The ids of BART and M2M100, so that exported checkpoints need no remapping.
START, PAD, END, UNKNOWN = 0, 1, 2, 3
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
SPACE = "▁"
# What parts words: Unicode's White_Space, and the zero-width space, which says where a word may end.
BLANKS = "[\t-\r \u0085\u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000]"
# What has no width and parts nothing: soft hyphen, word joiner, byte-order mark.
UNSEEN = "[\u00ad\u2060\ufeff]"
VISIBLE = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"}


@dataclass(frozen=True)
class Encoding:
    """Tokens of one text: ids, readable labels, and the half-open span of characters that each covers."""

    ids: list[int]
    labels: list[str]
    spans: list[tuple[int, int]]


def normalizer(last: normalizers.Normalizer | None = None) -> normalizers.Normalizer:
    """What a text goes through first: blanks of any kind and number are one space, none at its ends, the rest NFC.

    last: what else is done to it, after these.
    """
    return normalizers.Sequence(
        [
            normalizers.Replace(Regex(UNSEEN), ""),
            normalizers.Replace(Regex(f"{BLANKS}+"), " "),
            normalizers.Strip(),
            normalizers.NFC(),
            *([] if last is None else [last]),
        ]
    )


class Tokenizer:
    """Byte-pair encoding (Sennrich et al. 2016) by the `tokenizers` library, one vocabulary for both languages."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def __len__(self) -> int:
        return self.backend.get_vocab_size()

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocabulary: int,
        *,
        characters: bool = False,
        last: normalizers.Normalizer | None = None,
    ) -> "Tokenizer":
        """Learn merges from texts until the vocabulary has so many entries.

        Args:
            characters: every Chinese character is a token of its own, and no mark of a word's beginning stands before
                one (Li et al. 2019, "Is word segmentation necessary for deep learning of Chinese representations?").
            last: what texts go through after the blanks are in order.
        """
        backend = Backend(models.BPE(unk_token=SPECIAL[UNKNOWN]))
        backend.normalizer = normalizer(last)
        chinese = [
            pre_tokenizers.Split(Regex(f"{SPACE}(?=\\p{{Han}})"), "removed"),
            pre_tokenizers.Split(Regex("\\p{Han}"), "isolated"),
        ]
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always"),
                *(chinese if characters else []),
                pre_tokenizers.Punctuation("isolated"),
                pre_tokenizers.Digits(individual_digits=True),
            ]
        )
        backend.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary, special_tokens=list(SPECIAL), min_frequency=2, show_progress=False
        )
        backend.train_from_iterator(texts, trainer)
        return cls(backend)

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a tokenizer JSON file.

        Raises:
            CheckpointError: the file is missing or not a tokenizer.
        """
        try:
            backend = Backend.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise CheckpointError(f"{path.name} is not a readable tokenizer: {error}") from error
        return (ByteTokenizer if isinstance(backend.pre_tokenizer, pre_tokenizers.ByteLevel) else cls)(backend)

    def save(self, path: Path) -> None:
        """Write the tokenizer as JSON."""
        path.write_text(self.backend.to_str(pretty=False), encoding="utf-8")

    def encode(self, text: str) -> Encoding:
        """Ids of a text, closed by the end token, whose span is empty and stands at the text's end."""
        encoded = self.backend.encode(text, add_special_tokens=False)
        spans, labels = [], []
        for token, (start, stop) in zip(encoded.tokens, encoded.offsets, strict=True):
            while start < stop and _parts(text[start]):  # a token's span is its word's, without the space before
                start += 1
            if token == SPACE:  # a word's beginning alone covers no character
                stop = start
            spans.append((start, stop))
            unknown = token == SPECIAL[UNKNOWN]
            labels.append(text[start:stop] if unknown and start < stop else token)
        end = len(text)
        return Encoding([*encoded.ids, END], [*labels, SPECIAL[END]], [*spans, (end, end)])

    def tokens_over(self, text: str, limit: int) -> int | None:
        """The tokens, at least, of a text that plainly has more than `limit`; see `heedmap.model.beginnings`."""
        return tokens_over(text, limit, lambda part: len(self.backend.encode(part, add_special_tokens=False).ids))

    def decode(self, ids: list[int]) -> str:
        """The text of these ids, special tokens left out."""
        return self.backend.decode(ids, skip_special_tokens=True).strip()

    def detokenizer(self) -> Detokenizer:
        """For ids that arrive one by one."""
        return Detokenizer(self.decode, self.backend.id_to_token)

    def label(self, token: int) -> str:
        """The label of a token, as `describe` gives it."""
        return self.describe([token]).labels[0]

    def one(self, word: int | str, field: str) -> int:
        """The id of a word that is one token.

        Raises:
            ParameterError: it is several, or none; `field` is to blame.
        """
        return one_token(word, field, len(self), self._bare, self.backend.token_to_id, UNKNOWN)

    def _bare(self, text: str) -> list[int]:
        """Its tokens without the end token."""
        ids: list[int] = self.backend.encode(text, add_special_tokens=False).ids
        return ids

    def describe(self, ids: list[int]) -> Encoding:
        """Labels of ids and their spans in the text that `decode` makes of them."""
        labels = [self.backend.id_to_token(i) or SPECIAL[UNKNOWN] for i in ids]
        spans, position = [], 0
        for index, (token, label) in enumerate(zip(ids, labels, strict=True)):
            if token < len(SPECIAL):
                spans.append((position, position))
                continue
            piece = label.replace(SPACE, " ")
            if index == 0 or position == 0:
                piece = piece.lstrip()
            blank = len(piece) - len(piece.lstrip())
            spans.append((position + blank, position + len(piece)))
            position += len(piece)
        return Encoding(list(ids), labels, spans)


def _parts(character: str) -> bool:
    return re.match(f"{BLANKS}|{UNSEEN}", character) is not None


class ByteTokenizer(Tokenizer):
    """A token for each byte of UTF-8: nothing is unknown, nothing is changed, and no end token is added."""

    @classmethod
    def build(cls) -> "ByteTokenizer":
        """The tokenizer of all 256 bytes."""
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {token: index for index, token in enumerate((*SPECIAL, *alphabet))}
        backend = Backend(models.BPE(vocab=vocabulary, merges=[]))
        backend.add_special_tokens(list(SPECIAL))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        backend.decoder = decoders.ByteLevel()
        return cls(backend)

    def encode(self, text: str) -> Encoding:
        """Ids of a text's bytes; the bytes of one character share its span."""
        encoded = self.backend.encode(text, add_special_tokens=False)
        spans = [(start, stop) for start, stop in encoded.offsets]
        return Encoding(encoded.ids, self._labels(encoded.ids, text, spans), spans)

    def tokens_over(self, text: str, limit: int) -> int | None:
        """The tokens of a text that has more than `limit`: its bytes, but for the names of special tokens."""
        named = sum(text.count(name) * (len(name) - 1) for name in SPECIAL)
        tokens = len(text.encode(errors="replace")) - named
        return tokens if tokens > limit else None

    def decode(self, ids: list[int]) -> str:
        """The text of these ids; bytes that make no character become U+FFFD."""
        return self._bytes(ids).decode("utf-8", errors="replace")

    def describe(self, ids: list[int]) -> Encoding:
        """Labels of ids and their spans in the text that `decode` makes of them."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        spans: list[tuple[int, int]] = []
        length, waiting = 0, 0  # characters so far, and tokens whose character is not whole yet
        for token in ids:
            piece = decoder.decode(self._bytes([token]))
            waiting += 1
            if piece or token < len(SPECIAL):
                spans += [(length, length + len(piece))] * waiting
                length, waiting = length + len(piece), 0
        spans += [(length, length + len(decoder.decode(b"", final=True)))] * waiting
        return Encoding(list(ids), self._labels(ids, self.decode(ids), spans), spans)

    def _bytes(self, ids: list[int]) -> bytes:
        return bytes(byte_alphabet()[token] for i in ids if (token := self.backend.id_to_token(i)) in byte_alphabet())

    def _labels(self, ids: list[int], text: str, spans: list[tuple[int, int]]) -> list[str]:
        """A character as itself, white space as a mark that can be seen, part of a character as its byte."""
        labels = []
        for token, (start, stop) in zip(ids, spans, strict=True):
            piece = text[start:stop]
            if token < len(SPECIAL):
                labels.append(SPECIAL[token])
            elif len(piece) != 1 or not piece.isascii():
                labels.append(f"<0x{self._bytes([token]).hex().upper()}>")
            else:
                labels.append(VISIBLE.get(piece, piece))
        return labels
