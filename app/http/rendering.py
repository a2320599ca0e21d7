"""Answers made of what was computed, beside the event loop."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

from heedmap.model.observer import stage

P = ParamSpec("P")
T = TypeVar("T")


async def rendered(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What this function makes, which is a stage of the request."""
    with stage("render"):
        return await run_in_threadpool(function, *args, **kwargs)
