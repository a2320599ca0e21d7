"""Real tokenizers of every kind, trained on the spot on a handful of sentences."""

import functools
import io
import itertools
import json
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import normalizers, pre_tokenizers
from transformers import (
    BertTokenizer,
    GPT2Tokenizer,
    LlamaTokenizer,
    M2M100Tokenizer,
    MarianTokenizer,
    MBartTokenizer,
    NllbTokenizer,
    RobertaTokenizer,
    T5Tokenizer,
    XLMRobertaTokenizer,
)
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES
from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES as MBART_CODES

SENTENCES = [
    "Where is the station? The train is late again.",
    "The girl is reading a beautiful book about Cologne.",
    "Angela Smith lives in New York and works for Acme.",
    "I don't think that's right, is it?",
    "Translate the house is wonderful into German.",
    "Wo ist der Bahnhof? Ich habe heute keine Zeit.",
    "Das Mädchen liest ein schönes Buch über Köln.",
    "He said: 12 euros, 50 cents; tokenization matters.",
    "我喜欢 北京 and good coffee.",
]
LATIN = [text for text in SENTENCES if text.isascii() or "ä" in text]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


def learned(words: Iterable[tuple[str, ...]], count: int, mark: str = "") -> tuple[list[str], list[tuple[str, str]]]:
    """Byte-pair encoding (Sennrich et al. 2016) of words in their first pieces: vocabulary and merges.

    The libraries' own trainers break ties differently from run to run; here the first in the alphabet wins.
    """
    rows = [list(word) for word in words]
    vocabulary = sorted({piece for row in rows for piece in row})
    merges: list[tuple[str, str]] = []
    for _ in range(count):
        pairs = Counter(pair for row in rows for pair in itertools.pairwise(row))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        whole = best[0] + best[1].removeprefix(mark)
        vocabulary.append(whole)
        for row in rows:
            for at in range(len(row) - 2, -1, -1):
                if (row[at], row[at + 1]) == best:
                    row[at : at + 2] = [whole]
    return list(dict.fromkeys(vocabulary)), merges


def numbered(*groups: Iterable[str]) -> dict[str, int]:
    """A vocabulary: these pieces in their order, each once."""
    return {piece: index for index, piece in enumerate(dict.fromkeys(itertools.chain(*groups)))}


def _pretokenized(step: Any) -> list[tuple[str, ...]]:
    return [tuple(word) for sentence in SENTENCES for word, _ in step.pre_tokenize_str(sentence)]


@functools.cache
def _wordpieces() -> dict[str, int]:
    normalizer, split = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words = [word for text in LATIN for word, _ in split.pre_tokenize_str(normalizer.normalize_str(text))]
    marked = [(word[0], *(f"##{sign}" for sign in word[1:])) for word in words]
    pieces, _ = learned(marked, 60, mark="##")
    letters = sorted({sign for word in words for sign in word})
    return numbered(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], letters, [f"##{s}" for s in letters], pieces)


def wordpiece() -> BertTokenizer:
    """WordPiece, lower-cased, as BERT's."""
    return BertTokenizer(vocab=dict(_wordpieces()), model_max_length=512)


@functools.cache
def _byte_pairs() -> tuple[list[str], list[tuple[str, str]]]:
    return learned(_pretokenized(pre_tokenizers.ByteLevel(add_prefix_space=False)), 70)


def _byte_level(special: Iterable[str]) -> dict[str, Any]:
    pieces, merges = _byte_pairs()
    return {"vocab": numbered(special, sorted(pre_tokenizers.ByteLevel.alphabet()), pieces), "merges": list(merges)}


def byte_level(**options: Any) -> GPT2Tokenizer:
    """Byte-level BPE, as GPT-2's: an emoji is several tokens."""
    return GPT2Tokenizer(**_byte_level(["<|endoftext|>"]), **options)


def byte_level_encoder() -> RobertaTokenizer:
    """Byte-level BPE, as RoBERTa's and BART's, with their special tokens."""
    return RobertaTokenizer(**_byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]))


@functools.cache
def _metaspace_pairs() -> tuple[list[str], list[tuple[str, str]]]:
    words = _pretokenized(pre_tokenizers.Metaspace())
    return learned([word for word in words if word[-1] < "\u4e00"], 80)  # Chinese falls back to bytes, or is unknown


def _metaspace(special: Iterable[str], bytes_too: bool) -> dict[str, Any]:
    pieces, merges = _metaspace_pairs()
    alphabet = [f"<0x{value:02X}>" for value in range(256)] if bytes_too else []
    return {"vocab": numbered(special, alphabet, pieces), "merges": list(merges)}


def metaspace(**options: Any) -> LlamaTokenizer:
    """BPE with a mark for spaces and bytes for what it does not know, as Llama's."""
    return LlamaTokenizer(**_metaspace(["<unk>", "<s>", "</s>"], True), **options)


def multilingual(**options: Any) -> NllbTokenizer:
    """Pieces with language codes, as NLLB's."""
    languages = ["eng_Latn", "deu_Latn", "fra_Latn"]
    vocabulary = _metaspace(["<s>", "<pad>", "</s>", "<unk>"], False)
    return NllbTokenizer(**vocabulary, additional_special_tokens=languages, **options)


def _unigrams(special: Iterable[str]) -> list[tuple[str, float]]:
    """Pieces with log-probabilities, longer ones likelier than their parts together."""
    pieces, _ = _metaspace_pairs()
    return [(name, 0.0) for name in special] + [(piece, -4.0 - 0.01 * at) for at, piece in enumerate(pieces)]


def unigram() -> T5Tokenizer:
    """A SentencePiece unigram model, as T5's."""
    return T5Tokenizer(vocab=_unigrams(["<pad>", "</s>", "<unk>"]), extra_ids=10)


def unigram_encoder() -> XLMRobertaTokenizer:
    """A SentencePiece unigram model, as XLM-R's."""
    return XLMRobertaTokenizer(vocab=[*_unigrams(["<s>", "<pad>", "</s>", "<unk>"]), ("<mask>", 0.0)])


@functools.cache
def _sentencepiece() -> bytes:
    model = io.BytesIO()
    options = {"vocab_size": 150, "hard_vocab_limit": False, "num_threads": 1, "minloglevel": 2}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(SENTENCES), model_writer=model, **options)
    return model.getvalue()


def _spm_files(folder: Path, special: list[str]) -> tuple[str, str]:
    """A SentencePiece model and its vocabulary, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    processor = sentencepiece.SentencePieceProcessor(model_proto=_sentencepiece())
    pieces = [processor.id_to_piece(index) for index in range(processor.get_piece_size())]
    names = special + [piece for piece in pieces if piece not in ("<unk>", "<s>", "</s>")]
    (folder / "source.spm").write_bytes(_sentencepiece())
    (folder / "target.spm").write_bytes(_sentencepiece())
    (folder / "vocab.json").write_text(json.dumps({name: index for index, name in enumerate(names)}))
    return str(folder / "source.spm"), str(folder / "vocab.json")


def marian(folder: Path) -> MarianTokenizer:
    """Marian's tokenizer, of a model into two languages; no fast one, so it knows no offsets. Its files stay."""
    spm, vocabulary = _spm_files(folder, ["</s>", "<unk>", ">>deu<<", ">>fra<<"])
    names = json.loads(Path(vocabulary).read_text())
    Path(vocabulary).write_text(json.dumps({**names, "<pad>": len(names)}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it recommends sacremoses
        return MarianTokenizer(spm, str(folder / "target.spm"), vocabulary)


def m2m(folder: Path) -> M2M100Tokenizer:
    """M2M100's tokenizer: slow, with a token for each of a hundred languages."""
    spm, vocabulary = _spm_files(folder, ["<s>", "<pad>", "</s>", "<unk>"])
    languages = [f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]]
    return M2M100Tokenizer(vocabulary, spm, additional_special_tokens=languages)


def mbart(**options: Any) -> MBartTokenizer:
    """Pieces with language codes, as mBART's: a text ends with its language, and a decoder starts with it."""
    languages = [(code, 0.0) for code in MBART_CODES]
    return MBartTokenizer(vocab=[*_unigrams(["<s>", "<pad>", "</s>", "<unk>"]), *languages, ("<mask>", 0.0)], **options)
