"""Captions against those written by hand, and their tokens."""

import random

import pytest

from heedmap.model.native.tokenizer import UNKNOWN
from heedmap.model.training.scenes.captions import LANGUAGES, captions, tokenizer
from heedmap.model.training.scenes.nouns import COLOURS, NOUNS
from heedmap.model.training.scenes.scene import Arrangement, Group, Scene, drawn_by_lot

PLACE = {noun.one: place for place, noun in enumerate(NOUNS)}
COLOUR = {colour[0]: place for place, colour in enumerate(COLOURS)}


def group(count: int, noun: str, colour: str | None = None) -> Group:
    return Group(PLACE[noun], count, None if colour is None else COLOUR[colour])


def scene(arrangement: str, *groups: Group) -> Scene:
    return Scene(groups, Arrangement(arrangement))


@pytest.mark.parametrize(
    ("shown", "english", "chinese"),
    [
        (scene("alone", group(1, "owl")), ["an owl"], ["一只猫头鹰"]),
        (scene("alone", group(1, "umbrella", "blue")), ["a blue umbrella"], ["一把蓝雨伞"]),
        (scene("alone", group(5, "butterfly", "yellow")), ["five yellow butterflies"], ["五只黄蝴蝶"]),
        (
            scene("across", group(2, "apple", "red"), group(1, "dog")),
            ["two red apples to the left of a dog", "a dog to the right of two red apples"],
            ["两个红苹果在一只狗的左边", "一只狗在两个红苹果的右边"],
        ),
        (
            scene("down", group(1, "elephant"), group(4, "cactus")),
            ["an elephant above four cacti", "four cacti below an elephant"],
            ["一头大象在四棵仙人掌的上面", "四棵仙人掌在一头大象的下面"],
        ),
        (
            scene("down", group(2, "key"), group(1, "snowman"), group(1, "car", "green")),
            ["a snowman between two keys and a green car"],
            ["一个雪人在两把钥匙和一辆绿汽车之间"],
        ),
    ],
)
def test_captions_are_as_people_say_them(shown: Scene, english: list[str], chinese: list[str]) -> None:
    assert captions(shown, "en") == english
    assert captions(shown, "zh") == chinese


def test_words_are_tokens_and_are_never_cut() -> None:
    tokens = tokenizer()
    english = tokens.encode("two red apples to the left of a dog")
    assert english.labels == ["▁two", "▁red", "▁apples", "▁to", "▁the", "▁left", "▁of", "▁a", "▁dog", "</s>"]
    chinese = tokens.encode("两个红苹果在一只狗的左边")
    assert chinese.labels == ["▁两", "个", "红", "苹果", "在", "一", "只", "狗", "的", "左边", "</s>"]
    assert tokens.one("apples", "minus") == english.ids[2]
    assert tokens.one("苹果", "minus") == chinese.ids[3]


def test_every_caption_is_known_and_comes_back() -> None:
    tokens, rng = tokenizer(), random.Random(5)
    for place in range(150):
        shown = drawn_by_lot(rng, held_out=bool(place % 2))
        for language in LANGUAGES:
            for caption in captions(shown, language):
                encoded = tokens.encode(caption)
                assert UNKNOWN not in encoded.ids, caption
                assert tokens.decode(encoded.ids) == caption
                assert tokens.describe(encoded.ids).spans == encoded.spans


def test_what_is_no_word_is_unknown() -> None:
    assert UNKNOWN in tokenizer().encode("a photograph").ids


def test_names_tell_things_apart() -> None:
    for names in ([n.code for n in NOUNS], [n.one for n in NOUNS], [n.many for n in NOUNS], [n.chinese for n in NOUNS]):
        assert len(set(names)) == len(NOUNS)
