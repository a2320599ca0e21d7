"""Sequences of different lengths as several batches, so that little of what is computed is padding."""

from collections.abc import Sequence

from heedmap.model.observer import together

PADDED_TOKENS = {"cpu": 8192, "cuda": 65_536}  # of one batch, padding included: more is no faster, and takes memory
# What a pass costs besides its tokens, in tokens: on a CPU reading the weights once, on a device launching kernels.
OVERHEAD = {"cpu": 32, "cuda": 2048}


def decoding_batches(lengths: Sequence[int], device: str) -> list[list[int]]:
    """For decoders, whose every step is a pass: as few batches as the budget of a device (cpu, cuda) lets them be."""
    return _observed(lengths, length_batches(lengths, PADDED_TOKENS[device if device in PADDED_TOKENS else "cuda"]))


def forward_batches(lengths: Sequence[int], device: str) -> list[list[int]]:
    """For one pass over each, on a device (cpu, cuda): with as little padding as pays."""
    name = device if device in OVERHEAD else "cuda"
    return _observed(lengths, length_batches(lengths, PADDED_TOKENS[name], OVERHEAD[name]))


def _observed(lengths: Sequence[int], batches: list[list[int]]) -> list[list[int]]:
    for batch in batches:
        together([lengths[index] for index in batch])
    return batches


def length_batches(lengths: Sequence[int], budget: int, overhead: int | None = None) -> list[list[int]]:
    """Indices of sequences, batch by batch, in the cheapest way to cut them in the order of their lengths.

    A batch costs what it holds with padding, rows x longest, and it costs `overhead`.

    Args:
        budget: the most that a batch holds with padding; a sequence that is longer goes alone.
        overhead: what a batch costs besides, in tokens; None where it is more than any padding: then batches are as few
            as the budget lets them be.
    """
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    fixed = budget * (len(lengths) + 1) if overhead is None else overhead
    best, cut = [0], [0]  # of the first sequences in order: the least cost, and where their last batch begins
    for stop in range(1, len(order) + 1):
        longest = lengths[order[stop - 1]]
        costs = []
        for start in range(stop - 1, -1, -1):
            padded = (stop - start) * longest
            if padded > budget and start < stop - 1:
                break
            costs.append((best[start] + padded + fixed, start))
        cost, start = min(costs)
        best.append(cost)
        cut.append(start)
    batches: list[list[int]] = []
    stop = len(order)
    while stop:
        batches.append(order[cut[stop] : stop])
        stop = cut[stop]
    return batches[::-1]
