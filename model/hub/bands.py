"""Sliding windows without their matrix: a mask that says which band it is instead of holding every cell.

transformers hands a layer's mask from the model to the attention function as a boolean tensor, queries x keys: a
gigabyte at 32,768 tokens. For an unpadded causal window we hand over a tensor of that shape which is one byte in memory
and belongs to a band; the attention function finds the band by that memory, through any slice or expansion of it. A
model that computes with the mask itself would see one that hides everything, so each model is tried first, on an
example, against its own eager attention.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Literal

import torch
from torch import Tensor
from transformers.masking_utils import sdpa_mask

from model.attention.masks import Causal, Mask, SlidingWindow

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
    named: dict[str, Any] = {
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
        named["mask_function"] = mask_function
    use = _use.get()
    square = q_length == kv_length > 1 and q_offset == kv_offset
    whole = attention_mask is None or bool(attention_mask.all())
    long = local_size is not None and (use == "always" or (use == "long" and kv_length > 2 * local_size))
    if not (square and whole and long and allow_is_causal_skip and mask_function is not None):
        return sdpa_mask(**named)
    assert local_size is not None
    band = Causal() & SlidingWindow(local_size)
    if not _is(mask_function, band, q_length, kv_offset):
        return sdpa_mask(**named)  # chunks of that size, or whatever else
    cell = torch.zeros(1, 1, 1, 1, dtype=torch.bool, device=device)
    _bands[cell.untyped_storage().data_ptr()] = (cell, band)  # kept, so that no other tensor can have its memory
    while len(_bands) > KEPT:
        _bands.popitem(last=False)
    return cell.expand(batch_size, 1, q_length, kv_length)


def band_of(attention_mask: Tensor) -> Mask | None:
    """The band that a mask stands for; None for a mask of cells."""
    if attention_mask.dtype != torch.bool or attention_mask.stride()[-2:] != (0, 0):
        return None
    found = _bands.get(attention_mask.untyped_storage().data_ptr())
    return None if found is None else found[1]


def _is(mask_function: Callable[..., Tensor], band: Mask, length: int, offset: int) -> bool:
    """Whether a mask function agrees with a band on whole rows and columns, spread over the map."""
    lines = torch.linspace(0, length - 1, SAMPLED).long()
    everything = torch.arange(length)
    for rows, columns in ((lines, everything), (everything, lines)):
        zero = torch.zeros(1, 1, 1, 1, dtype=torch.long)
        theirs = mask_function(zero, zero, rows[None, None, :, None] + offset, columns[None, None, None, :] + offset)
        ours = band.visible(rows, columns)
        if not torch.equal(theirs.expand(1, 1, len(rows), len(columns))[0], ours):
            return False
    return True
