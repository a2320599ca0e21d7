"""A transformers checkpoint, served: any task, on fused attention, with traces of every site."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.contract import Axis, Parameters, Prediction, Request
from heedmap.model.errors import CheckpointError, HeedmapError, InputError, InputTooLong, TraceError
from heedmap.model.hub.attention import chunks
from heedmap.model.hub.attention.bands import Use, banded
from heedmap.model.hub.attention.recorder import prepare, record
from heedmap.model.hub.load import adapters, loading
from heedmap.model.hub.load.loading import Source, choose_task, read_config
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.quiet import quiet
from heedmap.model.hub.state import SPARSE, State, depends_on_length
from heedmap.model.hub.tasks.base import Item, SinglePass, Task
from heedmap.model.hub.tasks.generative import GenerativeTask
from heedmap.model.hub.tasks.registry import TASKS
from heedmap.model.isolation import failure, isolated
from heedmap.model.trace.size import Cost, check, cost_of
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import never

# Of dense maps, in a trace of a model that gives nothing else: 836 tokens at 24 layers of 16 heads.
EAGER_BYTES = 1 << 30

# What the order of sums explains between fused and eager attention at the model's output, against its largest value:
# the layers between amplify what a kernel's rounding began. More than that, and the two are not the same attention.
AGREEMENT = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 5e-2, torch.bfloat16: 1e-1}


class HubModel:
    """Predictions and traces of a checkpoint in transformers' layout; a `Served`."""

    trace_limit = 0

    def __init__(self, loaded: Loaded, task: type[Task]) -> None:
        """Put the model onto our attention and prove on an example that every layer of it is recorded.

        Raises:
            CheckpointError: there are layers whose attention cannot be had.
        """
        self.loaded, self.revision, self.task = loaded, loaded.revision, task.name
        self.runner = task(loaded)
        self.wiring = prepare(loaded.model)
        self.state, self.alone = State(loaded.model), depends_on_length(loaded.model)
        self.bands: Use = "never"
        try:
            self.sites, self.unrecorded, self.cost = self._prove()
        except TraceError as error:
            raise CheckpointError(
                f"models of the family {loaded.config.model_type} cannot be shown: {error}"
            ) from error
        finally:
            self.state.restore()

    def describe(self) -> dict[str, Any]:
        """Task, shape, dtype, device, sites and licence; files among the examples are bytes."""
        config = self.loaded.config
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        model = self.loaded.model
        return {
            "task": self.task,
            "architecture": type(model).__name__,
            "family": config.model_type,
            "revision": self.revision,
            "parameter_count": sum(p.numel() for p in model.parameters()),
            "parameters": self.runner.takes(),
            "vocabulary": getattr(text, "vocab_size", None),
            "width": getattr(text, "hidden_size", None) or getattr(text, "d_model", None),
            "max_positions": getattr(text, "max_position_embeddings", None),
            "dtype": str(self.loaded.dtype).removeprefix("torch."),
            "device": str(self.loaded.device),
            "licence": self.loaded.licence,
            "attention": "fused" if self.wiring.follows else "eager",
            "unrecorded": self.unrecorded,
            "unused": list(self.loaded.unused),
            "chat": getattr(self.loaded.tokenizer, "chat_template", None) is not None,
            **({"generation": self.runner.describe_generation()} if isinstance(self.runner, GenerativeTask) else {}),
            "sites": self.sites,
            "examples": [self.runner.example],
        }

    def predict(
        self, requests: Sequence[Request], cancelled: Callable[[], bool] = never
    ) -> list[Prediction | HeedmapError]:
        """Answer one batch; each request has its own result or its own error, in the same order."""
        results: dict[int, Any] = {}
        with torch.inference_mode(), quiet(), banded(self.bands):
            for members, items in self._batches(requests, results, answering=True):
                answers = isolated(lambda some: self._predicted(some, cancelled), items)
                results |= dict(zip(members, answers, strict=True))
        return [results[index] for index in range(len(requests))]

    def trace(self, requests: Sequence[Request], cancelled: Callable[[], bool] = never) -> list[Trace | HeedmapError]:
        """Predict, and record one pass over input and output."""
        results: dict[int, Any] = {}
        with torch.inference_mode(), quiet(), banded(self.bands):
            for members, items in self._batches(requests, results):
                traces = isolated(lambda some: self._traced(some, cancelled), items)
                results |= dict(zip(members, traces, strict=True))
        return [results[index] for index in range(len(requests))]

    def _batches(
        self, requests: Sequence[Request], results: dict[int, Any], *, answering: bool = False
    ) -> Iterator[tuple[list[int], list[Item]]]:
        """What can run together; errors go to the results, and where answers are wanted, refusals too."""
        groups: dict[tuple[Parameters, bool], dict[int, Item]] = defaultdict(dict)
        for index, request in enumerate(requests):
            try:
                item = self.runner.prepare(request)
            except Exception as error:  # a tokenizer or processor may raise anything at what a caller sent
                results[index] = failure(error)
                continue
            if answering and item.refusal is not None:
                results[index] = item.refusal
            else:
                groups[request.parameters, request.target is None][index] = item
        for group in groups.values():
            longest = max(len(axis) for item in group.values() for axis in item.axes.values())
            together = self.runner.batchable and longest <= chunks.CHUNK and not self.alone
            batches = [group] if together else [{index: item} for index, item in group.items()]
            yield from ((list(batch), list(batch.values())) for batch in batches)

    def _predicted(self, items: Sequence[Item], cancelled: Callable[[], bool]) -> list[Prediction]:
        self.state.restore()
        return self.runner.predict(items, cancelled)

    def _traced(self, items: Sequence[Item], cancelled: Callable[[], bool]) -> list[Trace]:
        self.state.restore()
        for item in items:  # what is known before any work
            self._check_size(item.axes)
        predictions, inputs = self.runner.trace(items, cancelled)
        for prediction in predictions:
            self._check_size(prediction.axes)
        self.state.restore()
        with record(self.wiring) as recorder:
            if self._is_cut(inputs):
                outputs = chunks.read(self.loaded.model, inputs, cancelled, recorder)
            else:
                outputs = self.runner.forward(inputs)
        if self.alone and not recorder.records:
            raise InputTooLong(SPARSE, field="inputs")
        if isinstance(self.runner, SinglePass):
            predictions = self.runner.read(outputs, items)
        traces = []
        for row, prediction in enumerate(predictions):
            sites = {site: self.runner.site_axes(site, prediction.axes) for site in recorder.records}
            traces.append(recorder.trace(row, prediction, sites, task=self.task, revision=self.revision))
        return traces

    def _check_size(self, axes: dict[str, Axis]) -> None:
        """Raises:
        TraceTooLarge: the trace would be over the limit.
        InputTooLong: the weights that the model hands out itself, which are kept densely, would be over theirs.
        """
        names = {site["name"]: (site["queries"], site["keys"]) for site in self.sites}
        check(self.cost, names, axes, self.trace_limit)
        if self.wiring.follows:
            return
        cells = sum(
            site["layers"] * site["heads"] * len(axes[site["queries"]]) * len(axes[site["keys"]])
            for site in self.sites
            if site["queries"] in axes and site["keys"] in axes
        )
        if cells * 4 > EAGER_BYTES:
            longest = max(len(axis) for axis in axes.values())
            fits = int(longest * (EAGER_BYTES / (cells * 4)) ** 0.5)
            raise InputTooLong(
                f"this model's family gives its attention only as whole maps, which would take {cells * 4:,} bytes "
                f"here; at most {EAGER_BYTES:,} are kept, about {fits} positions",
                field="inputs",
            )

    def _prove(self) -> tuple[list[dict[str, Any]], list[str], Cost]:
        """Trace the task's example: the sites that it shows, the attention modules that it does not, and its cost."""
        request = Request(self.runner.example, self.runner.probe_target, self.runner.probe_parameters)
        with torch.inference_mode(), quiet():
            item = self._example(request)
            predictions, inputs = self.runner.trace([item], never)
            if self.wiring.follows and not self._agrees(inputs, "eager"):
                self.state.restore()
                self.wiring = prepare(self.loaded.model, eager=True)
                self.state = State(self.loaded.model)
            elif not self.wiring.follows and not self._agrees(inputs, "sdpa"):
                raise CheckpointError(
                    f"models of the family {self.loaded.config.model_type} cannot be shown: in this release of "
                    "transformers its eager attention, which alone gives weights, and its fused one disagree"
                )
            with record(self.wiring) as recorder:
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
        family = self.loaded.config.model_type
        if not recorder.records:
            raise CheckpointError(
                f"models of the family {family} cannot be shown: their attention neither goes through transformers' "
                "AttentionInterface nor returns its weights (output_attentions)"
            )
        unrecorded = self._unrecorded(recorder.recorded_modules)
        patterns = {_pattern(self.wiring.names[module]) for module in recorder.recorded_modules}
        if gaps := [name for name in unrecorded if _pattern(name) in patterns]:
            raise CheckpointError(
                f"models of the family {family} cannot be shown: {gaps[0]} and {len(gaps) - 1} more layers keep their "
                "attention to themselves while others of their kind show it"
            )
        axes = predictions[0].axes
        pairs = {site: self.runner.site_axes(site, axes) for site in recorder.records}
        lengths = {site: (len(axes[q]), len(axes[k])) for site, (q, k) in pairs.items()}
        maps = recorder.maps(0, lengths)
        return [_site(site, maps[site], *pairs[site]) for site in pairs], unrecorded, cost_of(maps)

    def _example(self, request: Request) -> Item:
        try:
            return self.runner.prepare(request)
        except InputError as error:
            raise CheckpointError(f"the checkpoint cannot read an example of its own task: {error}") from error

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
        first, second = _largest(ours), _largest(theirs)
        if not bool(torch.isfinite(second).all()):
            raise CheckpointError(
                f"the model's output on an example is not finite in {self.loaded.dtype}; serve it with ?dtype=float32"
            )
        return self._same(first, second)

    def _same(self, first: torch.Tensor, second: torch.Tensor) -> bool:
        scale = max(float(second.abs().max()), 1e-6)
        return bool((first - second).abs().max() <= AGREEMENT[self.loaded.dtype] * scale)

    @property
    def chunked(self) -> bool:
        """Whether a long text goes in by chunks."""
        return isinstance(self.runner, GenerativeTask) and self.runner.chunk is not None

    def _is_cut(self, inputs: dict[str, Any]) -> bool:
        """Whether these inputs are a text that goes in so; texts that outgrew a chunk together, padded, do not."""
        fits = not self.chunked or inputs["input_ids"].shape[1] <= chunks.CHUNK
        return not fits and chunks.can_be_cut(inputs, self.loaded.config)

    def _reads_in_chunks(self, inputs: dict[str, Any]) -> bool:
        """Whether a text that goes in by chunks gives the same output, and every layer is recorded in each."""
        if not isinstance(self.runner, GenerativeTask) or not chunks.can_be_cut(inputs, self.loaded.config):
            return False
        with record(self.wiring) as recorder:
            found = chunks.tried(self.loaded.model, inputs, recorder)
        return found is not None and self._same(found, self.runner.forward(inputs).logits[:, -1].float())

    def _unrecorded(self, recorded: set[nn.Module]) -> list[str]:
        """Attention modules that are neither recorded nor inside or around one that is."""
        around = {name for module in recorded for name in _paths(self.wiring.names[module])}
        inside = tuple(f"{self.wiring.names[module]}." for module in recorded)
        return [name for name in self.wiring.names.values() if name not in around and not name.startswith(inside)]


def load(source: Source, device: str = "cpu") -> HubModel:
    """A checkpoint of transformers' layout, ready to serve.

    Raises:
        CheckpointError: it cannot be had, is not sound or safe, answers no task that there is, or hides its attention.
    """
    folder, adapter = adapters.find(source)
    config = read_config(folder, source.location)
    wanted = source.task or (None if adapter is None else adapter.task)
    task = TASKS[choose_task(folder, config, wanted)].for_config(config)
    loaded = loading.load(folder, task.auto_class, device=device, dtype=source.dtype, adapter=adapter)
    return HubModel(loaded, task)


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


def _largest(outputs: Any) -> torch.Tensor:
    """What the model says: its logits, or the first floating tensor that it returns."""
    for name in ("logits", "logits_per_image", "start_logits", "last_hidden_state"):
        if isinstance(outputs, dict) and isinstance(outputs.get(name), torch.Tensor):
            found: torch.Tensor = outputs[name]
            return found.float()
    values = outputs.values() if isinstance(outputs, dict) else outputs
    return next(value for value in values if isinstance(value, torch.Tensor) and value.is_floating_point()).float()
