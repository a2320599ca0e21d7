"""A transformers checkpoint, served: any task, on fused attention, with traces of every site."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch

from heedmap.model.attention.editor import Editor
from heedmap.model.batches import decoding_batches, forward_batches
from heedmap.model.contract import Axis, Parameters, Prediction, Request
from heedmap.model.errors import CheckpointError, HeedmapError, InputTooLong, ParameterError
from heedmap.model.hub.attention import chunks
from heedmap.model.hub.attention.bands import banded
from heedmap.model.hub.attention.editor import edited
from heedmap.model.hub.attention.recorder import record
from heedmap.model.hub.completions import Completions
from heedmap.model.hub.edited_values import HubValues
from heedmap.model.hub.editing import editor_of, recorded
from heedmap.model.hub.load import adapters, loading
from heedmap.model.hub.load.loading import Source, choose_task, read_config
from heedmap.model.hub.load.placement import places_of
from heedmap.model.hub.load.quantisation import parameter_count
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.probing import Probing
from heedmap.model.hub.proof import Proof
from heedmap.model.hub.quiet import quiet
from heedmap.model.hub.state import SPARSE
from heedmap.model.hub.tasks.base import Item, SinglePass, Task
from heedmap.model.hub.tasks.generative import GenerativeTask
from heedmap.model.hub.tasks.registry import TASKS
from heedmap.model.hub.tasks.text_generation import TextGeneration
from heedmap.model.isolation import failure, isolated
from heedmap.model.observer import stage
from heedmap.model.prefix import FIELD as PREFIX
from heedmap.model.trace import gradient
from heedmap.model.trace.corpus_means import CorpusMeans
from heedmap.model.trace.size import check
from heedmap.model.trace.trace import Trace
from heedmap.model.trace.writing import Recorded
from heedmap.model.watch import Stop, Watch, never, raise_if_cancelled

# Of dense maps, in a trace of a model that gives nothing else: 836 tokens at 24 layers of 16 heads.
EAGER_BYTES = 1 << 30


class HubModel(HubValues, Probing):
    """Predictions and traces of a checkpoint in transformers' layout; a `Served`."""

    trace_limit = 0

    def __init__(self, loaded: Loaded, task: type[Task]) -> None:
        """Put the model onto our attention and prove on an example that every layer of it is recorded.

        Raises:
            CheckpointError: there are layers whose attention cannot be had.
        """
        self.loaded, self.revision, self.task = loaded, loaded.revision, task.name
        loaded.model.requires_grad_(False)  # it is served: gradients are of attention, never of weights
        self.runner = task(loaded)
        proof = Proof(loaded, self.runner)
        self.wiring, self.state, self.alone, self.bands = proof.wiring, proof.state, proof.alone, proof.bands
        self.means = CorpusMeans(partial(recorded, self.wiring, self.runner))
        self.sites, self.unrecorded, self.cost = proof.sites, proof.unrecorded, proof.cost

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
            "parameter_count": parameter_count(model),
            "parameters": self.runner.takes(),
            "vocabulary": getattr(text, "vocab_size", None),
            "width": getattr(text, "hidden_size", None) or getattr(text, "d_model", None),
            "max_positions": getattr(text, "max_position_embeddings", None),
            "dtype": self.loaded.precision,
            "device": places_of(model),
            "licence": self.loaded.licence,
            "attention": "fused" if self.wiring.follows else "eager",
            "unrecorded": self.unrecorded,
            "unused": list(self.loaded.unused),
            "chat": getattr(self.loaded.tokenizer, "chat_template", None) is not None,
            **({"generation": self.runner.describe_generation()} if isinstance(self.runner, GenerativeTask) else {}),
            "sites": self.sites,
            "examples": [self.runner.example],
        }

    def predict(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Prediction | HeedmapError]:
        """Answer one batch; each request has its own result or its own error, in the same order."""
        results: dict[int, Any] = {}
        with torch.inference_mode(), quiet(), banded(self.bands):
            for members, items in self._batches(requests, results, cancelled, answering=True):
                answers = isolated(lambda some: self._predicted(some, cancelled), items)
                results |= dict(zip(members, answers, strict=True))
        return [results[index] for index in range(len(requests))]

    def trace(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Trace | HeedmapError]:
        """Predict, and record one pass over input and output."""
        results: dict[int, Any] = {}
        with torch.inference_mode(), quiet(), banded(self.bands):
            for members, items in self._batches(requests, results, cancelled):
                traces = isolated(lambda some: self.recorded(some, cancelled), items)
                results |= dict(zip(members, traces, strict=True))
        return [results[index] for index in range(len(requests))]

    def _batches(
        self, requests: Sequence[Request], results: dict[int, Any], cancelled: Stop, *, answering: bool = False
    ) -> Iterator[tuple[list[int], list[Item]]]:
        """What can run together; errors go to the results, and where answers are wanted, refusals too.

        Raises:
            Cancelled: `cancelled` became true between two files that are decoded.
        """
        groups: dict[tuple[Parameters, bool], dict[int, Item]] = defaultdict(dict)
        with stage("tokenize"):
            for index, request in enumerate(requests):
                raise_if_cancelled(cancelled)  # a picture or a recording takes up to a second or two to decode
                try:
                    self._check_begins(request)
                    item = self.runner.replaced(self.runner.prepare(request))
                except Exception as error:  # a tokenizer or processor may raise anything at what a caller sent
                    results[index] = failure(error)
                    continue
                if answering and item.refusal is not None:
                    results[index] = item.refusal
                else:
                    groups[request.parameters, request.target is None][index] = item
        for group in groups.values():
            for index in [index for index, item in group.items() if item.request.alone]:
                yield [index], [group.pop(index)]
            if not group:
                continue
            longest = max(len(axis) for item in group.values() for axis in item.axes.values())
            together = self.runner.batchable and longest <= chunks.CHUNK and not self.alone
            members = list(group)
            for batch in self._by_length(list(group.values())) if together else [[at] for at in range(len(group))]:
                indices = [members[at] for at in batch]
                yield indices, [group[index] for index in indices]

    def _check_begins(self, request: Request) -> None:
        if request.parameters.prefix is not None and not getattr(self.runner, "begins", False):
            raise ParameterError(f"{self.task} here goes on from no given beginning: leave it out", field=PREFIX)

    @property
    def _answering(self) -> str:
        """The stage in which answers arise."""
        return "generate" if isinstance(self.runner, GenerativeTask) else "forward"

    def _by_length(self, items: Sequence[Item]) -> list[list[int]]:
        """Batches of items, by their places."""
        lengths = [max(len(axis) for axis in item.axes.values()) for item in items]
        cut = decoding_batches if isinstance(self.runner, GenerativeTask) else forward_batches
        return cut(lengths, self.loaded.device.type)

    def _predicted(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        raise_if_cancelled(cancelled)
        self.state.restore()
        editor = editor_of(items[0].request, self.wiring, self.sites, partial(self.means, cancelled=cancelled))
        with stage(self._answering), self._watched(cancelled) as watch, edited(self.wiring, editor, self.sites):
            return self.runner.predict(items, watch)

    @contextlib.contextmanager
    def _watched(self, cancelled: Stop) -> Iterator[Stop]:
        """Where somebody wants rows of maps while an output is written, a recorder listens to its single steps."""
        if not isinstance(cancelled, Watch) or not cancelled.maps:
            yield cancelled
            return
        with record(self.wiring) as recorder:
            yield Recorded(cancelled, recorder)

    def recorded(self, items: Sequence[Item], cancelled: Stop) -> list[Trace]:
        """The traces of items that are prepared, of one batch: inside `inference_mode`.

        Raises:
            InputError: one of them cannot be answered. Cancelled: `cancelled` became true between two steps.
        """
        raise_if_cancelled(cancelled)
        self.state.restore()
        gradients = items[0].request.objective is not None
        for item in items:  # what is known before any work
            self._check_size(item.axes, gradients)
        editor = editor_of(items[0].request, self.wiring, self.sites, partial(self.means, cancelled=cancelled))
        with stage(self._answering), self._watched(cancelled) as watch, edited(self.wiring, editor, self.sites):
            predictions, inputs = self.runner.trace(items, watch)
        for prediction in predictions:
            self._check_size(prediction.axes, gradients)
        self.state.restore()
        if items[0].request.alone:
            return [self._alone(items[0], predictions, inputs, editor)]
        with stage("record"), record(self.wiring) as recorder:
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

    def _alone(self, item: Item, predictions: list[Prediction], inputs: dict[str, Any], editor: Editor | None) -> Trace:
        """The trace of one request whose pass is its own: edited, in one piece, and differentiated with an objective.

        Raises:
            InputError: the objective or an edit is none of this output, or gradients cannot be had.
        """
        objective, described = item.request.objective, None
        if editor is not None:
            axes = predictions[0].axes if predictions else item.axes
            named = {site["name"]: (site["queries"], site["keys"]) for site in self.sites}
            editor.check(
                {site: (len(axes[q]), len(axes[k])) for site, (q, k) in named.items() if {q, k} <= axes.keys()}
            )
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode(objective is None))
            stack.enter_context(torch.set_grad_enabled(objective is not None))
            stack.enter_context(edited(self.wiring, editor, self.sites))
            recorder = stack.enter_context(record(self.wiring, gradients=objective is not None))
            if objective is not None:  # what was made for inference alone cannot be kept for a backward pass
                inputs = {n: x.clone() if isinstance(x, torch.Tensor) else x for n, x in inputs.items()}
                inputs = self.runner.answering(inputs, predictions)
            with stage("record"):
                outputs = self.runner.forward(inputs)
            if self.alone and not recorder.records:
                raise InputTooLong(SPARSE, field="inputs")
            if isinstance(self.runner, SinglePass):
                with torch.no_grad():
                    predictions = self.runner.read(outputs, [item])
            if objective is not None:
                value = self.runner.value(objective, outputs, item, predictions[0])
                with stage("differentiate"):
                    recorder.differentiate(value)
                described = gradient.described(objective, value)
        sites = {site: self.runner.site_axes(site, predictions[0].axes) for site in recorder.records}
        edits = [edit.to_json() for edit in item.request.edits]
        facts = {"task": self.task, "revision": self.revision}
        return recorder.trace(0, predictions[0], sites, described, edits, **facts)

    def _check_size(self, axes: dict[str, Axis], gradients: bool = False) -> None:
        """Raises:
        TraceTooLarge: the trace would be over the limit.
        InputTooLong: the weights that the model hands out itself, which are kept densely, would be over theirs.
        """
        names = {site["name"]: (site["queries"], site["keys"]) for site in self.sites}
        check(self.cost, names, axes, self.trace_limit, gradients)
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

    @property
    def chunked(self) -> bool:
        """Whether a long text goes in by chunks."""
        return isinstance(self.runner, GenerativeTask) and self.runner.chunk is not None

    def _is_cut(self, inputs: dict[str, Any]) -> bool:
        """Whether these inputs are a text that goes in so; texts that outgrew a chunk together, padded, do not."""
        fits = not self.chunked or inputs["input_ids"].shape[1] <= chunks.CHUNK
        return not fits and chunks.can_be_cut(inputs, self.loaded.config)


def load(source: Source, device: str = "cpu") -> HubModel:
    """A checkpoint of transformers' layout, ready to serve.

    Raises:
        CheckpointError: it cannot be had, is not sound or safe, answers no task that there is, or hides its attention.
    """
    folder, adapter = adapters.find(source)
    config = read_config(folder, source.location)
    chosen = source.task or (None if adapter is None else adapter.task)
    task = TASKS[choose_task(folder, config, chosen)].for_config(config)
    if source.generator is not None and not issubclass(task, TextGeneration):
        raise CheckpointError(f"a generator elsewhere continues texts; {task.name} takes none")
    generator = None if source.generator is None else Completions(source.generator)
    loaded = loading.load(
        folder,
        task.auto_class,
        device=device,
        dtype=source.dtype,
        adapter=adapter,
        device_map=source.device_map,
        quantize=source.quantize,
    )
    served = HubModel(loaded, task)
    if isinstance(served.runner, TextGeneration):
        served.runner.generator = generator
    return served
