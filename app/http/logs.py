"""Log lines: one an event, bounded, with the id of the request, and never in the way of an answer."""

import io
import json
import logging
import math
import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from heedmap.app import ticket

LONGEST = 6_000  # characters of a value in a log line: a stack of thirty calls
LINE = 15_000  # of all values in one, as JSON has them: Docker's own driver cuts lines at 16 KiB
ENTRIES = 20  # of a list or a mapping in a log line
DEPTH = 3  # to which they are nested
NAME = 100  # characters of a value's name
ESCAPED = 12  # characters that one takes as JSON at most
FIRST = ("event", "level", "timestamp", "request_id", "request_ids")  # of a line that has too many values
CUT = "[...]"
# What they warn of when they are imported is nothing that whoever runs the service could change.
NOISY = ("torchao", "torch.utils._pytree")


def configure_logging(form: str) -> None:
    """One line an event, as JSON or for people; stacks without local variables, which hold callers' texts."""
    structlog.configure(
        processors=[*_common(), bounded, _renderer(form)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: OUTPUT,
        cache_logger_on_first_use=False,
    )


def take_over(form: str) -> None:
    """Let what the server, libraries and Python's warnings say be such lines too: in a process that is all ours."""
    handler = logging.StreamHandler(OUTPUT)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), plain, *_common()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, bounded, _renderer(form)],
        )
    )
    logging.getLogger().handlers = [handler]
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # a line that cannot be made is lost, and says so to nobody


def named(logger: Any, method: str, line: EventDict) -> EventDict:
    """The line with the id of the request that it belongs to, or with those of a batch."""
    answered = ticket.request_info()
    if answered is not None:
        if len(answered.ids) == 1:
            line["request_id"] = answered.ids[0]
        else:
            line["request_ids"] = list(answered.ids[:ENTRIES])
    return line


def plain(logger: Any, method: str, line: EventDict) -> EventDict:
    """The line without what uvicorn adds for terminals."""
    line.pop("color_message", None)
    return line


def bounded(logger: Any, method: str, line: EventDict) -> EventDict:
    """The line at a sane length, whatever callers sent: of a longer text the beginning and the end."""
    if all(map(_is_brief, line.values())) and ESCAPED * sum(map(_characters, line.items())) <= LINE:
        return line
    left, kept = LINE, dict[str, Any]()
    for name, value in sorted(line.items(), key=lambda pair: pair[0] not in FIRST):
        if len(kept) == ENTRIES:
            kept["more"] = len(line) - ENTRIES
            break
        name = _cut(str(name), NAME)
        kept[name] = shown = _plain(value, min(LONGEST, left))
        left = max(0, left - len(name) - _length(shown))
    return kept


class Output(io.TextIOBase):
    """Writes lines to the standard output, each at once; a full disk or a closed pipe loses them, and no answer."""

    _lock = threading.Lock()

    def msg(self, message: str) -> None:
        """Write a line."""
        self.write(message + "\n")

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg

    def write(self, text: str) -> int:
        """Write a text, or lose it."""
        stream: Any = sys.stdout
        try:
            number = stream.fileno()
        except (AttributeError, OSError, ValueError):  # captured in memory, closed, or none
            number = None
        try:
            with self._lock:
                if number is None:
                    stream.write(text)
                    stream.flush()
                else:  # not by the stream, which would keep what a full disk did not take, and fail at the end again
                    data = text.encode("utf-8", "backslashreplace")
                    while data:
                        data = data[os.write(number, data) :]
        except (AttributeError, OSError, ValueError):
            return 0
        return len(text)


OUTPUT = Output()


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        named,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
    ]


def _renderer(form: str) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


def _plain(value: Any, room: int, depth: int = 0) -> Any:
    """A value as JSON has it, of at most about so many characters."""
    if isinstance(value, str):
        return _cut(value, room)
    if _is_brief(value):
        return value
    if isinstance(value, int):
        return _cut(hex(value), room)
    if isinstance(value, Mapping | list | tuple) and depth < DEPTH and room >= NAME:
        each = room // max(1, min(len(value), ENTRIES))
        more = [CUT] if len(value) > ENTRIES else []
        if isinstance(value, Mapping):
            rows = list(zip(value.items(), range(ENTRIES), strict=False))
            entries = {_cut(str(key), min(NAME, each)): _plain(part, each, depth + 1) for (key, part), _ in rows}
            return entries | dict.fromkeys(more, len(value) - ENTRIES)
        return [_plain(part, each, depth + 1) for part in value[:ENTRIES]] + more
    if isinstance(value, bytes | bytearray):
        return _cut(repr(bytes(value[:room])), room)
    return f"<{type(value).__name__}>" if isinstance(value, Mapping | list | tuple | set) else _cut(repr(value), room)


def _is_brief(value: Any) -> bool:
    """Whether it is written as it is: a text, none, or a number of a few digits."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str) or (isinstance(value, int) and abs(value) < 1 << 64)


def _characters(pair: tuple[str, Any]) -> int:
    return sum(len(part) if isinstance(part, str) else 2 for part in pair)  # a number's are plain


def _cut(text: str, room: int) -> str:
    """A text that takes about so many characters as JSON: where it has more, its beginning and its end."""
    if len(text) <= room and _length(text) <= room:
        return text
    half = min(len(text), room) // 2
    while True:
        shown = f"{text[:half]}{CUT}{text[len(text) - half :]}"
        if not half or _length(shown) <= room + len(CUT):
            return shown
        half = int(0.9 * half * room / _length(shown))


def _length(value: Any) -> int:
    return len(json.dumps(value)) - 2 if isinstance(value, str) else len(json.dumps(value, default=str))
