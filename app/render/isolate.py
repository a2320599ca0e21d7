"""Texts of either direction beside each other: each is kept from reordering its neighbours, and a token's bytes from
reordering the letters beside them (Unicode Standard Annex 9: FSI, LRI and PDI).

The rules are those of static/js/text/isolate.js. A text without letters from right to left can reorder nothing and is
left without marks, since not every terminal and font hides them.
"""

import re

FIRST_STRONG, LEFT_TO_RIGHT, END = "\u2068", "\u2066", "\u2069"
# Letters that run from right to left: Hebrew, Arabic and their kin, and the scripts of the blocks kept for such.
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
EMBEDDING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # a text's own would reach beyond it
BYTES = re.compile("(?:<0x[0-9A-F]{2}>)+")


def isolated(text: str) -> str:
    """A text that leaves what stands beside it alone, and is left alone; its own marks of direction are taken out."""
    bare = EMBEDDING.sub("", text)
    if not RIGHT_TO_LEFT.search(bare):
        return bare
    apart = BYTES.sub(lambda match: f"{LEFT_TO_RIGHT}{match[0]}{END}", bare)
    return f"{FIRST_STRONG}{apart}{END}"
