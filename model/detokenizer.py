"""Text while it is written: what each token adds, so that all of it joins to what the ids decode to as a whole."""

import re
from collections.abc import Callable

BYTE_TOKEN = re.compile("<0x[0-9A-F]{2}>")  # of a vocabulary that spells what it does not know byte by byte
UNFINISHED = "\ufffd"  # what decoders write for bytes that are no character, or none yet
WINDOW = 512  # tokens that are decoded again at every step: more would cost as much as a step of a small model


class Detokenizer:
    """Hands out a growing text as soon as nothing that follows can change it.

    A character that is spelled over several tokens waits until it is whole, and a run of byte tokens for its end: one
    wrong byte takes back all of it.

    Args:
        decode: ids to their text; what it makes of the first ids is the beginning of what it makes of more, but for
            unfinished characters.
        name: of a token, as the vocabulary writes it.
        cleans: decoding takes away spaces before punctuation and around apostrophes, which come later: then the last
            words wait too.
    """

    def __init__(
        self, decode: Callable[[list[int]], str], name: Callable[[int], str | None], *, cleans: bool = False
    ) -> None:
        self.decode, self.name, self.cleans = decode, name, cleans
        self.ids: list[int] = []  # of the window
        self.sent = 0  # characters of the window's text that were handed out
        self.limit = WINDOW

    def add(self, token: int, *, last: bool) -> str:
        """What is settled of the text now that this token was written; with the last one, all of it."""
        self.ids.append(token)
        text = self.decode(self.ids if last else self._without_bytes())
        settled = len(text) if last else self._settled(text)
        piece = text[self.sent : settled]
        self.sent = max(self.sent, settled)
        if len(self.ids) > self.limit:
            self._forget()
        return piece

    def _without_bytes(self) -> list[int]:
        stop = len(self.ids)
        while stop and BYTE_TOKEN.fullmatch(self.name(self.ids[stop - 1]) or ""):
            stop -= 1
        return self.ids[:stop]

    def _settled(self, text: str) -> int:
        settled = len(text.rstrip(UNFINISHED))
        if self.cleans:  # what is taken away begins with a space, and has two at most
            settled = max(text.rfind(" ", 0, max(text.rfind(" ", 0, settled), 0)), 0)
        return settled

    def _forget(self) -> None:
        """Leave the older half of the window, where the rest decodes to the same by itself."""
        kept = self.ids[len(self.ids) // 2 :]
        whole, rest = self.decode(self.ids), self.decode(kept)
        gone = len(whole) - len(rest)
        if rest and whole.endswith(rest) and self.sent >= gone:
            self.ids, self.sent, self.limit = kept, self.sent - gone, WINDOW
        else:
            self.limit = len(self.ids) + WINDOW // 8
