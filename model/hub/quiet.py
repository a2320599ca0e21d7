"""Without what transformers says about choices that are made here on purpose."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def quiet(name: str = "transformers") -> Iterator[None]:
    """Keep a library's warnings off its log; its errors stay."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
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
