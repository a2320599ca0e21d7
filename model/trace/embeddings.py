"""The embeddings of an input's tokens, scaled: passes between an input of zeros and the input as it is."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from heedmap.model.contract import Request
from heedmap.model.edits import Replace
from heedmap.model.errors import ParameterError
from heedmap.model.watch import Stop, never


@dataclass(frozen=True)
class InputTokens:
    """Tokens of an input: the ids of the axis that they stand on, the output's where it follows on it, and places."""

    ids: Sequence[int]
    positions: Sequence[int]


@dataclass(frozen=True, eq=False)
class AlongEmbeddings:
    """The objective at some scales of an input's embeddings.

    values: (S). slopes: (S N), its derivative by each token's own scale: <dF/dx_j, e_j> at x_j = scale e_j.
    """

    values: NDArray[np.float64]
    slopes: NDArray[np.float64]


@runtime_checkable
class Differentiable(Protocol):
    """A model whose objective is differentiated by what it reads."""

    def along_embeddings(
        self,
        request: Request,
        tokens: InputTokens,
        scales: Sequence[float],
        cancelled: Stop = never,
        gim: bool = False,
    ) -> AlongEmbeddings:
        """The objective of a request with some of its tokens' embeddings scaled, a pass for each scale.

        gim: differentiated as GIM does; see `heedmap.model.trace.interactions`.

        Raises:
            InputError: the model reads no tokens, or has no gradient. Cancelled: `cancelled` became true.
        """


@dataclass(eq=False)
class ScaledPass:
    """One pass in which the embeddings of some tokens are scaled.

    The first call of a table that looks up the input's ids is that of the input. A hook does it, since nothing else
    reaches into a library's model; it lets other threads' passes alone.
    """

    tokens: InputTokens
    scale: float
    factors: Tensor | None = None  # one a token, whose gradient is the slope
    _thread: int = field(default_factory=threading.get_ident)

    @contextlib.contextmanager
    def through(self, tables: Iterable[nn.Module]) -> Iterator[None]:
        """Scale in the pass that runs inside."""
        with contextlib.ExitStack() as stack:
            for table in tables:
                stack.callback(table.register_forward_hook(self._scaled).remove)
            yield

    def slopes(self, value: Tensor) -> NDArray[np.float64]:
        """The derivatives of a number by the scale of each token.

        Raises:
            ParameterError: the pass looked up no such input, or the number does not depend on it.
        """
        if self.factors is None or not value.requires_grad:
            raise ParameterError("this model looks its input up in no table of embeddings", field="measures")
        [gradient] = torch.autograd.grad(value, self.factors)
        slopes: NDArray[np.float64] = gradient.double().cpu().numpy()
        return slopes

    def _scaled(self, table: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
        if self.factors is not None or threading.get_ident() != self._thread or not self._is_input(inputs):
            return None
        whole = output.detach()
        wide = torch.promote_types(whole.dtype, torch.float32)
        self.factors = torch.full(
            (len(self.tokens.positions),), self.scale, dtype=wide, device=whole.device, requires_grad=True
        )
        places = torch.tensor(list(self.tokens.positions), device=whole.device)
        all_factors = torch.ones(whole.shape[1], dtype=wide, device=whole.device).index_copy(0, places, self.factors)
        first = (whole[:1].to(wide) * all_factors[None, :, None]).to(whole.dtype)
        return torch.cat([first, whole[1:]])

    def _is_input(self, inputs: tuple[Any, ...]) -> bool:
        ids = inputs[0] if inputs else None
        if not isinstance(ids, Tensor) or ids.dim() != 2 or ids.shape[1] < len(self.tokens.ids):
            return False
        return ids[0, : len(self.tokens.ids)].tolist() == list(self.tokens.ids)


def unedited(request: Request) -> None:
    """Raises:
    ParameterError: the request edits attention, which such a pass does not.
    """
    for place, edit in enumerate(request.edits):
        if not isinstance(edit, Replace):
            raise ParameterError(
                "where embeddings are scaled, attention is as it is: replace tokens, or leave the edits out",
                field=f"edits.{place}",
            )


def along(points: Sequence[tuple[Tensor, NDArray[np.float64]]]) -> AlongEmbeddings:
    """Values and slopes of all passes."""
    return AlongEmbeddings(np.array([float(value.detach()) for value, _ in points]), np.stack([s for _, s in points]))
