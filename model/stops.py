"""Texts that end an output where they are written, which callers name: `parameters.stop`."""

from collections.abc import Callable, Sequence

SLACK = 4  # tokens besides those of the longest text: the first of a window may lose a space, or be half a character


class StopStrings:
    """Whether the last token of an output shows one of some texts; asked after every token.

    The output keeps that token, as it keeps an end token.

    Args:
        strings: the texts, none of them empty.
        decode: ids to their text.
    """

    def __init__(self, strings: Sequence[str], decode: Callable[[list[int]], str]) -> None:
        self.strings, self.decode = tuple(strings), decode
        self.window = max(len(string.encode()) for string in strings) + SLACK  # no token has less than a byte

    def __call__(self, ids: Sequence[int]) -> bool:
        """Whether an output of these ids ends here."""
        text = self.decode(list(ids[-self.window :]))
        return any(string in text for string in self.strings)


class Unstopped:
    """A growing text, handed out up to the first of these strings: what may be the beginning of one waits."""

    def __init__(self, strings: Sequence[str]) -> None:
        self.strings, self.stopped = tuple(strings), False
        self._held = ""

    def add(self, piece: str) -> str:
        """What can be handed out now that the text goes on with this piece."""
        if self.stopped:
            return ""
        text = self._held + piece
        before = before_stop(text, self.strings)
        self.stopped = len(before) < len(text)
        waiting = 0 if self.stopped else self._beginning(text)
        self._held = text[len(text) - waiting :]
        return before[: len(before) - waiting]

    def rest(self) -> str:
        """What waited for more, once there is no more."""
        held, self._held = self._held, ""
        return held

    def _beginning(self, text: str) -> int:
        """Characters at the end of a text that one of the strings begins with."""
        longest = max(map(len, self.strings), default=1) - 1
        ends = range(min(longest, len(text)), 0, -1)
        return next((size for size in ends if any(string.startswith(text[-size:]) for string in self.strings)), 0)


def before_stop(text: str, strings: Sequence[str]) -> str:
    """A text up to the first of these strings in it, without that."""
    places = [place for place in (text.find(string) for string in strings) if place >= 0]
    return text[: min(places)] if places else text
