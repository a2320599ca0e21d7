"""PyTorch's private attention operators: those that hand out the log-sum-exp, each tried before it is trusted.

They may be missing, change their signature or their meaning from one release to the next. So each is run once per
device and dtype on tiny inputs, as it will be used, against the formula; one that is missing, raises anything, or
disagrees is not used, and `kernels` takes the public operator. This is the only file that names them.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from heedmap.model.shapes import Keys, LogSumExp, Output, Queries, Values

Operator = Callable[[Tensor, Tensor, Tensor, bool, Tensor | None, float], tuple[Tensor, Tensor]]
Case = tuple[Queries, Keys, Values, bool, Tensor | None]

# How far from the formula a sound kernel lands on inputs of size 1: rounding, on accelerators TF32's too.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 5e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
ALIGNED = 16  # keys; CUDA's efficient kernel wants the bias's rows aligned to 16 bytes

_logger = logging.getLogger(__name__)
_verdicts: dict[tuple[str, torch.device, torch.dtype], bool] = {}
_lock = threading.Lock()


def spread(x: Tensor, heads: int) -> Tensor:
    """Key/value groups (..., G, K, D) repeated to H, so that head h meets group h // (H / G) (Ainslie et al. 2023)."""
    groups = x.shape[-3]
    return x if groups == heads else x.repeat_interleave(heads // groups, dim=-3)


def _flash_cpu(
    q: Queries, k: Keys, v: Values, causal: bool, bias: Tensor | None, scale: float
) -> tuple[Output, LogSumExp]:
    if bias is not None:
        bias = bias.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
    output, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        q, k, v, 0.0, causal, attn_mask=bias, scale=scale
    )
    return output, lse


def _flash_cuda(
    q: Queries, k: Keys, v: Values, causal: bool, bias: Tensor | None, scale: float
) -> tuple[Output, LogSumExp]:
    k, v = spread(k, q.shape[1]), spread(v, q.shape[1])  # the CPU's kernel alone knows groups
    output, lse = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, causal, False, scale=scale)[:2]
    return output, lse[..., : q.shape[2]]


def _efficient_cuda(
    q: Queries, k: Keys, v: Values, causal: bool, bias: Tensor | None, scale: float
) -> tuple[Output, LogSumExp]:
    k, v = spread(k, q.shape[1]), spread(v, q.shape[1])
    queries, keys = q.shape[2], k.shape[2]
    if bias is not None:
        bias = F.pad(bias.expand(q.shape[0], q.shape[1], queries, keys), (0, (-keys) % ALIGNED))[..., :keys]
        if bias.stride(-1) != 1:  # T5's, whose heads lie innermost
            bias = bias.contiguous()
    run = torch.ops.aten._scaled_dot_product_efficient_attention
    output, lse = run(q, k, v, bias, True, 0.0, causal, scale=scale)[:2]
    return output, lse[..., :queries]  # its rows are padded to a multiple of 32


OPERATORS: dict[str, Operator] = {
    "flash_cpu": _flash_cpu,
    "flash_cuda": _flash_cuda,
    "efficient_cuda": _efficient_cuda,
}


def candidates(q: Tensor, k: Tensor, v: Tensor, causal: bool, bias: Tensor | None) -> tuple[str, ...]:
    """The names of the operators made for such inputs, the best one first."""
    if not q.is_cuda:
        return ("flash_cpu",) if q.device.type == "cpu" and k.shape[-1] == v.shape[-1] else ()
    half = q.dtype in (torch.float16, torch.bfloat16)
    if bias is None and half and k.shape[-1] == v.shape[-1] and not (causal and q.shape[2] != k.shape[2]):
        return "flash_cuda", "efficient_cuda"
    return ("efficient_cuda",)


def attempt(
    q: Queries, k: Keys, v: Values, causal: bool, bias: Tensor | None, scale: float
) -> tuple[Output, LogSumExp, str] | None:
    """Output, log-sum-exp and the operator's name, by the best operator that is sound here; None if there is none.

    An operator that was sound and refuses these inputs (a head size that is no multiple of 8 in half precision, say)
    leaves them to the next.
    """
    for name in candidates(q, k, v, causal, bias):
        if sound(name, q.device, q.dtype):
            try:
                output, lse = OPERATORS[name](q, k, v, causal, bias, scale)
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, TypeError, NotImplementedError):  # what it refuses, PyTorch says in all three
                continue
            return output, lse, name
    return None


def sound(name: str, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the operator agrees with the formula on this device and in this dtype; tried at the first call."""
    key = (name, device, dtype)
    verdict = _verdicts.get(key)
    if verdict is None:
        with _lock:
            if key not in _verdicts:
                _verdicts[key] = _try(name, device, dtype)
            verdict = _verdicts[key]
    return verdict


def forget() -> None:
    """Try every operator again at its next use."""
    with _lock:
        _verdicts.clear()


def _try(name: str, device: torch.device, dtype: torch.dtype) -> bool:
    tolerance = TOLERANCE.get(dtype)
    if tolerance is None:
        return False
    try:
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            for case in _cases(device, dtype):
                if name in candidates(*case) and not _agrees(OPERATORS[name], case, tolerance):
                    _logger.warning("%s disagrees with the formula on %s in %s: not used", name, device, dtype)
                    return False
    except Exception as error:  # a private operator that changed may raise anything
        _logger.warning("%s cannot be used on %s in %s: %s", name, device, dtype, error)
        return False
    return True


def _agrees(operator: Operator, case: Case, tolerance: float) -> bool:
    q, k, v, causal, bias = case
    scale = 0.3  # not the default, which an operator that ignores it would take
    output, lse = operator(q, k, v, causal, bias, scale)
    expected, denominators = formula(q, k, v, causal, bias, scale)
    if output.shape != expected.shape or output.dtype != q.dtype or lse.shape != denominators.shape:
        return False
    if lse.dtype not in (torch.float32, torch.float64):
        return False
    errors = ((output.double() - expected).abs().amax(), (lse.double() - denominators).abs().amax())
    return all(float(error) <= tolerance for error in errors)  # NaN is not


def formula(q: Tensor, k: Tensor, v: Tensor, causal: bool, bias: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    """Output and log-sum-exp in float64: softmax(scale q k + bias) v, causal from the upper left corner."""
    q, k, v = q.double(), spread(k, q.shape[1]).double(), spread(v, q.shape[1]).double()
    scores = scale * q @ k.transpose(-1, -2)
    if bias is not None:
        scores = scores + bias.double()
    if causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(hidden, -math.inf)
    return scores.softmax(dim=-1) @ v, scores.logsumexp(dim=-1)


def _cases(device: torch.device, dtype: torch.dtype) -> Iterator[Case]:
    """Tiny inputs of every kind that there is: grouped heads, causal, more keys than queries, a mask with a bias."""
    heads, groups, size = 4, 2, 16
    for queries, keys, causal, masked in (
        (37, 37, False, False),
        (37, 37, True, False),
        (5, 19, False, False),
        (5, 19, True, False),
        (5, 19, False, True),
    ):
        shapes = ((heads, queries), (groups, keys), (groups, keys))
        q, k, v = (_waves((2, *shape, size), n).to(device, dtype) for n, shape in enumerate(shapes))
        bias = _waves((1, heads, queries, keys), 3) if masked else None
        if bias is not None:
            hidden = torch.arange(keys) > torch.arange(queries)[:, None] + keys // 2
            bias = bias.masked_fill(hidden, -math.inf).to(device, dtype)
        yield q, k, v, causal, bias


def _waves(shape: tuple[int, ...], which: int) -> Tensor:
    """Numbers between -1 and 1 that take nothing from anybody's random generator."""
    return (torch.arange(math.prod(shape), dtype=torch.float64) * (1.7 + which) + which).sin().reshape(shape)
