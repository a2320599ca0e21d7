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
    └── Cancelled                        the caller went away or its deadline passed

A message says what was wrong and what would be right. An `assert` guards our own invariants, never the user's input.
"""


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
    """A pass that broke at an input, though nothing was found wrong with it; `__cause__` is what the model raised."""


class OutOfMemory(ModelFailure):
    """A pass for which there is not enough memory; less of it at once may fit."""


class Cancelled(HeedmapError):
    """The caller went away or its deadline passed; the work was stopped."""
