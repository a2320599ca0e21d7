"""Word alignments out of a cross map: which row is a token's, from tokens to words, and both directions together.

The row of a decoder whose input is token t is the row that predicts token t + 1. A token has two rows, then: that
which writes it ("output"), and that which reads it as the next input ("input"), where the decoder knows what it has
written. Chen et al. 2020, "Accurate word alignment induction from neural machine translation" (SHIFT-ATT). Plain numpy.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from heedmap.model.measures.alignment import token_rows
from heedmap.model.measures.alignment_error import Links
from heedmap.model.prediction import Axis
from heedmap.model.taught_head import Reading
from heedmap.model.words import SPACE, Word, words

READINGS: tuple[Reading, ...] = get_args(Reading)
Symmetrisation = Literal["intersection", "union", "grow-diag-final"]
SYMMETRISATIONS: tuple[Symmetrisation, ...] = get_args(Symmetrisation)
# Of a target word's weight, what makes a link of a head that was taught: it was taught to share a word's weight out
# evenly, so of two counterparts each has a half, and of three none has this much.
SHARE = 0.4
# Of any word's weight, what makes the target word that looks at a source word most that one's own choice: half of what
# a word that shares its weight among two gives each. Measured on links of the corpus, 0.2 to 0.35 are much alike.
ANSWER = 0.25
NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))  # of grow-diag, straight ones first


def content_words(axis: Axis) -> list[Word]:
    """The words of a text, as its own: without special tokens, and without what stands for a space alone.

    A token that the vocabulary has no word for is special to the model, yet stands for characters: it stays.
    """
    return [
        word
        for word in words(axis)
        if word.text.strip(SPACE) and (not word.special or any(_covers(axis, token) for token in word.tokens))
    ]


def null_columns(axis: Axis) -> list[int]:
    """The tokens of an axis that stand for nothing: an end token, above all."""
    return [token for token, special in enumerate(axis.special) if special and not _covers(axis, token)]


def _covers(axis: Axis, token: int) -> bool:
    start, stop = axis.spans[token]
    return start < stop


def word_scores(
    weights: NDArray[np.floating[Any]], target: Sequence[Word], source: Sequence[Word], reading: Reading
) -> NDArray[np.float64]:
    """How much each target word looks at each source word, (T, S), of a map of tokens (Q, K).

    Of the weights between the tokens of both the largest: a word aligns if a part of it does.
    """
    rows = np.asarray(token_rows(weights, reading), np.float64)
    if not target or not source:
        return np.zeros((len(target), len(source)))
    columns = np.stack([rows[:, word.tokens].max(axis=1) for word in source], axis=1)
    return np.stack([columns[word.tokens].max(axis=0) for word in target])


def aligned_words(
    weights: NDArray[np.floating[Any]],
    target: Sequence[Word],
    source: Sequence[Word],
    reading: Reading,
    null: Sequence[int] = (),
) -> Links:
    """The links of one map (Q, K): each token of the target with the token of the source that it looks at most.

    Args:
        weights: of tokens, target by source; target, source: their words, without special tokens.
        null: columns that stand for nothing: a token that looks at one of them most has no link.

    Returns:
        Source and target words by their places; two words are linked if any of their tokens are.
    """
    rows = np.asarray(token_rows(weights, reading), np.float64)
    word_of = {token: place for place, word in enumerate(source) for token in word.tokens}
    columns = np.array([*word_of, *null], np.intp)
    if not word_of:
        return frozenset()
    seen = columns[rows[:, columns].argmax(axis=1)]
    return frozenset(
        (word_of[int(seen[token])], place)
        for place, word in enumerate(target)
        for token in word.tokens
        if int(seen[token]) in word_of
    )


def shared_words(
    weights: NDArray[np.floating[Any]], target: Sequence[Word], source: Sequence[Word], reading: Reading
) -> Links:
    """The links of the map (Q, K) of a head that was taught, read in both directions and joined by grow-diag-final.

    A target word is linked to the source words that have `SHARE` of its weight, a source word to the target word that
    looks at it most, if that gives it `ANSWER`. A source word has what its tokens have together, a target word what its
    tokens give on average; what rests on the end token is nobody's. Returns source and target words by their places.
    """
    rows = np.asarray(token_rows(weights, reading), np.float64)
    if not target or not source:
        return frozenset()
    columns = np.stack([rows[:, word.tokens].sum(axis=1) for word in source], axis=1)
    shares = np.stack([columns[word.tokens].mean(axis=0) for word in target])
    forward = frozenset((int(place), int(word)) for word, place in np.argwhere(shares >= SHARE))
    most = shares.max(axis=0)
    backward = frozenset((int(place), int(shares[:, place].argmax())) for place in np.flatnonzero(most >= ANSWER))
    return symmetrise(forward, backward, "grow-diag-final")


def symmetrise(forward: Links, backward: Links, how: Symmetrisation) -> Links:
    """One alignment out of two directions, both with the source first.

    `grow-diag-final` begins with the intersection, grows by neighbours of its links that the union has and that have a
    word without a link, then takes the rest of the links that still have one, of the first direction before the
    second: Koehn et al. 2005, "Edinburgh system description for the 2005 IWSLT speech translation evaluation".
    """
    both, either = forward & backward, forward | backward
    if how == "intersection":
        return both
    if how == "union":
        return either
    links = set(both)
    sources, targets = {s for s, _ in links}, {t for _, t in links}
    grown = True
    while grown:
        grown = False
        for source, target in sorted(links):
            for down, right in NEIGHBOURS:
                near = source + down, target + right
                if near in either and near not in links and (near[0] not in sources or near[1] not in targets):
                    links.add(near)
                    sources.add(near[0])
                    targets.add(near[1])
                    grown = True
    for direction in (forward, backward):
        for source, target in sorted(direction):
            if source not in sources or target not in targets:
                links.add((source, target))
                sources.add(source)
                targets.add(target)
    return frozenset(links)


def reversed_links(links: Links) -> Links:
    """The links of the other direction, source first again."""
    return frozenset((target, source) for source, target in links)
