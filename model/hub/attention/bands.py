"""Masks without their matrix: one that says which band it is instead of holding every cell.

transformers hands a layer's mask from the model to the attention function as a boolean tensor, queries x keys: a
gigabyte at 32,768 tokens. For an unpadded causal window, and for causal queries that follow a long cache, we hand over
a tensor of that shape which is one byte in memory and belongs to a band; the attention function finds the band by that
memory, through any slice or expansion of it. A model that computes with the mask itself would see one that hides
everything, so each model is tried first, on an example, against its own eager attention.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Literal

import torch
from torch import Tensor
from transformers.masking_utils import sdpa_mask

from heedmap.model.attention.kernels import MASK_CELLS
from heedmap.model.attention.masks import Causal, Mask, SlidingWindow

Use = Literal["never", "long", "always"]
KEPT = 64  # bands that are remembered: a pass needs one for each size of window
SAMPLED = 9  # rows and columns of a mask that are compared with the band

_use: ContextVar[Use] = ContextVar("bands", default="never")
_bands: OrderedDict[int, tuple[Tensor, Mask]] = OrderedDict()


@contextlib.contextmanager
def banded(use: Use) -> Iterator[None]:
    """Hand bands over in this thread: for long inputs, or (a trial) always."""
    token = _use.set(use)
    try:
        yield
    finally:
        _use.reset(token)


def mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int | Tensor = 0,
    kv_offset: int = 0,
    mask_function: Callable[..., Tensor] | None = None,
    attention_mask: Tensor | None = None,
    local_size: int | None = None,
    allow_is_causal_skip: bool = True,
    device: torch.device | str = "cpu",
    **rest: Any,
) -> Tensor | None:
    """transformers' mask function of `sdpa`, but for a band; its arguments."""
    arguments: dict[str, Any] = {
        "batch_size": batch_size,
        "q_length": q_length,
        "kv_length": kv_length,
        "q_offset": q_offset,
        "kv_offset": kv_offset,
        "attention_mask": attention_mask,
        "local_size": local_size,
        "allow_is_causal_skip": allow_is_causal_skip,
        "device": device,
        **rest,
    }
    if mask_function is not None:
        arguments["mask_function"] = mask_function
    band = None
    if allow_is_causal_skip and mask_function is not None and isinstance(q_offset, int):
        band = _causal_band(q_length, kv_length, local_size)
        whole = attention_mask is None or bool(attention_mask.all())
        queries = range(q_offset, q_offset + q_length)
        if band is not None and not (whole and _is(mask_function, band, queries, kv_length, kv_offset)):
            band = None  # padding; chunks of that size, or whatever else
    if band is None:
        return sdpa_mask(**arguments)
    cell = torch.zeros(1, 1, 1, 1, dtype=torch.bool, device=device)
    _bands[cell.untyped_storage().data_ptr()] = (cell, band)  # kept, so that no other tensor can have its memory
    while len(_bands) > KEPT:
        _bands.popitem(last=False)
    return cell.expand(batch_size, 1, q_length, kv_length)


def band_of(attention_mask: Tensor) -> Mask | None:
    """The band that a mask stands for; None for a mask of cells."""
    if attention_mask.dtype != torch.bool or attention_mask.stride()[-2:] != (0, 0):
        return None
    entry = _bands.get(attention_mask.untyped_storage().data_ptr())
    return None if entry is None else entry[1]


def _causal_band(queries: int, keys: int, window: int | None) -> Mask | None:
    """The band that these queries, the last of so many keys, have under a causal mask; None where cells do."""
    use, offset = _use.get(), keys - queries
    if use == "never" or queries < 2 or offset < 0:
        return None
    if window is not None:
        return Causal(offset) & SlidingWindow(window, offset) if use == "always" or keys > 2 * window else None
    far = offset > 0 and (use == "always" or queries * keys > MASK_CELLS)
    return Causal(offset) if far else None  # a causal mask without a cache needs no cells under any attention


def _is(mask_function: Callable[..., Tensor], band: Mask, queries: range, keys: int, offset: int) -> bool:
    """Whether a mask function agrees with a band on whole rows and columns, spread over the map.

    Args:
        queries: their positions in the sequence.
        offset: of the first key.
    """
    every_row, every_column = torch.arange(len(queries)), torch.arange(keys)
    some_rows, some_columns = (torch.linspace(0, n - 1, SAMPLED).long() for n in (len(queries), keys))
    zero = torch.zeros(1, 1, 1, 1, dtype=torch.long)
    for rows, columns in ((some_rows, every_column), (every_row, some_columns)):
        places = (rows + queries.start)[None, None, :, None], (columns + offset)[None, None, None, :]
        theirs = mask_function(zero, zero, *places)
        if not torch.equal(theirs.expand(1, 1, len(rows), len(columns))[0], band.visible(rows, columns)):
            return False
    return True
