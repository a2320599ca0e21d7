"""What a trace file says must fit together before anything is computed from it: ranks, sizes, kinds of numbers.

The digest tells that a file is what was written; this, that what was written is a trace. So files without a digest, and
files of others, cannot bring anything but a `TraceError` either.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from heedmap.model.contract import Axis
from heedmap.model.errors import TraceError

FAR = 1 << 40  # offsets and sizes of masks: over any sequence, and far from where 64 bits end
REALS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
INTEGERS = (torch.int64, torch.int32)


def require(holds: bool, message: str) -> None:
    """Say what is wrong.

    Raises:
        TraceError: it does not hold.
    """
    if not holds:
        raise TraceError(message)


def check_axis(name: str, axis: Axis) -> None:
    """Every list of an axis has an entry for each position, of which there is one at least.

    Raises:
        TraceError: it is not so.
    """
    require(len(axis) > 0, f"the axis {name} is empty")
    for field in ("labels", "ids", "spans", "special", "segments", "boxes", "seconds"):
        entries = getattr(axis, field)
        holds = entries is None or (isinstance(entries, list) and len(entries) == len(axis))
        require(holds, f"{field} of the axis {name} does not have an entry for each of its {len(axis)} positions")
    require(all(isinstance(label, str) for label in axis.labels), f"labels of the axis {name} are no texts")


def check_layer(where: str, parts: Mapping[str, Tensor], entry: Mapping[str, Any], queries: int, keys: int) -> None:
    """The tensors of a layer and what the header says of them, beside the lengths of its axes.

    Args:
        where: the layer's name.
        parts: q (H Q D), k (G K D), v (G K E), lse (H Q) in float32, and what score, mask and bias need.
        entry: descriptions of the score, the mask and the bias.
        queries: Q.
        keys: K.

    Raises:
        TraceError: a tensor is missing, or its rank, size or kind does not fit.
    """
    for name in ("q", "k", "v"):
        _check(where, parts, name, (None, queries if name == "q" else keys, None))
    (heads, _, size), (groups, _, key_size) = parts["q"].shape, parts["k"].shape
    require(heads > 0 < groups and heads % groups == 0, f"{where} has {heads} heads over {groups} key/value heads")
    require(parts["v"].shape[0] == groups, f"{where}.v has {parts['v'].shape[0]} heads, and k has {groups}")
    require(size == key_size, f"{where} has queries of size {size} and keys of size {key_size}")
    _check(where, parts, "lse", (heads, queries), (torch.float32,))
    require(("d_output" in parts) == ("delta" in parts), f"{where} has one of d_output and delta without the other")
    if "d_output" in parts:
        _check(where, parts, "d_output", (heads, queries, parts["v"].shape[2]))
        _check(where, parts, "delta", (heads, queries), (torch.float32,))
    if "output_norm" in parts:
        _check(where, parts, "output_norm", (heads, keys), (torch.float32,))
    if "copying" in parts:
        _check(where, parts, "copying", (heads,), (torch.float32,))
    both = "normalised_norm" in parts
    require(both == ("deviation" in parts), f"{where} has one of normalised_norm and deviation without the other")
    if both:
        _check(where, parts, "normalised_norm", (heads, keys), (torch.float32,))
        _check(where, parts, "deviation", (queries,), (torch.float32,))
    if "mixing" in parts:
        _check(where, parts, "mixing", (queries,), (torch.float32,))
    _check_score(where, parts, entry["score"], size, heads)
    _check_mask(where, parts, entry["mask"], queries, keys)
    if entry["bias"] is not None:
        _check_bias(where, parts, entry["bias"], heads, queries, keys)


def _check(
    where: str,
    parts: Mapping[str, Tensor],
    name: str,
    shape: tuple[int | None, ...],
    dtypes: tuple[torch.dtype, ...] = REALS,
) -> None:
    """A tensor is there, with this shape (None: any length), and of one of these kinds."""
    require(name in parts, f"{where}.{name} is missing")
    part = parts[name]
    fits = part.dim() == len(shape) and all(n is None or n == m for n, m in zip(shape, part.shape, strict=True))
    expected = tuple("any" if n is None else n for n in shape)
    require(fits, f"{where}.{name} has shape {tuple(part.shape)}, and {expected} would fit")
    kinds = " or ".join(str(dtype) for dtype in dtypes)
    require(part.dtype in dtypes, f"{where}.{name} is of {part.dtype}, and {kinds} would fit")


def _check_score(where: str, parts: Mapping[str, Tensor], score: Mapping[str, Any], size: int, heads: int) -> None:
    for name in ("scale", "cap"):
        number = score.get(name, 1.0)
        real = isinstance(number, int | float) and abs(number) < FAR and math.isfinite(number)
        require(real and (number != 0 or name == "scale"), f"{where} has a score whose {name} is {str(number)[:40]}")
    if score["kind"] == "additive":
        _check(where, parts, "vector", (size,))
    if score["kind"] == "tempered":
        factors, inner = score["factors"], score["score"]
        holds = isinstance(factors, list) and len(factors) == heads and inner["kind"] not in ("tempered", "additive")
        require(holds, f"{where} has tempered scores, and no number for each of its {heads} heads")
        _check_score(where, parts, inner, size, heads)


def _check_mask(where: str, parts: Mapping[str, Tensor], mask: Mapping[str, Any], queries: int, keys: int) -> None:
    for name in ("offset", "size"):
        number = mask.get(name, 0)
        require(type(number) is int and abs(number) < FAR, f"{where} has a mask whose {name} is {str(number)[:40]}")
    match mask["kind"]:
        case "both":
            for part in mask["masks"]:
                _check_mask(where, parts, part, queries, keys)
        case "padding":
            lengths = mask["lengths"]
            holds = len(lengths) == 1 and type(lengths[0]) is int and 0 <= lengths[0] < FAR
            require(holds, f"{where} has padding of lengths {str(lengths)[:40]}, and one length would fit")
        case "blocks":
            _check(where, parts, "blocks", (None,), INTEGERS)
            require(len(parts["blocks"]) >= max(queries, keys), f"{where}.blocks does not number every position")
        case "given":
            require(mask["shape"] == [queries, keys], f"{where} has a mask of another shape, {str(mask['shape'])[:40]}")
            _check(where, parts, "visible", (math.ceil(queries * keys / 8),), (torch.uint8,))


def _check_bias(
    where: str, parts: Mapping[str, Tensor], bias: Mapping[str, Any], heads: int, queries: int, keys: int
) -> None:
    if bias["kind"] == "edited":
        _check_edited(where, parts, heads, queries, keys)
        if bias["base"] is not None:
            require(bias["base"]["kind"] != "edited", f"{where} has edits of edits")
            _check_bias(where, parts, bias["base"], heads, queries, keys)
        return
    shape: tuple[int | None, ...] = (None, queries, keys)
    if bias["kind"] == "toeplitz":
        require(bias["queries"] == queries, f"{where} has a bias for {str(bias['queries'])[:40]} queries")
        shape = (None, queries + keys - 1)
    elif bias["kind"] == "windowed":
        shape = (None, None, None)
    _check(where, parts, "bias", shape)
    table = parts["bias"].shape
    require(table[0] in (1, heads), f"{where}.bias is for {table[0]} heads, and the layer has {heads}")
    if bias["kind"] == "windowed":
        _check(where, parts, "place", (None,), INTEGERS)
        place = parts["place"]
        require(len(place) >= max(queries, keys), f"{where}.place does not name a place for every position")
        inside = int(place.min()) >= 0 and int(place.max()) < min(table[1:])
        require(inside, f"{where}.place names places outside its table")


def _check_edited(where: str, parts: Mapping[str, Tensor], heads: int, queries: int, keys: int) -> None:
    """What edits made of a bias: factors, cuts, and rows of given weights."""
    _check(where, parts, "factors", (heads,))
    _check(where, parts, "cuts", (None, 5), INTEGERS)
    _check(where, parts, "places", (None, 2), INTEGERS)
    cuts, places = parts["cuts"], parts["places"]
    require(not len(cuts) or bool((cuts[:, 0] < heads).all()), f"{where}.cuts names heads that the layer has not")
    _check(where, parts, "given", (len(places), keys if len(places) else None))
    inside = (places >= 0).all() and (places < torch.tensor([heads, queries])).all()
    require(not len(places) or bool(inside), f"{where}.places names rows that the layer has not")
