"""Tokens as people read them, by the rules of `tokenText` in static/js/text/words.js."""

from collections.abc import Sequence

from heedmap.app.render.isolate import isolated
from heedmap.model.words import CONTINUED, CONTINUES, SPACE

LONGEST = 16  # characters of a label beside a map


def readable(labels: Sequence[str]) -> list[str]:
    """A word's beginning plain, a continuation with a dot before it; a vocabulary that marks neither as it is."""
    marks = any(label.startswith(SPACE) for label in labels)
    return [_readable(label, marks and place > 0) for place, label in enumerate(labels)]


def _readable(label: str, marked: bool) -> str:
    if label == SPACE:
        return "␣"
    if label.startswith(SPACE):
        return label[1:]
    if len(label) > len(CONTINUES) and label.startswith(CONTINUES):
        return f"·{label.removeprefix(CONTINUES)}"
    if len(label) > len(CONTINUED) and label.endswith(CONTINUED):
        return f"{label.removesuffix(CONTINUED)}·"
    return f"·{label}" if marked and label[:1].isalnum() else label


def short(label: str) -> str:
    """A label that fits beside a map, kept from reordering what stands beside it."""
    return isolated(label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…")
