"""How far word alignments are from those made by hand: Pharaoh's format, and the alignment error rate.

Och and Ney 2003, "A systematic comparison of various statistical alignment models", section 5. Plain Python.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from heedmap.model.errors import InputError

Links = frozenset[tuple[int, int]]
"""Pairs of places of words, source first, from 0."""

LINK = re.compile(r"([0-9]{1,6})([-p])([0-9]{1,6})", re.ASCII)


@dataclass(frozen=True)
class Reference:
    """What an annotator holds for certain, and what for right too; `possible` holds the sure ones as well."""

    sure: Links
    possible: Links


@dataclass(frozen=True)
class Aligned:
    """A pair of sentences with its hand-made alignment."""

    source: str
    target: str
    reference: Reference


def parse_links(text: str) -> Reference:
    """A line such as "0-0 1p2": sure links with a hyphen, possible ones with a p.

    Raises:
        InputError: it does not read so.
    """
    kinds: dict[str, set[tuple[int, int]]] = {"-": set(), "p": set()}
    for word in text.split():
        match = LINK.fullmatch(word)
        if match is None:
            raise InputError(f"expected links such as 0-0 1-2, places from 0 and the source first, got {word[:40]!r}")
        kinds[match[2]].add((int(match[1]), int(match[3])))
    return Reference(frozenset(kinds["-"]), frozenset(kinds["-"] | kinds["p"]))


def pharaoh(links: Iterable[tuple[int, int]]) -> str:
    """Links as Pharaoh's format has them, in order: "0-0 1-2"."""
    return " ".join(f"{source}-{target}" for source, target in sorted(links))


def read_aligned(path: Path) -> list[Aligned]:
    """Lines of source, target and links with tabs between.

    Raises:
        InputError: a line is not of that form.
    """
    aligned = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        cells = line.split("\t")
        if len(cells) != 3:
            raise InputError(f"{path.name} line {number}: expected source, target and links with tabs between")
        try:
            aligned.append(Aligned(cells[0], cells[1], parse_links(cells[2])))
        except InputError as error:
            raise InputError(f"{path.name} line {number}: {error}") from error
    return aligned


def alignment_error_rate(pairs: Iterable[tuple[Links, Reference]]) -> float:
    """1 - (|A & S| + |A & P|) / (|A| + |S|) of links A, counted over all pairs together: 0 is best, 1 worst.

    Where neither links nor sure references exist, nothing is wrong: 0.
    """
    right = size = 0
    for links, reference in pairs:
        right += len(links & reference.sure) + len(links & reference.possible)
        size += len(links) + len(reference.sure)
    return 1 - right / size if size else 0.0


def precision_recall(pairs: Iterable[tuple[Links, Reference]]) -> tuple[float, float]:
    """The share of links that are possible, and the share of sure links that there are; 1 of none."""
    hits = links_seen = sure_hits = sure_seen = 0
    for links, reference in pairs:
        hits, links_seen = hits + len(links & reference.possible), links_seen + len(links)
        sure_hits, sure_seen = sure_hits + len(links & reference.sure), sure_seen + len(reference.sure)
    return hits / links_seen if links_seen else 1.0, sure_hits / sure_seen if sure_seen else 1.0
