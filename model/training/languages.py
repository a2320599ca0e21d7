"""The pairs of languages that a translation model is trained for: what is done to their texts, and what a card says."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from heedmap.model.errors import InputError
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.training.chinese import simplified, simplifier

TATOEBA = (
    "The {pair} sentence pairs of the Tatoeba project by way of manythings.org/anki, edition of {edition}, licence\n\
CC BY 2.0 FR. Attribution: www.manythings.org/anki and tatoeba.org."
)


def _pieces(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    return Tokenizer.train(texts, vocabulary)


def _characters(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A token a Chinese character; what occurs once in all texts is not known, and gives nothing to learn from."""
    whole = list(texts)
    counts = Counter(character for text in whole for character in text)
    known = ("".join(one if counts[one] > 1 else " " for one in text) for text in whole)
    return Tokenizer.train(known, vocabulary, characters=True, last=simplifier())


@dataclass(frozen=True)
class Languages:
    """A source and a target language, as codes and as the card calls them.

    data: where the pairs come from, for the card; purpose: what the model is good for; limits: what it cannot do.
    test: the held-out sentences' place in the project, for the card's command.
    prepare: done to each source before anything else; tokenizer: trained on texts, with so many entries; tokens: how
    the card calls them.
    shape and recipe: fields of the network's configuration and of the recipe that differ from their defaults.
    """

    source: str
    target: str
    names: tuple[str, str]
    data: str
    purpose: str
    limits: str
    test: str
    vocabulary: int = 8000
    tokens: str = "byte-pair encoding"
    prepare: Callable[[str], str] = str
    tokenizer: Callable[[Iterable[str], int], Tokenizer] = _pieces
    shape: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)


GERMAN = Languages(
    source="de",
    target="en",
    names=("German", "English"),
    data=TATOEBA.format(pair="English-German", edition="2018-05-13"),
    purpose="small enough to serve on a laptop's CPU, good enough that its attention means something",
    limits="It knows short, everyday sentences. Long or technical text, names it has never seen and anything other "
    "than German\n  come out wrong, often fluently so: what it does not know it makes up.",
    test="tests/data/de-en/test.jsonl",
)

CHINESE = Languages(
    source="zh",
    target="en",
    names=("Chinese", "English"),
    data=TATOEBA.format(pair="English-Chinese", edition="2026-02-13")
    + " The Chinese was\nbrought into simplified characters by OpenCC (Apache-2.0) before the split.",
    purpose="a small demonstration, from a sixth of the sentences that `de-en` has seen, to look into",
    limits="It is a demonstration: it gets short, everyday sentences about right and much else wrong, often fluently "
    "so. Names,\n  idioms, numbers, long or technical text and rare characters come out as something else.",
    test="tests/data/zh-en/test.jsonl",
    vocabulary=5000,
    tokens="a token a Chinese character, byte-pair encoding of the rest; traditional characters are read as their "
    "simplified ones",
    prepare=simplified,
    tokenizer=_characters,
    shape={
        "width": 192,
        "feed_forward": 640,
        "heads": 6,
        "kv_heads": 6,
        "encoder_layers": 3,
        "decoder_layers": 2,
        "dropout": 0.2,
    },
    recipe={"epochs": 24, "batch_tokens": 2000, "learning_rate": 2e-3, "warmup_steps": 500},
)

LANGUAGES = {f"{each.source}-{each.target}": each for each in (GERMAN, CHINESE)}


def languages(name: str) -> Languages:
    """The record of a pair, as SOURCE-TARGET.

    Raises:
        InputError: there is none.
    """
    if name not in LANGUAGES:
        raise InputError(f"{name[:40]!r} is no pair of languages that can be trained: choose {' or '.join(LANGUAGES)}")
    return LANGUAGES[name]
