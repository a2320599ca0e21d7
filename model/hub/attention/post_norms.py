"""The layer normalisation that follows on an attention's residual, found by what goes into it.

On the example at load, the layer normalisation that takes exactly the sum of what an attention was given and what its
output projection made is behind its residual: the block is a post-norm one (Vaswani et al. 2017), as BERT's are. In a
pre-norm block the attention is given what a normalisation made of the residual, and no sum fits to the bit; or it makes
that itself.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from heedmap.model.hub.attention.projections import Projections
from heedmap.model.trace.norms import PostNorm


@dataclass(eq=False)
class PostNorms:
    """The layer normalisation of each attention module that has one behind its residual, and what it does."""

    of_module: dict[nn.Module, nn.LayerNorm] = field(default_factory=dict)
    _given: dict[nn.Module, list[Tensor]] = field(default_factory=dict)  # what attention modules took
    _pre: set[nn.Module] = field(default_factory=set)  # those that normalise what they took
    _projected: tuple[nn.Module, Tensor] | None = None  # the last attention, and what its projection made of its output
    _made: dict[nn.Module, tuple[PostNorm, Tensor] | None] = field(default_factory=dict)

    @contextlib.contextmanager
    def watching(self, model: nn.Module, attention: Iterable[nn.Module], projections: Projections) -> Iterator[None]:
        """Look for them in the pass inside, in which the projections are looked for too."""

        def note_projected(linear: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            claimed = projections.claimed
            if claimed is not None and claimed[1] is linear:
                projections.claimed = None
                self._projected = (claimed[0], output) if isinstance(output, Tensor) else None

        with contextlib.ExitStack() as stack:
            for module in attention:
                stack.callback(module.register_forward_pre_hook(self._note_given, with_kwargs=True).remove)
            for part in model.modules():
                if type(part) is nn.LayerNorm:
                    stack.callback(part.register_forward_pre_hook(self._claim).remove)
                else:
                    stack.callback(part.register_forward_hook(note_projected).remove)
            stack.callback(self._stop)
            yield

    def _stop(self) -> None:
        self._given.clear()
        self._projected = None

    def _note_given(self, module: nn.Module, inputs: tuple[Any, ...], arguments: Mapping[str, Any]) -> None:
        given = [x for x in (*inputs, *arguments.values()) if isinstance(x, Tensor) and x.is_floating_point()]
        self._given[module] = given

    def _claim(self, norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        """A layer normalisation begins: the first one after a projection is behind the residual, or none is."""
        if not inputs:
            return
        self._pre |= {module for module, given in self._given.items() if any(x is inputs[0] for x in given)}
        if self._projected is None:
            return
        (module, added), self._projected = self._projected, None
        summed = inputs[0]
        alike = [x for x in self._given.get(module, ()) if _kind(x) == _kind(summed) == _kind(added)]
        if module not in self._pre and any(torch.equal(x + added, summed) for x in alike):
            assert isinstance(norm, nn.LayerNorm)
            self.of_module[module] = norm

    def of(self, module: nn.Module, heads: int, projections: Projections) -> tuple[PostNorm, Tensor] | None:
        """What follows on this attention, and the Gram matrices of its heads behind that, (H E E) in float32.

        None where no normalisation follows, or the projection's weight is not known. Made when it is first asked for.
        """
        norm = self.of_module.get(module)
        if norm is None or any(each.is_meta for each in norm.parameters()):  # offloaded: it moves while a pass runs
            return None
        if module not in self._made:
            matrix = projections.matrix(module)
            with torch.no_grad():
                behind = None if matrix is None else PostNorm(*matrix, norm.weight, norm.eps)
                self._made[module] = None if behind is None else (behind, behind.gram(heads))
        return self._made[module]


def _kind(x: Tensor) -> tuple[torch.Size, torch.dtype, torch.device]:
    return x.shape, x.dtype, x.device
