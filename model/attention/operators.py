"""PyTorch's private attention operators: those that hand out the log-sum-exp, each tried before it is trusted.

`KERNELS` is the registry: the best first, each with what it takes.

They may be missing, change their signature or their meaning from one release to the next. So each is run once per
device and dtype on tiny inputs, as it will be used, against the formula; one that is missing, raises anything, or
disagrees is not used, and `kernels` takes the public operator. Where a pass is differentiated, the gradients that
autograd gets through an operator are tried in the same way. This is the only file that names them.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from heedmap.model.shapes import Keys, LogSumExp, Output, Queries, Values

Operator = Callable[[Tensor, Tensor, Tensor, bool, Tensor | None, float], tuple[Tensor, Tensor]]
Case = tuple[Queries, Keys, Values, bool, Tensor | None]

# How far from the formula a sound kernel lands on inputs of size 1: rounding, on accelerators TF32's too.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 5e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
SLOPE = 8.0  # times that for gradients, which sum over the queries, and have sizes of up to 8 there
ALIGNED = 16  # keys; CUDA's efficient kernel wants the bias's rows aligned to 16 bytes

_logger = logging.getLogger(__name__)
_verdicts: dict[tuple[str, torch.device, torch.dtype, bool], bool] = {}
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


def _cudnn(q: Queries, k: Keys, v: Values, causal: bool, bias: Tensor | None, scale: float) -> tuple[Output, LogSumExp]:
    if bias is not None:
        bias = _rows_aligned(bias.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2]))
    run = torch.ops.aten._scaled_dot_product_cudnn_attention
    output, lse = run(q, k, v, bias, True, 0.0, causal, False, scale=scale)[:2]
    return output, lse[..., 0] if lse.dim() == 4 else lse


def _flash_cuda(
    q: Queries, k: Keys, v: Values, causal: bool, bias: Tensor | None, scale: float
) -> tuple[Output, LogSumExp]:
    output, lse = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, causal, False, scale=scale)[:2]
    return output, lse[..., : q.shape[2]]


def _efficient_cuda(
    q: Queries, k: Keys, v: Values, causal: bool, bias: Tensor | None, scale: float
) -> tuple[Output, LogSumExp]:
    queries = q.shape[2]
    if bias is not None:
        bias = _rows_aligned(bias.expand(q.shape[0], q.shape[1], queries, k.shape[2]))
    run = torch.ops.aten._scaled_dot_product_efficient_attention
    output, lse = run(q, k, v, bias, True, 0.0, causal, scale=scale)[:2]
    return output, lse[..., :queries]  # its rows are padded to a multiple of 32


def _rows_aligned(bias: Tensor) -> Tensor:
    """The same numbers, with rows that begin at whole 16 bytes and lie in one piece."""
    keys = bias.shape[-1]
    bias = F.pad(bias, (0, (-keys) % ALIGNED))[..., :keys]
    return bias if bias.stride(-1) == 1 else bias.contiguous()  # T5's, whose heads lie innermost


OPERATORS: dict[str, Operator] = {
    "flash_cpu": _flash_cpu,
    "cudnn": _cudnn,
    "flash_cuda": _flash_cuda,
    "efficient_cuda": _efficient_cuda,
}


@dataclass(frozen=True)
class Takes:
    """What an operator takes as it is.

    multiple: of which a head's size has to be; others are filled up with zeros, which change no score, and cut again.
    largest: size of a head. groups: fewer key/value heads than query heads; else they are repeated. bias: an additive
    term. uneven: values of another size than keys. oblong: causal where queries and keys are not equally many. least:
    queries from which on it is worth it.
    """

    device: str
    dtypes: frozenset[torch.dtype]
    multiple: int = 1
    largest: int = 1 << 16
    groups: bool = False
    bias: bool = True
    uneven: bool = True
    oblong: bool = True
    least: int = 1

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, causal: bool, bias: Tensor | None) -> bool:
        """Whether the operator can run such inputs."""
        return (
            q.device.type == self.device
            and q.dtype in self.dtypes
            and max(q.shape[-1], v.shape[-1]) <= self.largest
            and (self.bias or bias is None)
            and (self.uneven or k.shape[-1] == v.shape[-1])
            and (self.oblong or not causal or q.shape[2] == k.shape[2])
        )

    def fit(self, x: Tensor) -> Tensor:
        """Heads of a size that the operator takes."""
        x = x if x.stride(-1) == 1 else x.contiguous()
        return F.pad(x, (0, missing)) if (missing := -x.shape[-1] % self.multiple) else x


HALF = frozenset({torch.float16, torch.bfloat16})
FLOATS = HALF | {torch.float32}
# cuDNN plans every new shape anew, and short inputs come in many. For long ones it is the fastest: 0.96 ms where SDPA
# takes 0.97 and the flash operator 1.95 (32 heads, 8 groups of 128, 8,192 tokens, bfloat16, on an H200).
PLANNED = 512
KERNELS: dict[str, Takes] = {  # the best first
    "flash_cpu": Takes("cpu", FLOATS | {torch.float64}, groups=True, uneven=False),
    "cudnn": Takes("cuda", HALF, multiple=8, largest=128, groups=True, uneven=False, oblong=False, least=PLANNED),
    "flash_cuda": Takes("cuda", HALF, multiple=8, largest=256, bias=False, uneven=False, oblong=False),
    "efficient_cuda": Takes("cuda", FLOATS, multiple=8),
}


def candidates(q: Tensor, k: Tensor, v: Tensor, causal: bool, bias: Tensor | None) -> tuple[str, ...]:
    """The names of the operators made for such inputs, the best one first."""
    return tuple(name for name, takes in KERNELS.items() if takes(q, k, v, causal, bias) and q.shape[2] >= takes.least)


def run(
    name: str, q: Queries, k: Keys, v: Values, causal: bool, bias: Tensor | None, scale: float
) -> tuple[Output, LogSumExp]:
    """An operator on inputs that it `Takes`, put into the form that it wants."""
    takes, size = KERNELS[name], v.shape[-1]
    if not takes.groups:
        k, v = spread(k, q.shape[1]), spread(v, q.shape[1])
    output, lse = OPERATORS[name](takes.fit(q), takes.fit(k), takes.fit(v), causal, bias, scale)
    return output[..., :size], lse


def attempt(
    q: Queries, k: Keys, v: Values, causal: bool, bias: Tensor | None, scale: float
) -> tuple[Output, LogSumExp, str] | None:
    """Output, log-sum-exp and the operator's name, by the best operator that is sound here; None if there is none.

    An operator that was sound and refuses these inputs all the same leaves them to the next.
    """
    tracked = differentiated(q, k, v)
    for name in candidates(q, k, v, causal, bias):
        if sound(name, q.device, q.dtype) and (not tracked or differentiable(name, q.device, q.dtype)):
            try:
                output, lse = run(name, q, k, v, causal, bias, scale)
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, TypeError, NotImplementedError):  # what it refuses, PyTorch says in all three
                continue
            return output, lse, name
    return None


def differentiated(*tensors: Tensor) -> bool:
    """Whether autograd follows what is computed from these tensors."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def sound(name: str, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the operator agrees with the formula on this device and in this dtype; tried at the first call."""
    return _verdict((name, device, dtype, False))


def differentiable(name: str, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the gradients of its output agree with the formula's too; those of its log-sum-exp nobody asks for."""
    return _verdict((name, device, dtype, True))


def _verdict(key: tuple[str, torch.device, torch.dtype, bool]) -> bool:
    verdict = _verdicts.get(key)
    if verdict is None:
        with _lock:
            if key not in _verdicts:
                _verdicts[key] = _try(*key)
            verdict = _verdicts[key]
    return verdict


def forget() -> None:
    """Try every operator again at its next use."""
    with _lock:
        _verdicts.clear()


def _try(name: str, device: torch.device, dtype: torch.dtype, gradients: bool) -> bool:
    tolerance = TOLERANCE.get(dtype)
    if tolerance is None:
        return False
    try:
        agrees, what = (_slopes_agree, "gradients") if gradients else (_agrees, "formula")
        with torch.inference_mode(not gradients), torch.autocast(device.type, enabled=False):
            for case in _cases(device, dtype):
                if KERNELS[name](*case) and not agrees(name, case, tolerance):
                    _logger.warning("%s disagrees with the %s on %s in %s: not used", name, what, device, dtype)
                    return False
    except Exception as error:  # a private operator that changed may raise anything
        verb = "differentiated" if gradients else "used"
        _logger.warning("%s cannot be %s on %s in %s: %s", name, verb, device, dtype, error)
        return False
    return True


def _agrees(name: str, case: Case, tolerance: float) -> bool:
    q, k, v, causal, bias = case
    scale = 0.3  # not the default, which an operator that ignores it would take
    output, lse = run(name, q, k, v, causal, bias, scale)
    expected, denominators = formula(q, k, v, causal, bias, scale)
    if output.shape != expected.shape or output.dtype != q.dtype or lse.shape != denominators.shape:
        return False
    if lse.dtype not in (torch.float32, torch.float64):
        return False
    errors = ((output.double() - expected).abs().amax(), (lse.double() - denominators).abs().amax())
    return all(float(error) <= tolerance for error in errors)  # NaN is not


def _slopes_agree(name: str, case: Case, tolerance: float) -> bool:
    """Whether the gradients of a weighted sum of the output, at q, k and v, are the formula's."""
    q, k, v, causal, bias = case
    with torch.enable_grad():
        a, b, c = sides = [x.detach().requires_grad_() for x in (q, k, v)]
        d, e, f = wide = [x.detach().double().requires_grad_() for x in (q, k, v)]
        output, _ = run(name, a, b, c, causal, bias, 0.3)
        expected, _ = formula(d, e, f, causal, bias, 0.3)
        slope = _waves((*expected.shape,), 5).to(q.device)
        got = torch.autograd.grad(output, sides, slope.to(output.dtype))
        right = torch.autograd.grad(expected, wide, slope.to(output.dtype).double())
    errors = [(one.double() - other).abs().amax() for one, other in zip(got, right, strict=True)]
    return all(float(error) <= SLOPE * tolerance for error in errors)  # NaN is not


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
    heads, groups = 4, 2
    for queries, keys, causal, masked, size in (
        (37, 37, False, False, 16),
        (37, 37, True, False, 16),
        (37, 37, True, False, 20),  # a head that is filled up
        (5, 19, False, False, 16),
        (5, 19, True, False, 16),
        (5, 19, False, True, 16),
    ):
        shapes = ((heads, queries), (groups, keys), (groups, keys))
        q, k, v = (_waves((2, *shape, size), n).to(device, dtype) for n, shape in enumerate(shapes))
        bias = _waves((1, queries, keys, heads), 3).permute(0, 3, 1, 2) if masked else None  # as T5's lies
        if bias is not None:
            hidden = torch.arange(keys) > torch.arange(queries)[:, None] + keys // 2
            bias = bias.masked_fill(hidden, -math.inf).to(device, dtype)
        yield q, k, v, causal, bias


def _waves(shape: tuple[int, ...], which: int) -> Tensor:
    """Numbers between -1 and 1 that take nothing from anybody's random generator."""
    return (torch.arange(math.prod(shape), dtype=torch.float64) * (1.7 + which) + which).sin().reshape(shape)
