"""The attention function that transformers' models call, and the mask function that goes with it.

A model that follows transformers' AttentionInterface asks for its attention by name at every call. Under ours it runs
PyTorch's fused attention, exactly as under "sdpa", until a recording begins: then the same kernel also hands out its
log-sum-exp, and queries, keys, values, mask and bias go to the recorder. What "sdpa" cannot do, soft-capped scores and
attention sinks, runs here too.

Both functions are registered together: without its mask function an attention function gets no causal mask at all.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface

from heedmap.model.attention import interactions
from heedmap.model.attention.biases import Bias, Edited
from heedmap.model.attention.edits import LayerEdits, with_sinks
from heedmap.model.attention.masks import Causal, Full, Given, Mask
from heedmap.model.attention.scores import ScaledDot, Score, SoftCapped
from heedmap.model.errors import ParameterError
from heedmap.model.hub.attention import bands

IMPLEMENTATION = "heedmap"


@runtime_checkable
class ModuleObserver(Protocol):
    """Takes what one attention module computed."""

    def record_module(
        self,
        module: nn.Module,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        lse: Tensor,
        output: Tensor,
        *,
        score: Score,
        mask: Mask,
        bias: Tensor | None,
        kernel: str,
        edited: Callable[[Bias | None], Edited] | None = None,
        tape: Tensor | None = None,
    ) -> None:
        """q, output: (B H Q D); k, v: (B G K D); lse: (B H Q); bias: (B H Q K), broadcast.

        edited: makes the bias that edits left of the layer's own. tape: what the model goes on with, where it is not
        the output.
        """


@runtime_checkable
class ModuleEdits(Protocol):
    """Says what is done to a module's attention."""

    def of_module(self, module: nn.Module) -> LayerEdits | None:
        """Of the attention that it is about to compute; None where nothing is."""


_editor: ContextVar[ModuleEdits | None] = ContextVar("editor", default=None)
_observer: ContextVar[ModuleObserver | None] = ContextVar("observer", default=None)


@contextlib.contextmanager
def recording(observer: ModuleObserver) -> Iterator[None]:
    """Send what every attention module computes to the observer, in this thread."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


@contextlib.contextmanager
def editing(editor: ModuleEdits) -> Iterator[None]:
    """Do to every attention module what the editor says, in this thread."""
    token = _editor.set(editor)
    try:
        yield
    finally:
        _editor.reset(token)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    position_bias: Tensor | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it.

    Args:
        module: the attention module that asks.
        query: (B H Q D); key: (B G K D); value: (B G K E).
        attention_mask: boolean, true where visible, or floating, added to the scores; broadcast over (B H Q K).
        scaling: of the products, 1/sqrt(D) if None.
        is_causal: without a mask, whether keys after the query are hidden; the module's own answer if None.
        position_bias: added to the scores, broadcast over (B H Q K).
        softcap: no score is larger than it (Gemma 2).
        s_aux: one logit a head that takes part in the softmax and stands for no key (GPT-OSS's sinks).

    Returns:
        The output (B Q H E), and no weights.
    """
    compiling = torch.compiler.is_compiling()  # a step of one query: nobody records it, and it has no band
    observer, editor = (None, None) if compiling else (_observer.get(), _editor.get())
    edits = None if editor is None else editor.of_module(module)
    band = None if compiling or attention_mask is None else bands.band_of(attention_mask)
    plain = observer is None and edits is None and softcap is None and s_aux is None and band is None
    if plain and (compiling or not interactions.active()):
        output, _ = sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            is_causal=is_causal,
            position_bias=position_bias,
            **kwargs,
        )
        return output, None
    scale = 1 / math.sqrt(query.shape[-1]) if scaling is None else float(scaling)
    score: Score = ScaledDot(scale) if softcap is None else SoftCapped(scale, float(softcap))
    mask, bias = _mask_and_bias(module, query, key, attention_mask, is_causal) if band is None else (band, None)
    if position_bias is not None:
        bias = position_bias if bias is None else bias + position_bias
    facts: dict[str, Any] = {"mask": mask, "bias": bias}
    if edits is None:
        if s_aux is not None and interactions.active():
            raise ParameterError("gim is not defined here: sinks take part in the softmax", field="measures")
        output, lse, kernel = with_sinks(query, key, value, mask, bias, score, s_aux)
        mixed, facts = output, {**facts, "score": score, "kernel": kernel}
    else:
        done = edits.attend(query, key, value, mask, bias, score, 0, s_aux)  # an edited pass reads all that there is
        query, output, lse, mixed = done.q, done.output, done.lse, done.mixed
        facts |= {"score": done.score, "kernel": done.kernel, "edited": done.edited, "tape": mixed}
    if observer is not None:
        observer.record_module(module, query, key, value, lse, output, **facts)
        if mixed.requires_grad:  # the model may change what it gets, which the graph's own tensor does not survive
            mixed = mixed.clone()
    return mixed.transpose(1, 2).contiguous(), None


def _mask_and_bias(
    module: nn.Module, query: Tensor, key: Tensor, attention_mask: Tensor | None, is_causal: bool | None
) -> tuple[Mask, Tensor | None]:
    """Which keys are visible, and what a floating mask adds besides."""
    if attention_mask is None:
        causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
        return (Causal() if causal and query.shape[2] > 1 else Full()), None
    attention_mask = attention_mask[..., : key.shape[2]]
    if attention_mask.dtype == torch.bool:
        return Given(_one_head(attention_mask).expand(-1, query.shape[2], -1)), None
    hidden = attention_mask <= torch.finfo(attention_mask.dtype).min / 2  # transformers hides with the dtype's minimum
    if not hidden.any():
        return Full(), attention_mask
    cells = _one_head(~hidden).expand(-1, query.shape[2], -1)
    bias = attention_mask.masked_fill(hidden, 0)
    return Given(cells), bias if bias.any() else None


def _one_head(visible: Tensor) -> Tensor:
    """(B 1 Q K) -> (B Q K).

    Raises:
        NotImplementedError: heads see different keys; no family here does that.
    """
    if visible.shape[1] > 1 and not bool((visible == visible[:, :1]).all()):
        raise NotImplementedError("the heads of one layer have different masks")
    return visible[:, 0]


def register() -> None:
    """Make the implementation known to transformers; again is no harm."""
    AttentionInterface.register(IMPLEMENTATION, attention)
    AttentionMaskInterface.register(IMPLEMENTATION, bands.mask)


register()
