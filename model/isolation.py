"""One bad input never fails its neighbours: what fails together is tried again one by one."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from heedmap.model.errors import Cancelled, HeedmapError, InputError, ModelFailure, detached, stack_of

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


def isolated(run: Callable[[Sequence[I]], Sequence[O]], items: Sequence[I]) -> list[O | HeedmapError]:
    """What `run` makes of the items, each its own result or its own error, in the same order.

    All go together; where that raises, each goes alone, so that the others get their answers.

    Raises:
        Cancelled: `run` did.
    """
    try:
        return list(run(items))
    except Cancelled:
        raise
    except Exception as error:  # whatever a model raises at what a caller sent
        if len(items) == 1:
            return [failure(error)]
    return [result for item in items for result in isolated(run, [item])]


def failure(error: Exception) -> HeedmapError:
    """The error of one input: the caller's to mend as it is, anything else as a `ModelFailure` with its cause.

    It is a value from here on, kept as long as its neighbours' answers, so it loses its traceback: see `detached`.
    """
    if isinstance(error, InputError | ModelFailure):
        return detached(error)
    wrapped = ModelFailure(f"the model failed at this input: {type(error).__name__}", field="inputs")
    wrapped.stack = stack_of(error)
    wrapped.__cause__ = detached(error)
    return wrapped
