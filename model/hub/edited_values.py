"""What a transformers model says of an objective under edits: copies of one pass, as rows of a batch where it may."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from heedmap.model.attention.batch_edits import BatchEditor, batch_of, place_of, remembered
from heedmap.model.attention.editor import Editor
from heedmap.model.contract import AnyEdit, Prediction, Request
from heedmap.model.edits import Replace
from heedmap.model.errors import InputError, ModelFailure, ParameterError
from heedmap.model.hub.attention.bands import Use, banded
from heedmap.model.hub.attention.editor import edited
from heedmap.model.hub.attention.recorder import Wiring
from heedmap.model.hub.editing import editor_of
from heedmap.model.hub.quiet import quiet
from heedmap.model.hub.state import State
from heedmap.model.hub.tasks.base import Item, Task
from heedmap.model.hub.tasks.generative import GenerativeTask
from heedmap.model.likeliest import Place
from heedmap.model.observer import stage
from heedmap.model.trace.corpus_means import CorpusMeans
from heedmap.model.watch import Stop, never, raise_if_cancelled

# Of one batch: a CPU is no faster beyond that, and a large vocabulary's logits of so many are half a gigabyte.
TOKENS = {"cpu": 1024, "cuda": 16_384}


class HubValues:
    """A served checkpoint that says what edits do to an objective; a `Measurable`."""

    runner: Task
    wiring: Wiring
    sites: list[dict[str, Any]]
    state: State
    alone: bool
    bands: Use
    means: CorpusMeans

    def values_under(
        self,
        request: Request,
        prediction: Prediction,
        sets: Sequence[Sequence[AnyEdit]],
        cancelled: Stop = never,
    ) -> Iterator[list[float]]:
        """The objective's value of the pass over a prediction, then under each set of edits, a batch at a time."""
        assert request.objective is not None, "who asks for its value has one"
        raise_if_cancelled(cancelled)
        with torch.inference_mode(), quiet(), banded(self.bands):
            item, inputs = self._answered(request, prediction, cancelled)
            together = self._together(inputs, prediction)
            [plain] = self._outputs([inputs], BatchEditor([self._maker(item, cancelled)(request.edits)], [None]))
            item = self.runner.settled(plain, item)  # what the model answers as it is, under every edit
            before = self._value(plain, item, prediction)
        yield [before]
        make, lengths = self._maker(item, cancelled), self._lengths(prediction)
        for first in range(0, len(sets), together):
            raise_if_cancelled(cancelled)
            some = sets[first : first + together]
            with torch.inference_mode(), quiet(), banded(self.bands), stage("forward"):
                editor, _ = batch_of(request.edits, some, make, lengths, first)
                copies = [self._replaced(item, inputs, edits, number) for number, edits in enumerate(some, first)]
                outputs = self._outputs(copies, BatchEditor(editor.editors[1:], editor.places[1:]))
                values = [self._value(each, item, prediction) for each in outputs]
            yield values

    def likeliest(
        self, request: Request, prediction: Prediction, count: int, cancelled: Stop = never
    ) -> Iterator[Place]:
        """The likeliest tokens at each place of the output, by one pass over input and output.

        Raises:
            ParameterError: the task writes no tokens.
        """
        if not isinstance(self.runner, GenerativeTask):
            raise ParameterError(f"{self.runner.name} writes no tokens: no others could stand in their places")
        raise_if_cancelled(cancelled)
        with torch.inference_mode(), quiet(), banded(self.bands), stage("forward"):
            item = self.runner.replaced(self.runner.prepare(request))
            inputs = self.runner.answering(self.runner.taught([item], [prediction]), [prediction])
            self.state.restore()
            means = partial(self.means, cancelled=cancelled)
            with edited(self.wiring, editor_of(request, self.wiring, self.sites, means), self.sites):
                outputs = self.runner.forward(inputs)
            yield from self.runner.places(outputs, prediction, count)

    def _answered(self, request: Request, prediction: Prediction, cancelled: Stop) -> tuple[Item, dict[str, Any]]:
        """The item of a request, and the inputs of the pass that its answer was traced in.

        Raises:
            ModelFailure: the model answers otherwise now.
        """
        item = self.runner.replaced(self.runner.prepare(request))
        self.state.restore()
        means = partial(self.means, cancelled=cancelled)
        with edited(self.wiring, editor_of(request, self.wiring, self.sites, means), self.sites):
            answers, inputs = self.runner.trace([item], cancelled)
        ids = {name: list(axis.ids) for name, axis in prediction.axes.items()}
        if answers and {name: list(axis.ids) for name, axis in answers[0].axes.items()} != ids:
            raise ModelFailure("the model answers this input with another output than the trace's: trace it anew")
        return item, self.runner.answering(inputs, [prediction])

    def _together(self, inputs: dict[str, Any], prediction: Prediction) -> int:
        """How many copies of a pass go into one batch."""
        rows = {x.shape[0] for x in inputs.values() if isinstance(x, Tensor)}
        apart = self.alone or self.wiring.windowed or not self.runner.batchable or not self.runner.rowwise
        if apart or len(rows) != 1:
            return 1
        longest = max(len(axis) for axis in prediction.axes.values())
        return max(
            1, TOKENS["cpu" if self.runner.loaded.device.type == "cpu" else "cuda"] // (longest * rows.pop()) - 1
        )

    def _lengths(self, prediction: Prediction) -> dict[str, tuple[int, int]]:
        """Queries and keys of each site."""
        axes, named = prediction.axes, {site["name"]: (site["queries"], site["keys"]) for site in self.sites}
        return {site: (len(axes[q]), len(axes[k])) for site, (q, k) in named.items() if {q, k} <= axes.keys()}

    def _maker(self, item: Item, cancelled: Stop) -> Callable[[tuple[AnyEdit, ...]], Editor]:
        """What makes editors of edits, each corpus read once for all of them."""
        layers = {site["name"]: (site["layers"], site["heads"]) for site in self.sites}
        means = remembered(partial(self.means, cancelled=cancelled))

        def make(edits: tuple[AnyEdit, ...]) -> Editor:
            request = replace(item.request, edits=edits)
            return editor_of(request, self.wiring, self.sites, means) or Editor((), layers)

        return make

    def _outputs(self, copies: Sequence[dict[str, Any]], editor: BatchEditor) -> list[Any]:
        """What the model's forward returns of each copy of a pass, edited."""
        self.state.restore()
        with edited(self.wiring, editor, self.sites):
            return _cut(self.runner.forward(_joined(copies)), len(copies), copies[0])

    def _replaced(self, item: Item, inputs: dict[str, Any], edits: Sequence[AnyEdit], number: int) -> dict[str, Any]:
        """The inputs with other tokens in the place of some of the request's, whatever follows them."""
        if not any(isinstance(edit, Replace) for edit in edits):
            return inputs
        try:
            other = self.runner.replaced(item.with_(request=replace(item.request, edits=tuple(edits))))
        except InputError as error:
            error.field = place_of(error.field, 0, number)
            raise
        ids, mine = inputs["input_ids"].clone(), other.tensors["input_ids"].to(inputs["input_ids"].device)
        ids[0, : mine.shape[1]] = mine[0]
        return {**inputs, "input_ids": ids}

    def _value(self, outputs: Any, item: Item, prediction: Prediction) -> float:
        assert item.request.objective is not None
        return float(self.runner.value(item.request.objective, outputs, item, prediction))


def _joined(copies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The inputs of many passes as one batch's."""
    return {
        name: torch.cat([each[name] for each in copies]) if isinstance(value, Tensor) else value
        for name, value in copies[0].items()
    }


def _cut(outputs: Any, count: int, inputs: dict[str, Any]) -> list[Any]:
    """What a batch returned, as each of its passes would have."""
    if count == 1:
        return [outputs]
    rows = next(x.shape[0] for x in inputs.values() if isinstance(x, Tensor))

    def part(value: Any, at: int) -> Any:
        mine = isinstance(value, Tensor) and value.dim() > 0 and value.shape[0] == count * rows
        return value[at * rows : (at + 1) * rows] if mine else value

    return [type(outputs)(**{name: part(value, at) for name, value in outputs.items()}) for at in range(count)]
