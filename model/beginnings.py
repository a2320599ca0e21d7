"""Texts that are too long for a model, known from their beginning: what is refused is not tokenized whole first.

A tokenizer's encoding takes a hundred bytes and more of a character, and time by the length; a text that a model has no
positions for is told by a part of it. What fits is tokenized as ever.
"""

from collections.abc import Callable

CHARACTERS = 8  # of the first beginning, a token: prose has three to five, so what fits is mostly shorter than that
SLACK = 128  # tokens that a cut may add: of a word in two, or of one so long that a tokenizer calls it unknown whole
BLANK = 512  # characters before the cut among which a blank is looked for
GROWTH = 4  # the next beginning's length to this one's: all of them together take a third more than the last


def tokens_over(text: str, limit: int | None, count: Callable[[str], int]) -> int | None:
    """The tokens, at least, of a text whose beginning has more than `limit`; None where it must be tokenized whole.

    count: the tokens of a text, without those that a tokenizer adds.
    """
    if limit is None:
        return None
    length = CHARACTERS * (limit + SLACK)
    while length < len(text):
        cut = text.rfind(" ", length - BLANK, length)
        tokens = count(text[: cut if cut > 0 else length]) - SLACK
        if tokens > limit:
            return tokens
        length *= GROWTH
    return None
