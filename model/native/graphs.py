"""CUDA graphs: the kernels of a step are recorded once and launched as one.

A decoding step of a small model is some seventy kernels of a few microseconds each, and launching one takes longer than
running it: 1.7 ms a step for the shipped `de-en` on an H200, where a graph of the same kernels takes 0.2. What can be
captured is a function over tensors that stay where they are, in fixed shapes, without a decision that depends on a
number; `static_decoding.py` writes its steps so. On a device without graphs `eager` runs the same step.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

WARM_UP = 3  # runs before a capture, as PyTorch advises: libraries choose their kernels and allocate in the first
# Two kinds of step, ten numbers of rows, five lengths and five of sources are 500; a graph of a hundred kernels takes
# a few hundred kilobytes, so that all of them stay under 200 MB, and nobody meets all.
GRAPHS = 512

_logger = logging.getLogger(__name__)


@runtime_checkable
class Replay(Protocol):
    """Runs a step: by itself, or as it was captured."""

    def __call__(self, key: Hashable, step: Callable[[], None], moving: Sequence[Tensor]) -> None:
        """Run `step`, which is the same function over the same tensors whenever `key` is the same.

        moving: the tensors from which the next run starts elsewhere than this one did.
        """


def eager(_key: Hashable, step: Callable[[], None], _moving: Sequence[Tensor]) -> None:
    """A `Replay` that launches every kernel by itself."""
    step()


def rehearse(step: Callable[[], None], moving: Sequence[Tensor], times: int = WARM_UP) -> None:
    """Run a step in vain: what it moves is put back each time, so that the next run writes what this one wrote."""
    before = [tensor.clone() for tensor in moving]
    for _ in range(times):
        step()
        for tensor, value in zip(moving, before, strict=True):
            tensor.copy_(value)


class CudaGraphs:
    """A `Replay` by CUDA graphs, one for each key, captured when it is first asked for.

    All share one pool of memory for what lies between their kernels: they run one after the other, on one stream, and
    nothing that outlives a run is in it. A capture that fails is said once, and from then on every kernel is launched.
    All of it is called by one thread at a time; others may use the device meanwhile.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._graphs: OrderedDict[Hashable, torch.cuda.CUDAGraph] = OrderedDict()
        self._stream: torch.cuda.Stream | None = None
        self._pool: Any = None  # a handle of the allocator
        self._broken = False

    def __call__(self, key: Hashable, step: Callable[[], None], moving: Sequence[Tensor]) -> None:
        """Replay what was captured under this key, after capturing it where it is new."""
        graph = self._graphs.get(key)
        if graph is not None:
            self._graphs.move_to_end(key)
        elif not self._broken:
            graph = self._captured(key, step, moving)
        if graph is None:
            step()
        else:
            graph.replay()

    def _captured(
        self, key: Hashable, step: Callable[[], None], moving: Sequence[Tensor]
    ) -> "torch.cuda.CUDAGraph | None":
        try:
            with torch.cuda.device(self.device):
                graph = self._capture(step, moving)
        except torch.OutOfMemoryError:
            _logger.warning("no memory for the CUDA graph of %s: its kernels are launched one by one", key)
            return None  # there may be some again
        except RuntimeError as error:
            self._broken = True
            _logger.warning("a decoding step cannot be captured, its kernels are launched one by one: %s", error)
            return None
        self._graphs[key] = graph
        if len(self._graphs) > GRAPHS:
            self._graphs.popitem(last=False)
        return graph

    def _capture(self, step: Callable[[], None], moving: Sequence[Tensor]) -> "torch.cuda.CUDAGraph":
        if self._stream is None or self._pool is None:
            self._stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]  # PyTorch leaves it so
            self._pool = torch.cuda.graph_pool_handle()
        current = torch.cuda.current_stream(self.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            rehearse(step, moving)
        current.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # thread_local: another thread that allocates meanwhile, a trace being made, does not spoil the capture
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            step()
        return graph
