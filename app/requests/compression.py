"""Compressed request bodies, inflated while they stream: a bomb is stopped at the limit that a plain body has."""

import zlib
from collections import deque
from collections.abc import Callable

from starlette.types import Message, Receive

from heedmap.app.errors import Unreadable, UnsupportedMedia

CHUNK = 64 << 10  # bytes inflated at once: the event loop is held for well under a millisecond
READ = ("gzip", "deflate")
GZIP = 16 + zlib.MAX_WBITS


def encodings(header: str) -> list[str]:
    """The encodings of a Content-Encoding header, in the order in which they were applied; identity is none."""
    names = [part.strip().lower() for part in header.split(",")]
    return [name.removeprefix("x-") for name in names if name not in ("", "identity")]


def inflated(receive: Receive, header: str, count: Callable[[int], None]) -> Receive:
    """What the body of these messages says once it is inflated; `count` is told each piece's bytes and may refuse.

    Raises (from what is returned, once there is a body):
        UnsupportedMedia: an encoding that is not read. Unreadable: not what the header says.
    """
    names = encodings(header)
    if not names:
        return receive
    waiting: deque[bytes] = deque()
    inflater: _Inflater | None = None
    ended = done = False

    async def read() -> Message:
        nonlocal inflater, ended, done
        while True:
            if inflater is not None and not done:
                piece = inflater.piece(waiting, ended)
                if piece is not None:
                    count(len(piece))
                    return {"type": "http.request", "body": piece, "more_body": True}
                if ended:
                    done = True
                    return {"type": "http.request", "body": b"", "more_body": False}
            message = await receive()
            if message["type"] != "http.request" or done:
                return message
            body, ended = message.get("body", b""), not message.get("more_body", False)
            if inflater is None:
                if not body:
                    return message  # nothing to inflate: a GET, or a body that begins later
                if names not in (["gzip"], ["deflate"]):
                    raise UnsupportedMedia(
                        f"a body may be compressed by {' or '.join(READ)} or not at all, not by {header[:60]!r}",
                        headers={"Accept-Encoding": ", ".join(READ)},
                    )
                inflater = _Inflater(names[0])
            if body:
                waiting.append(body)

    return read


class _Inflater:
    """Bytes of one encoding, a bounded piece at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stream = zlib.decompressobj(GZIP if name == "gzip" else zlib.MAX_WBITS)
        self.begun = False

    def piece(self, waiting: deque[bytes], ended: bool) -> bytes | None:
        """The next bytes; None where more must be received first, or where there are no more."""
        while waiting:
            data = waiting.popleft()
            if self.stream.eof:
                if self.name != "gzip":
                    raise Unreadable("there is more after the end of the deflate body", field="body")
                self.stream = zlib.decompressobj(GZIP)  # members one after the other are one body (RFC 1952, 2.2)
            try:
                inflated = self._inflate(data)
            except zlib.error:
                raise Unreadable(
                    f"Content-Encoding says {self.name}, and the body is no {self.name} data", field="body"
                ) from None
            left = self.stream.unconsumed_tail or self.stream.unused_data
            if left:
                waiting.appendleft(left)
            self.begun = True
            if inflated:
                return inflated
        if ended and not self.stream.eof:
            raise Unreadable(f"the {self.name} body breaks off before its end", field="body")
        return None

    def _inflate(self, data: bytes) -> bytes:
        try:
            return self.stream.decompress(data, CHUNK)
        except zlib.error:
            if self.begun or self.name != "deflate":
                raise
            self.stream = zlib.decompressobj(-zlib.MAX_WBITS)  # deflate without zlib's frame, as some clients send it
            return self.stream.decompress(data, CHUNK)
