"""Certificates: the proof that the maps are the model's own."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from heedmap.model import __version__
from heedmap.model.attention.maps import AttentionMap, sampled_rows

CHECKED_ROWS = 32  # rows of each layer that a certificate recomputes: all of them below that length, a sample above
EAGER = "eager"  # the kernel's name where a model gives only its weights

# The error that rounding explains, against the layer's largest output. float32: 2^-24 times scores of up to 100 and a
# few hundred terms. Half precision: the kernel rounds the weights and the output to 2^-9 (bfloat16) or 2^-12.
TOLERANCES = {"float64": 1e-9, "float32": 1e-4, "float16": 5e-3, "bfloat16": 3e-2}


@dataclass(frozen=True)
class Certificate:
    """A·V recomputed from the maps against the output that the model used.

    max_error: the largest difference, in the output's own units; relative_error: against the layer's largest output,
    the worst layer; tolerance: what rounding explains in this dtype. None where the model gives its weights but not
    what they multiply. warning: why a map is not to be trusted as exact, else None. errors: site -> layer -> head.
    """

    max_error: float | None
    rows_checked: int
    kernel: str
    dtype: str
    versions: dict[str, str]
    errors: dict[str, list[list[float] | None]]
    relative_error: float | None = None
    tolerance: float | None = None
    warning: str | None = None


def _measure(
    layers: Mapping[str, Sequence[AttentionMap]], outputs: Mapping[str, Sequence[Tensor | None]]
) -> Iterator[Tensor]:
    """Of each layer that can be checked the errors of its heads, the largest, and the largest output; on its device."""
    for site, maps in layers.items():
        for layer, output in zip(maps, outputs[site], strict=True):
            if output is not None:
                least, most = output.aminmax()
                largest = torch.maximum(most, -least).float()[None]
                error = layer.output_error(output, CHECKED_ROWS)
                yield torch.cat([error, error.amax()[None], largest])


def _numbers(tensors: Iterator[Tensor]) -> Iterator[list[float]]:
    """The numbers of all tensors, which are queued on their devices first and waited for once."""
    queued = list(tensors)
    by_device: dict[torch.device, list[Tensor]] = {}
    for tensor in queued:
        by_device.setdefault(tensor.device, []).append(tensor)
    numbers = {device: iter(torch.cat(parts).tolist()) for device, parts in by_device.items()}
    for tensor in queued:
        yield list(islice(numbers[tensor.device], len(tensor)))


def certify(
    layers: Mapping[str, Sequence[AttentionMap]],
    outputs: Mapping[str, Sequence[Tensor | None]],
    kernels: Mapping[str, Sequence[str]],
    versions: Mapping[str, str] | None = None,
    quantised: str = "",
) -> Certificate:
    """Check sampled rows of every layer.

    Args:
        layers: per site, the maps of its layers.
        outputs: per site and layer what the model used, (H, Q, E); None where it only gave its weights.
        kernels: per site and layer what computed it.
        versions: of what else had a part in it.
        quantised: how the model's weights are, which stands beside the dtype of its attention.
    """
    errors: dict[str, list[list[float] | None]] = {}
    absolute, relative, rows, unchecked = [0.0], [0.0], 0, []
    measured = _numbers(_measure(layers, outputs))
    for site, maps in layers.items():
        for index, layer in enumerate(maps):
            output = outputs[site][index]
            if output is None:
                errors.setdefault(site, []).append(None)
                unchecked.append(site)
                continue
            *error, most, largest = next(measured)
            errors.setdefault(site, []).append(error)
            absolute.append(most)
            relative.append(most / largest if largest > 0 else most)
            rows += len(sampled_rows(layer.shape[0], CHECKED_ROWS)) * layer.heads
    checked = rows > 0
    names = sorted({kernel for site in kernels.values() for kernel in site})
    dtypes = sorted({str(layer.q.dtype).removeprefix("torch.") for maps in layers.values() for layer in maps})
    tolerance = max(TOLERANCES[dtype] for dtype in dtypes)
    worst, largest_error = (float(torch.tensor(deviations).max()) for deviations in (relative, absolute))  # NaN wins
    warning = None
    if checked and not worst <= tolerance:  # NaN is no pass
        warning = (
            f"the maps do not give the model's output again: the error is {worst:.1e} of the largest output, rounding "
            f"in {dtypes[0]} explains {tolerance:.0e}; do not take these maps as the model's"
        )
    elif unchecked:
        warning = (
            f"{', '.join(dict.fromkeys(unchecked))}: the model's own eager weights, as it handed them out; its family "
            "does not give queries and keys, so they cannot be recomputed and checked"
        )
    libraries = {"heedmap": __version__, "torch": torch.__version__, "python": platform.python_version()}
    return Certificate(
        max_error=largest_error if checked else None,
        rows_checked=rows,
        kernel="+".join(names),
        dtype=", ".join(filter(None, ("+".join(dtypes), quantised))),
        versions=libraries | dict(versions or {}),
        errors=errors,
        relative_error=worst if checked else None,
        tolerance=tolerance if checked else None,
        warning=warning,
    )
