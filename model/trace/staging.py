"""From an accelerator's memory to the host's, piece by piece: through pinned memory, on a stream of its own.

34 MB take 23.5 ms into pageable memory and 0.62 through pinned memory (H200); and a copy that is queued on the stream
of the forward passes would wait for them.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor


def staged(tensor: Tensor, piece: int) -> Iterator[memoryview]:
    """A tensor's bytes, row-major, so many at a time; each is to be used before the next is asked for.

    While one piece is used the next is on its way.
    """
    device = tensor.device
    data = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    pinned = device.type == "cuda"
    buffers = [torch.empty(min(piece, len(data)), dtype=torch.uint8, pin_memory=pinned) for _ in range(2)]
    parts = [data[start : start + piece] for start in range(0, len(data), piece)]
    stream = _stream(device)
    if stream is not None:
        stream.wait_stream(torch.cuda.current_stream(device))  # whoever makes the tensor was told to before us
    pending: list[tuple[Tensor, torch.cuda.Event | None]] = []
    for number in range(len(parts) + 1):
        if number < len(parts):
            buffer = buffers[number % 2][: len(parts[number])]
            with torch.cuda.stream(stream) if stream is not None else contextlib.nullcontext():
                buffer.copy_(parts[number], non_blocking=pinned)
            pending.append((buffer, None if stream is None else stream.record_event()))
        if number:
            arrived, event = pending.pop(0)
            if event is not None:
                event.synchronize()
            yield arrived.numpy().data


def _stream(device: torch.device) -> "torch.cuda.Stream | None":
    if device.type != "cuda":
        return None
    if device not in _streams:
        _streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return _streams[device]


_streams: dict[torch.device, torch.cuda.Stream] = {}
