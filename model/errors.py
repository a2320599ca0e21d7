"""Everything that Heedmap's model side raises on purpose.

    HeedmapError
    ├── InputError (ValueError)          what the caller gave cannot be used as it is
    │   ├── EmptyInput                   nothing to attend to
    │   ├── InputTooLong                 more tokens than the model has positions for
    │   │   └── TraceTooLarge            a trace of it would be over what is kept
    │   ├── RangeError                   rows, columns, layer, head or site outside the map
    │   └── ParameterError               a decoding or attention parameter that makes no sense
    ├── CheckpointError                  a checkpoint that cannot be read as one
    │   ├── CheckpointMismatch           missing, unexpected or misshapen tensors
    │   └── UnsafeCheckpoint             a pickle where safetensors belong
    ├── TraceError                       a trace file that cannot be read as one
    ├── ModelFailure                     a pass that broke at an input, though nothing was found wrong with it
    │   └── OutOfMemory                  there was not enough memory for it
    ├── GeneratorFailure                 a generator elsewhere that cannot be reached, or wrote what is no output
    └── Cancelled                        the caller went away or its deadline passed

A message says what was wrong and what would be right. An `assert` guards our own invariants, never the user's input.
"""

import traceback
from typing import TypeVar


class HeedmapError(Exception):
    """The root of the tree. `field` names the part of the request at fault, where one is."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InputError(HeedmapError, ValueError):
    """What the caller gave cannot be used as it is."""


class EmptyInput(InputError):
    """There is nothing to attend to."""


class InputTooLong(InputError):
    """More tokens than the model has positions for."""


class TraceTooLarge(InputTooLong):
    """A trace of so many tokens would be over what is kept of one."""


class RangeError(InputError):
    """A site, layer, head, row or column that the map does not have."""


class ParameterError(InputError):
    """A decoding or attention parameter that makes no sense."""


class CheckpointError(HeedmapError):
    """A checkpoint that cannot be read as one."""


class CheckpointMismatch(CheckpointError):
    """Missing, unexpected or misshapen tensors."""


class UnsafeCheckpoint(CheckpointError):
    """A pickle where safetensors belong."""


class TraceError(HeedmapError):
    """A trace file that cannot be read as one."""


class ModelFailure(HeedmapError):
    """A pass that broke at an input, though nothing was found wrong with it.

    `__cause__` is what the model raised, and `stack` where, in words for a log.
    """

    stack: str | None = None


class GeneratorFailure(HeedmapError):
    """A generator elsewhere that cannot be reached, or wrote what this model cannot have written."""


class OutOfMemory(ModelFailure):
    """A pass for which there is not enough memory; less of it at once may fit."""


class Cancelled(HeedmapError):
    """The caller went away or its deadline passed; the work was stopped."""


E = TypeVar("E", bound=BaseException)
FRAMES = 12  # of a stack in a log, from where it broke upwards: a pass through a model is a few layers deep
STACK = 6000  # characters of it


def detached(error: E) -> E:
    """The error without its traceback, cause and context, and so without what their frames hold: fit to be kept.

    The frames of a text that is too long hold its tokens, those of a route its body; and an error that stands in one of
    its own frames' lists is freed by nobody but the garbage collector, whenever that comes by. The cause of a
    `ModelFailure` stays, as bare as the failure itself.
    """
    if isinstance(error, ModelFailure) and error.__cause__ is not None:
        detached(error.__cause__)
    else:
        error.__cause__ = None
    error.__context__ = None
    return error.with_traceback(None)


def stack_of(error: BaseException) -> str:
    """Where an error was raised, and from which other, as text: of a long stack the end."""
    said = "".join(traceback.format_exception(error, limit=-FRAMES))
    return said if len(said) <= STACK else f"{said[: STACK // 2]}\n[...]\n{said[-STACK // 2 :]}"
