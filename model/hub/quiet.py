"""Without what transformers says about choices that are made here on purpose."""

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Any

_lock = threading.Lock()
_wanted: dict[str, tuple[int, int]] = {}  # by logger: how many threads want it quiet, and its level before


@contextlib.contextmanager
def quiet(name: str = "transformers") -> Iterator[None]:
    """Keep a library's warnings off its log; its errors stay.

    Several threads may want it at once: the last one to leave puts back what the first one found.
    """
    logger = logging.getLogger(name)
    with _lock:
        count, level = _wanted.get(name, (0, logger.level))
        _wanted[name] = count + 1, level
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        with _lock:
            count, level = _wanted.pop(name)
            if count > 1:
                _wanted[name] = count - 1, level
            else:
                logger.setLevel(level)


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep transformers' loading report, progress bar and warnings off the log: what matters is raised."""
    from transformers import utils

    library: Any = utils.logging
    bars = library.is_progress_bar_enabled()
    library.disable_progress_bar()
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # recommendations of further packages, parameters of old files
            yield
    finally:
        if bars:
            library.enable_progress_bar()
