"""One bad input never fails its neighbours: what fails together is tried again one by one, after memory by halves."""

import gc
import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from heedmap.model.errors import Cancelled, HeedmapError, InputError, ModelFailure, OutOfMemory, detached, stack_of

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
# What PyTorch's allocator for the CPU says, on Linux and elsewhere, in a plain RuntimeError.
LOST = re.compile(r"CUDA error|CUBLAS_STATUS_(?!NOT_SUPPORTED)|CUDNN_STATUS_EXECUTION_FAILED")
SIGNS = ("not enough memory", "can't allocate memory", "cannot allocate memory", "out of memory")


class DeviceLost(BaseException):
    """The accelerator has failed: every later call in this process fails too, whatever its input; no `Exception`."""


def lost(error: BaseException) -> bool:
    """Whether an error says that the accelerator has failed; memory that ran out is none such: the next may fit."""
    if isinstance(error, DeviceLost):
        return True
    failed = isinstance(error, torch.AcceleratorError) or (isinstance(error, RuntimeError) and LOST.search(str(error)))
    return bool(failed) and not out_of_memory(error)


def isolated(
    run: Callable[[Sequence[I]], Sequence[O]], items: Sequence[I], *, split: bool = False
) -> list[O | HeedmapError]:
    """What `run` makes of the items, each its own result or its own error, in the same order.

    All go together; where that raises, each goes alone, so that the others get their answers. Where memory ran out,
    the halves go first: most of a batch that was a little too large is still answered together.

    Args:
        split: whether these are such a half already.

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
        parts = halves(items) if out_of_memory(error) and not split else [[item] for item in items]
    return [result for part in parts for result in isolated(run, part, split=True)]


def failure(error: Exception) -> HeedmapError:
    """The error of one input: the caller's to mend as it is, anything else as a `ModelFailure` with its cause.

    It is a value from here on, kept as long as its neighbours' answers, so it loses its traceback: see `detached`.

    Raises:
        DeviceLost: it is nobody's input that failed.
    """
    if lost(error):
        raise DeviceLost(f"the accelerator has failed: {str(error)[:200]}") from error
    if isinstance(error, InputError | ModelFailure):
        return detached(error)
    if out_of_memory(error):
        return memory_error(error)
    wrapped = ModelFailure(f"the model failed at this input: {type(error).__name__}", field="inputs")
    wrapped.stack = stack_of(error)
    wrapped.__cause__ = detached(error)
    return wrapped


def memory_error(error: BaseException) -> OutOfMemory:
    """The error to hand out, and to keep: without the frames that still hold what filled the memory."""
    if isinstance(error, OutOfMemory):
        return error
    error.__context__ = error.__cause__ = None
    error.with_traceback(None)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    wrapped = OutOfMemory(
        f"there is not enough memory for this input now ({type(error).__name__}): send a shorter or smaller one, fewer "
        "beams, or fewer inputs at once",
        field="inputs",
    )
    wrapped.__cause__ = error
    return wrapped


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on whichever device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError | OutOfMemory):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)


def halves(items: Sequence[I]) -> list[Sequence[I]]:
    """Two parts of the same size, but for one."""
    middle = (len(items) + 1) // 2
    return [part for part in (items[:middle], items[middle:]) if part]
