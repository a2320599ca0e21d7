"""What a scene is called, in English and in Chinese, and the tokens of both: words, which are never cut."""

from collections.abc import Sequence

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from heedmap.model.native.feature_transformer import opening
from heedmap.model.native.tokenizer import SPACE, SPECIAL, UNKNOWN, Tokenizer, normalizer
from heedmap.model.training.scenes.nouns import COLOURS, NOUNS, Noun
from heedmap.model.training.scenes.scene import Arrangement, Group, Scene

LANGUAGES = ("en", "zh")
MOST = 5  # things in a group: as many as there are numerals
ENGLISH = ("two", "three", "four", "five")
CHINESE = ("一", "两", "三", "四", "五")
# By arrangement, as the first group stands to the second, and the second to the first.
RELATIONS = {
    Arrangement.across: (("to the left of", "左边"), ("to the right of", "右边")),
    Arrangement.down: (("above", "上面"), ("below", "下面")),
}


def captions(scene: Scene, language: str) -> list[str]:
    """All that a scene is called in a language: of two groups each may be named first, of three the middle one is."""
    names = [named(group, language) for group in scene.groups]
    if len(names) == 1:
        return names
    if len(names) == 3:
        first, middle, last = names
        return [f"{middle} between {first} and {last}" if language == "en" else f"{middle}在{first}和{last}之间"]
    before, behind = (relation[LANGUAGES.index(language)] for relation in RELATIONS[scene.arrangement])
    form = "{} {} {}" if language == "en" else "{0}在{2}的{1}"
    return [form.format(names[0], before, names[1]), form.format(names[1], behind, names[0])]


def named(group: Group, language: str) -> str:
    """A group of things: "two red apples", "两个红苹果"."""
    noun = NOUNS[group.noun]
    tint = None if group.colour is None else COLOURS[group.colour]
    if language == "zh":
        return f"{CHINESE[group.count - 1]}{noun.measure}{'' if tint is None else tint[1]}{noun.chinese}"
    count = ("a" if tint is not None else noun.article) if group.count == 1 else ENGLISH[group.count - 2]
    return " ".join((count, *(() if tint is None else (tint[0],)), noun.one if group.count == 1 else noun.many))


def tokenizer(nouns: Sequence[Noun] = NOUNS) -> Tokenizer:
    """Words as tokens: a text is cut into as few of them as it can be; a character of no word is unknown.

    English words begin with a space. A Chinese sentence does too, so that its first words have a form with one.
    """
    english = {"a", "an", *ENGLISH, *(colour[0] for colour in COLOURS), "between", "and"}
    english |= {word for pair in RELATIONS.values() for relation in pair for word in relation[0].split()}
    english |= {word for noun in nouns for word in (noun.one, noun.many)}
    chinese = {*CHINESE, *(colour[1] for colour in COLOURS), "在", "和", "之间", "的"}
    chinese |= {relation[1] for pair in RELATIONS.values() for relation in pair}
    chinese |= {word for noun in nouns for word in (noun.chinese, noun.measure)}
    spaced = sorted({*english, *CHINESE})
    words = [*SPECIAL, *map(opening, LANGUAGES), SPACE, *(SPACE + word for word in spaced), *sorted(chinese)]
    # Each costs the same, and a lonely space more than two: the best way to cut a text is that of the fewest tokens.
    costs = [(word, -3.0 if word == SPACE else -1.0) for word in words]
    backend = Backend(models.Unigram(costs, unk_id=UNKNOWN, byte_fallback=False))
    backend.add_special_tokens([*SPECIAL, *map(opening, LANGUAGES)])
    backend.normalizer = normalizer()
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    backend.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    return Tokenizer(backend)
