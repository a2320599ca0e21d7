"""From a transformers model's modules to a recorder's sites: who computed attention, and where in the model that is."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

from heedmap.model.attention.biases import Bias, Edited
from heedmap.model.attention.masks import Mask
from heedmap.model.attention.scores import Score
from heedmap.model.errors import InputError, TraceError
from heedmap.model.hub.attention.interface import IMPLEMENTATION, recording
from heedmap.model.hub.attention.post_norms import PostNorms
from heedmap.model.hub.attention.projections import Projections
from heedmap.model.hub.attention.sites import Sites
from heedmap.model.hub.attention.swin import GridLayout, grid_layout
from heedmap.model.hub.families import family_of
from heedmap.model.hub.quiet import quiet
from heedmap.model.trace.copying import Unembedding
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.records import AttentionRecord

ROW_SUM = 1e-2  # how far from 1 a row of weights may sum in half precision


@dataclass(eq=False)
class Wiring:
    """A model on our attention implementation, with what is known of its modules.

    names: of its attention modules. eager: those that do not follow the interface and compute attention themselves.
    windowed: layers that cut a grid into windows, by their attention module. quantised: how its weights are.
    projections: the output projections that its modules were seen to have. post_norms: the layer normalisations that
    were seen to follow on their residuals.
    """

    model: Any
    sites: Sites
    names: dict[nn.Module, str]
    eager: frozenset[nn.Module]
    windowed: dict[nn.Module, nn.Module] = field(default_factory=dict)
    quantised: str = ""
    projections: Projections = field(default_factory=Projections)
    post_norms: PostNorms = field(default_factory=PostNorms)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Look in the pass inside for what follows on each attention: its projection, and a layer normalisation."""
        plain = [module for module in self.names if module not in self.eager and module not in self.windowed]
        with self.projections.watching(self.model), self.post_norms.watching(self.model, plain, self.projections):
            yield

    @property
    def follows(self) -> bool:
        """Whether all attention goes through the interface."""
        return not self.eager

    @cached_property
    def unembedding(self) -> Unembedding | None:
        """What reads tokens from what attention adds to; None where the model writes none."""
        try:
            table = self.model.get_output_embeddings()
        except (AttributeError, NotImplementedError):
            table = None
        if type(table) is not nn.Linear or type(table.weight) is not nn.Parameter:  # quantised, or with an adapter
            return None
        if any(weight.is_meta for weight in self.model.parameters()):  # what is offloaded moves while a pass runs
            return None
        return Unembedding(table.weight)


def prepare(model: Any, *, eager: bool = False, quantised: str = "") -> Wiring:
    """Put a model on our attention implementation, where its modules follow the interface; the rest stays eager.

    Args:
        model: a transformers model that was loaded with eager attention.
        eager: leave all of it so, for a family that follows the interface in name alone.
        quantised: how its weights are, for the certificate.

    Raises:
        ValueError: it was loaded with another attention, which a module that does not follow the interface would keep.
    """
    with quiet():
        model.set_attn_implementation("eager" if eager else IMPLEMENTATION)
    names = {module: name for name, module in model.named_modules()}
    attention = {module: name for module, name in names.items() if "Attention" in type(module).__name__}
    homes = _homes(model)
    eager_modules = frozenset(m for m in attention if eager or not homes[m]._can_set_attn_implementation())
    if strays := {homes[m].config._attn_implementation for m in eager_modules} - {"eager"}:
        raise ValueError(f"load it with attn_implementation='eager', not {strays.pop()!r}: parts of it would keep that")
    windowed = {
        part: layer
        for layer in names
        if layer in homes and type(layer).__name__ == family_of(homes[layer].config).windowed_layer
        for part in layer.modules()
        if part in attention
    }
    config = model.config
    sites = Sites(
        names.values(),
        encoder_decoder=bool(config.is_encoder_decoder) or family_of(config).encoder_decoder,
        causal=_causal(model, attention),
        staged=frozenset(names[module] for module in windowed),
    )
    return Wiring(model, sites, attention, eager_modules, windowed, quantised)


@contextlib.contextmanager
def record(wiring: Wiring, gradients: bool = False) -> Iterator["ModuleRecorder"]:
    """Record the forward pass of the model that runs inside; `gradients`, where it will be differentiated.

    Raises:
        InputError: gradients cannot be had.
    """
    if gradients and not wiring.follows:
        raise InputError(
            f"models of the family {wiring.model.config.model_type} hand out their attention weights alone, and no "
            "gradient can be had through them: leave the objective out",
            field="objective",
        )
    recorder = ModuleRecorder(wiring, {"transformers": transformers.__version__}, gradients)
    with contextlib.ExitStack() as stack:
        stack.enter_context(recording(recorder))
        for layer in set(wiring.windowed.values()):
            handle = layer.register_forward_pre_hook(recorder.note_grid, with_kwargs=True)
            stack.callback(handle.remove)
        for part in wiring.model.modules():
            if type(part) is nn.LayerNorm:  # which of them matter is perhaps only found in this very pass
                stack.callback(part.register_forward_pre_hook(recorder.note_sum).remove)
        if wiring.eager:
            stack.enter_context(_weights_wanted(wiring.model))
            for module in wiring.eager:
                stack.callback(module.register_forward_hook(recorder.record_returned_weights).remove)
        yield recorder


class ModuleRecorder(Recorder):
    """A recorder of the modules of one model, each at its site; a `ModuleObserver`.

    Args:
        wiring: the model's.
        versions: of the libraries that compute, for the certificate.
        gradients: whether the pass will be differentiated.
    """

    def __init__(self, wiring: Wiring, versions: dict[str, str], gradients: bool = False) -> None:
        facts: dict[str, Any] = {"quantised": wiring.quantised, "unembedding": wiring.unembedding}
        super().__init__(versions=versions, gradients=gradients, **facts)
        self.wiring = wiring
        self.recorded_modules: set[nn.Module] = set()
        self._layouts: dict[nn.Module, GridLayout] = {}
        self._returned: list[Tensor] = []  # weights that an inner module gave already
        self._last: tuple[nn.Module, str] | None = None  # who attended last, and at which site
        self._patched = False  # whether the model went on with another output than that one's
        self._thread = threading.get_ident()  # another one's passes go through the same modules

    def clear(self) -> None:
        super().clear()
        self.recorded_modules.clear()
        self._last = None
        self._returned.clear()

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
        """A module on the interface computed its attention."""
        site, patched = self.wiring.sites.of(self.wiring.names[module]), tape is not None and tape is not output
        self._once(module)
        self.wiring.projections.attended(module, output)
        facts: dict[str, Any] = {"score": score, "mask": mask, "kernel": kernel, "bias": bias, "edited": edited}
        facts |= {
            "gram": partial(self.wiring.projections.gram, module, q.shape[1]),
            "parts": partial(self.wiring.projections.parts, module, q.shape[1]),
            "post_norm": partial(self.wiring.post_norms.of, module, q.shape[1], self.wiring.projections),
            "tapes": (output if tape is None else tape,),
        }
        layer = self.wiring.windowed.get(module)
        if layer is not None:
            cut = self._layouts[layer]
            q, k, v, lse, output = (cut.raster(x) for x in (q, k, v, lse, output))
            facts |= {"mask": cut.mask(), "bias": cut.bias(bias), "arrange": cut.raster}
        self.record(site, q, k, v, lse, output, **facts)
        self._last, self._patched = (module, site), patched

    def note_sum(self, norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        """A layer normalisation takes the residual and what the attention before it added."""
        if self._last is None or threading.get_ident() != self._thread:
            return
        if self.wiring.post_norms.of_module.get(self._last[0]) is not norm:
            return
        records, summed = self.records[self._last[1]], inputs[0]
        self._last, record = None, records[-1]
        if isinstance(record, AttentionRecord) and summed.shape[:2] == (record.q.shape[0], record.q.shape[2]):
            records[-1] = replace(record, summed=summed.detach(), patched=self._patched)

    def record_returned_weights(self, module: nn.Module, inputs: Any, outputs: Any) -> None:
        """A module of its own kind returned, perhaps with its weights."""
        for value in outputs if isinstance(outputs, tuple) else ():
            if _are_weights(value) and not any(value is earlier for earlier in self._returned):
                self._returned.append(value)
                self._once(module)
                self.record_weights(self.wiring.sites.of(self.wiring.names[module]), value)

    def _once(self, module: nn.Module) -> None:
        """A module is one layer, but where layers share their weights.

        Raises:
            TraceError: it attended a second time, to another part of its input.
        """
        if module in self.recorded_modules and not family_of(self.wiring.model.config).shared_layers:
            raise TraceError(
                f"{self.wiring.names[module]} attended in several pieces in one pass (several pictures, or windows); "
                "give one at a time"
            )
        self.recorded_modules.add(module)

    def note_grid(self, layer: nn.Module, inputs: tuple[Any, ...], arguments: dict[str, Any]) -> None:
        """A windowed layer is about to cut this grid."""
        grid = arguments["input_dimensions"] if "input_dimensions" in arguments else inputs[1]
        self._layouts[layer] = grid_layout(layer, grid)


def _are_weights(value: Any) -> bool:
    """Whether this is (B H Q K), and every row sums to 1 or, with nothing visible, to 0."""
    if not isinstance(value, Tensor) or value.dim() != 4 or not value.is_floating_point() or not value.numel():
        return False
    sums = value.float().sum(dim=-1)
    return bool((value >= 0).all()) and bool((((sums - 1).abs() < ROW_SUM) | (sums == 0)).all())


def _homes(model: Any) -> dict[nn.Module, Any]:
    """For each module the transformers model that it is part of, the innermost one."""
    homes: dict[nn.Module, Any] = {}
    for part in model.modules():  # outer ones come first, so that inner ones have the last word
        if isinstance(part, transformers.PreTrainedModel):
            homes |= dict.fromkeys(part.modules(), part)
    return homes


def _causal(model: Any, attention: dict[nn.Module, str]) -> bool:
    """Whether the text stack is a language model, which sees the past alone."""
    if any(getattr(module, "is_causal", False) for module in attention):
        return True
    kind = model.config.model_type
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return False
    return kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES or type(model).__name__.endswith("ForCausalLM")


@contextlib.contextmanager
def _weights_wanted(model: Any) -> Iterator[None]:
    """Have modules that compute attention themselves return their weights."""
    configs = {id(part.config): part.config for part in model.modules() if hasattr(part, "config")}
    before = {key: getattr(config, "_output_attentions", False) for key, config in configs.items()}
    for config in configs.values():
        config._output_attentions = True  # the public setter refuses where a part of the model is not eager
    try:
        with quiet(), torch.no_grad():
            yield
    finally:
        for key, config in configs.items():
            config._output_attentions = before[key]
