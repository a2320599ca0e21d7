"""The proof at load: on the task's example, every layer's attention is recorded and is what the model really used.

A family whose fused attention leaves something out is put onto its eager one; one that hides its attention, or whose
two attentions disagree, is refused before anybody reads a map of it.
"""

import re
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.contract import Request
from heedmap.model.errors import CheckpointError, InputError, TraceError
from heedmap.model.hub.attention import chunks
from heedmap.model.hub.attention.bands import Use, banded
from heedmap.model.hub.attention.recorder import prepare, record
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.quiet import quiet
from heedmap.model.hub.state import State, depends_on_length
from heedmap.model.hub.tasks.base import Item, SinglePass, Task
from heedmap.model.hub.tasks.generative import GenerativeTask
from heedmap.model.trace.size import Cost, cost_of
from heedmap.model.watch import never

# What the order of sums explains between fused and eager attention at the model's output, against its largest value:
# the layers between amplify what a kernel's rounding began. More than that, and the two are not the same attention.
AGREEMENT = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 5e-2, torch.bfloat16: 1e-1}


class Proof:
    """What one example showed of a model, which is put onto our attention and left as it was otherwise.

    wiring: how its attention is recorded. state: what it goes back to between two answers. alone: texts of several
    lengths cannot share a pass. bands: whether sliding windows are computed as bands. sites: those that a trace shows,
    as JSON. unrecorded: attention modules that took no part. cost: of a trace.
    """

    def __init__(self, loaded: Loaded, runner: Task) -> None:
        """Raises:
        CheckpointError: there are layers whose attention cannot be had, or whose attention is not what is computed.
        """
        self.loaded, self.runner = loaded, runner
        self.wiring = prepare(loaded.model, quantised=loaded.quantised)
        self.state, self.alone = State(loaded.model), depends_on_length(loaded.model)
        self.bands: Use = "never"
        try:
            self.sites, self.unrecorded, self.cost = self._record_example()
        except TraceError as error:
            raise CheckpointError(f"{self._family} cannot be shown: {error}") from error
        except RuntimeError as error:  # PyTorch's: shapes or devices that do not fit, too little memory
            said = " ".join(str(error).split())[:400]
            raise CheckpointError(f"the model fails on an example of its own task: {said}") from error
        finally:
            self.state.restore()

    @property
    def _family(self) -> str:
        return f"models of the family {self.loaded.config.model_type}"

    def _record_example(self) -> tuple[list[dict[str, Any]], list[str], Cost]:
        """Trace the task's example: the sites that it shows, the attention modules that it does not, and its cost."""
        with torch.inference_mode(), quiet():
            item = self._example()
            predictions, inputs = self.runner.trace([item], never)
            self._choose_attention(inputs)
            with self.wiring.watching(), record(self.wiring) as recorder:
                outputs = self.runner.forward(inputs)
            if isinstance(self.runner, SinglePass):
                predictions = self.runner.read(outputs, [item])
            if self.wiring.follows and self._agrees(inputs, "eager", "always"):
                self.bands = "long"
            if self.bands == "long" and not self.alone and self._reads_in_chunks(inputs):
                assert isinstance(self.runner, GenerativeTask)
                self.runner.chunk = chunks.CHUNK
            if isinstance(self.runner, GenerativeTask):
                self.runner.attempt()
                self.runner.choose_cache()
        if not recorder.records:
            raise CheckpointError(
                f"{self._family} cannot be shown: their attention neither goes through transformers' "
                "AttentionInterface nor returns its weights (output_attentions)"
            )
        silent = self._silent(recorder.recorded_modules)
        patterns = {_pattern(self.wiring.names[module]) for module in recorder.recorded_modules}
        if gaps := [name for name in silent if _pattern(name) in patterns]:
            raise CheckpointError(
                f"{self._family} cannot be shown: {gaps[0]} and {len(gaps) - 1} more layers keep their "
                "attention to themselves while others of their kind show it"
            )
        axes = predictions[0].axes
        pairs = {site: self.runner.site_axes(site, axes) for site in recorder.records}
        lengths = {site: (len(axes[q]), len(axes[k])) for site, (q, k) in pairs.items()}
        maps = recorder.maps(0, lengths)
        return [_site(site, maps[site], *pairs[site]) for site in pairs], silent, cost_of(maps)

    def _example(self) -> Item:
        """The task's own example, ready for the model."""
        try:
            return self.runner.prepare(
                Request(self.runner.example, self.runner.probe_target, self.runner.probe_parameters)
            )
        except InputError as error:
            raise CheckpointError(f"the checkpoint cannot read an example of its own task: {error}") from error

    def _choose_attention(self, inputs: dict[str, Any]) -> None:
        """Go over to eager attention where the fused one leaves something out.

        Raises:
            CheckpointError: eager attention alone gives weights, and it is not the model's.
        """
        if self.wiring.follows and not self._agrees(inputs, "eager"):
            self.state.restore()
            self.wiring = prepare(self.loaded.model, eager=True, quantised=self.loaded.quantised)
            self.state = State(self.loaded.model)
        elif not self.wiring.follows and not self._agrees(inputs, "sdpa"):
            raise CheckpointError(
                f"{self._family} cannot be shown: in this release of "
                "transformers its eager attention, which alone gives weights, and its fused one disagree"
            )

    def _agrees(self, inputs: dict[str, Any], other: str, use: Use = "never") -> bool:
        """Whether the model gives the same output under another of its attentions: then nothing was left out."""
        parts = [p for p in self.loaded.model.modules() if isinstance(p, PreTrainedModel)]
        if other == "sdpa":
            parts = [p for p in parts if p.config._attn_implementation == "eager" and p._supports_sdpa]
        with banded(use):
            ours = self.runner.forward(inputs)
        before = [(part.config, part.config._attn_implementation) for part in parts]
        try:
            for config, _ in before:
                config._attn_implementation_internal = other  # the public setter refuses what cannot be set later
            theirs = self.runner.forward(inputs)
        finally:
            for config, implementation in before:
                config._attn_implementation_internal = implementation
        first, second = _main_output(ours), _main_output(theirs)
        if not bool(torch.isfinite(second).all()):
            raise CheckpointError(
                f"the model's output on an example is not finite in {self.loaded.dtype}; serve it with ?dtype=float32"
            )
        return self._close(first, second)

    def _close(self, first: Tensor, second: Tensor) -> bool:
        """Whether two outputs differ by no more than rounding explains."""
        scale = max(float(second.abs().max()), 1e-6)
        return bool((first - second).abs().max() <= AGREEMENT[self.loaded.dtype] * scale)

    def _reads_in_chunks(self, inputs: dict[str, Any]) -> bool:
        """Whether a text that goes in by chunks gives the same output, and every layer is recorded in each."""
        if not isinstance(self.runner, GenerativeTask) or not chunks.can_be_cut(inputs, self.loaded.config):
            return False
        with record(self.wiring) as recorder:
            output = chunks.tried(self.loaded.model, inputs, recorder)
        return output is not None and self._close(output, self.runner.forward(inputs).logits[:, -1].float())

    def _silent(self, recorded: set[nn.Module]) -> list[str]:
        """Attention modules that are neither recorded nor inside or around one that is."""
        around = {name for module in recorded for name in _paths(self.wiring.names[module])}
        inside = tuple(f"{self.wiring.names[module]}." for module in recorded)
        return [name for name in self.wiring.names.values() if name not in around and not name.startswith(inside)]


def _site(name: str, maps: list[AttentionMap], queries: str, keys: str) -> dict[str, Any]:
    return {
        "name": name,
        "layers": len(maps),
        "heads": maps[0].heads,
        "kv_heads": maps[0].kv_heads,
        "queries": queries,
        "keys": keys,
    }


def _paths(name: str) -> list[str]:
    """The name, and those of what is around it."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _main_output(outputs: Any) -> Tensor:
    """What the model says: its logits, or the first floating tensor that it returns."""
    for name in ("logits", "logits_per_image", "start_logits", "last_hidden_state"):
        if isinstance(outputs, dict) and isinstance(outputs.get(name), Tensor):
            output: Tensor = outputs[name]
            return output.float()
    values = outputs.values() if isinstance(outputs, dict) else outputs
    return next(value for value in values if isinstance(value, Tensor) and value.is_floating_point()).float()
