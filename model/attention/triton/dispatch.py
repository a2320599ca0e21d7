"""Which Triton kernel is used for which map: those that agree with the formula, on the device that the map is on.

Triton is optional, and a kernel is compiled for each device, dtype, head size and so on. Each such variant is run once
on tiny inputs, against the formula, before it is trusted; one that cannot be had, raises, or disagrees is not used,
which is logged, and the caller takes the plain path. So every function here may answer None.
"""

import importlib
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.attention.biases import Bias
from heedmap.model.attention.masks import Mask
from heedmap.model.attention.scores import Score
from heedmap.model.attention.triton import probe
from heedmap.model.attention.triton.problem import Problem, problem_of

DEVICES = {"cuda"}  # ROCm's too; the host has the plain path, which Triton's interpreter is tested against

T = TypeVar("T")
Variant = tuple[object, ...]

_logger = logging.getLogger(__name__)
_verdicts: dict[Variant, bool] = {}
_lock = threading.Lock()


def supports(
    q: Float[Tensor, "H Q D"],
    k: Float[Tensor, "G K D"],
    lse: Float[Tensor, "H Q"],
    score: Score,
    mask: Mask,
    bias: Bias | None,
) -> Problem | None:
    """The maps of a layer as the kernels take them; None where they are not for this device or not for these maps."""
    return problem_of(q, k, lse, score, mask, bias) if q.device.type in DEVICES and available() else None


def window(problem: Problem, rows: Int[Tensor, "R"], cols: range) -> Float[Tensor, "H R C"] | None:
    """The exact weights of these rows, ascending, and columns, in float32."""
    module = "window"
    return _attempt(module, problem, (), lambda: _kernels(module).window(problem, rows, cols))


def statistics(problem: Problem, rows: Int[Tensor, "R"]) -> dict[str, Float[Tensor, "H"]] | None:
    """The numbers of `AttentionMap.statistics` over these rows, ascending."""
    module = "statistics"
    return _attempt(module, problem, (), lambda: _kernels(module).statistics(problem, rows))


def overview(
    problem: Problem, rows: range, cols: range, side: int, mean: bool
) -> tuple[Float[Tensor, "H R C"], Float[Tensor, "R C"]] | None:
    """Blocks of side x side cells made one, and how many cells of each are visible; rows and cols are of cells.

    side: a power of two, at most `largest_side`.
    """
    module = "overview"
    return _attempt(module, problem, (side, mean), lambda: _kernels(module).overview(problem, rows, cols, side, mean))


def largest_side(problem: Problem) -> int:
    """Cells a side of the largest blocks that `overview` makes."""
    side: int = _kernels("overview").largest_side(problem)
    return side


def available() -> bool:
    """Whether there is a Triton that compiles, or one that interprets where only the host is asked for."""
    return _known(("triton",), _import)


def forget() -> None:
    """Try every kernel again at its next use."""
    with _lock:
        _verdicts.clear()


def _kernels(name: str) -> Any:
    return importlib.import_module(f"{__package__}.{name}")


def _import() -> bool:
    try:
        interpreted = _kernels("language").interpreted()
        for name in ("window", "statistics", "overview"):
            _kernels(name)
    except Exception as error:  # it is not installed, or is not the one that these kernels are written for
        _logger.info("no Triton: %s", error)
        return False
    return "cpu" in DEVICES or not interpreted  # an accelerator's tensors would be copied to the host


def _attempt(name: str, problem: Problem, constants: Variant, run: Callable[[], T]) -> T | None:
    """What the kernel makes, or None if this variant of it is not sound here, or fails now."""
    q, k = problem.q, problem.k
    traits = (q.shape[2], q.shape[0] == k.shape[0], problem.cap > 0, problem.bias is not None)
    variant = (name, q.device, q.dtype, *traits, *constants)
    if not _known(variant, lambda: _sound(name, problem, constants)):
        return None
    try:
        with _current(q.device):
            return run()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a compiler may raise anything
        _logger.warning("kernel %s is not used for %s any more: %s", name, variant[1:], error)
        _verdicts[variant] = False
    return None


def _current(device: torch.device) -> AbstractContextManager[Any]:
    """Triton launches on the current device, whatever its arguments are on."""
    context: AbstractContextManager[Any] = torch.cuda.device(device) if device.type == "cuda" else nullcontext()
    return context


def _known(variant: Variant, judge: Callable[[], bool]) -> bool:
    verdict = _verdicts.get(variant)
    if verdict is None:
        with _lock:
            if variant not in _verdicts:
                _verdicts[variant] = judge()
            verdict = _verdicts[variant]
    return verdict


def _sound(name: str, problem: Problem, constants: Variant) -> bool:
    try:
        with torch.inference_mode(), _current(problem.q.device):
            distance = probe.error(name, getattr(_kernels(name), name), problem, constants)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a compiler may raise anything
        _logger.warning("kernel %s cannot be used on %s in %s: %s", name, problem.q.device, problem.q.dtype, error)
        return False
    if distance <= probe.TOLERANCE:  # NaN is not
        return True
    _logger.warning(
        "kernel %s disagrees with the formula on %s in %s by %g: not used",
        name, problem.q.device, problem.q.dtype, distance,
    )  # fmt: skip
    return False
