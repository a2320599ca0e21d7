"""What serves a native network that reads features: its input is no text, its output is one."""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from heedmap.model.attention.editor import Editor
from heedmap.model.batches import forward_batches
from heedmap.model.card import examples, licence
from heedmap.model.contract import DECODING, Axis, Parameters, Prediction, Request, taken
from heedmap.model.edits import Replace
from heedmap.model.errors import (
    CheckpointError,
    EmptyInput,
    HeedmapError,
    InputError,
    InputTooLong,
    ParameterError,
)
from heedmap.model.generated import Generated
from heedmap.model.isolation import failure, isolated
from heedmap.model.native.checkpoint import Checkpoint
from heedmap.model.native.decoding import generate
from heedmap.model.native.feature_passes import FeaturePasses, Source, stacked
from heedmap.model.native.feature_transformer import FeatureTransformer, opening
from heedmap.model.native.feature_values import FeatureValues
from heedmap.model.native.prefixes import prefix_of
from heedmap.model.native.tokenizer import SPECIAL, Encoding
from heedmap.model.observer import stage
from heedmap.model.prediction import Inputs
from heedmap.model.trace.corpus_means import CorpusMeans
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.trace import Trace
from heedmap.model.trace.writing import Writing
from heedmap.model.watch import Stop, never, raise_if_cancelled

SITES = {"encoder": ("source", "source"), "decoder": ("target", "prefix"), "cross": ("target", "source")}


class FeatureModel(FeatureValues):
    """Predictions and traces of an encoder-decoder that reads features; a `Served`.

    A subclass says what the features of an input are, and what their places stand for.
    """

    task: str
    spoken: ClassVar[str]  # the parameter that names the language of the output
    key: ClassVar[str]  # of the text in the prediction, as model hubs name it
    trace_limit = 0  # its positions end long before
    reentrant = True  # a pass takes its recorder as an argument, and changes nothing of the network

    def __init__(self, loaded: Checkpoint, folder: Path | None = None) -> None:
        """Raises:
        CheckpointError: the network reads text, or is of another task.
        """
        network = loaded.network
        if not isinstance(network, FeatureTransformer) or network.config.task != self.task:
            raise CheckpointError(f"this network is not for {self.task}")
        self.network, self.tokenizer, self.revision = network, loaded.tokenizer, loaded.revision
        self.licence = None if folder is None else licence(folder)
        self.examples = [] if folder is None else examples(folder)
        self.sites = dict(SITES)
        weight = network.output_weight
        self.device, self.dtype = weight.device, weight.dtype
        self.openings = {name: self.tokenizer.one(opening(name), "language") for name in network.config.languages}
        facts = {"task": self.task, "revision": self.revision}
        self.passes = FeaturePasses(network, self.tokenizer, self.sites, facts)
        self._means = CorpusMeans(self._recorded)

    @abstractmethod
    def read(self, inputs: Inputs) -> Source:
        """The features of an input, and the axis of the encoder's places.

        Raises:
            InputError: it is of another kind, or cannot be read.
        """

    def describe(self) -> dict[str, Any]:
        """Task, shape, dtype, device, sites and licence, as JSON; files among the examples are bytes."""
        config = self.network.config
        layers = {"encoder": config.encoder_layers, "decoder": config.decoder_layers, "cross": config.decoder_layers}
        languages = list(config.languages)
        parameters = taken(*DECODING, "prefix", max_new_tokens=config.max_positions)
        if len(languages) > 1:
            parameters[self.spoken] = {"default": languages[0], "choices": languages}
        return {
            "task": self.task,
            "architecture": config.architecture,
            "revision": self.revision,
            "parameter_count": sum(p.numel() for p in self.network.parameters()),
            "parameters": parameters,
            "vocabulary": config.vocabulary,
            "width": config.width,
            "max_positions": config.max_positions,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
            "licence": self.licence,
            "examples": self.examples,
            "sites": [
                {
                    "name": site,
                    "layers": layers[site],
                    "heads": config.heads,
                    "kv_heads": config.kv_heads,
                    "queries": queries,
                    "keys": keys,
                }
                for site, (queries, keys) in self.sites.items()
            ],
        }

    def predict(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Prediction | HeedmapError]:
        """Answer one batch; each request has its own result or its own error, in the same order."""
        return isolated(lambda some: self._predict(some, cancelled)[0], requests)

    def trace(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Trace | HeedmapError]:
        """Predict, then record one teacher-forced pass over input and output."""
        return isolated(lambda some: self._trace(some, cancelled), requests)

    def _predict(
        self, requests: Sequence[Request], cancelled: Stop
    ) -> tuple[list[Prediction | HeedmapError], dict[int, Source]]:
        """Answers, and what was read of each request that could be."""
        results: dict[int, Prediction | HeedmapError] = {}
        sources: dict[int, Source] = {}
        groups: dict[tuple[Parameters, bool], list[int]] = defaultdict(list)
        with stage("tokenize"):
            for index, request in enumerate(requests):
                raise_if_cancelled(cancelled)  # a file takes a while to decode
                try:
                    self._check(request)
                    sources[index] = self.read(request.inputs)
                except Exception as error:  # whatever a library raises at what a caller sent
                    results[index] = failure(error)
                    continue
                if request.edits or request.target is not None:
                    answer = isolated(lambda some: [self._alone(*some[0], cancelled)], [(request, sources[index])])
                    results[index] = answer[0]
                else:
                    groups[request.parameters, False].append(index)
        for members in groups.values():
            lengths = [len(sources[index].features) for index in members]
            for batch in forward_batches(lengths, self.device.type):
                some = [members[place] for place in batch]
                outputs = self._generated([requests[i] for i in some], [sources[i] for i in some], None, cancelled)
                for index, output in zip(some, outputs, strict=True):
                    results[index] = self.prediction(requests[index], sources[index], output)
        return [results[index] for index in range(len(requests))], sources

    def _trace(self, requests: Sequence[Request], cancelled: Stop) -> list[Trace | HeedmapError]:
        answers, sources = self._predict(requests, cancelled)
        outcomes: list[Any] = list(answers)
        together: list[int] = []
        for index, (request, answer) in enumerate(zip(requests, answers, strict=True)):
            if not isinstance(answer, Prediction):
                continue
            raise_if_cancelled(cancelled)
            if request.alone:
                try:
                    editor = self._edits(request, cancelled)
                    outcomes[index] = self.passes.alone(request, sources[index], answer, editor)
                except InputError as error:
                    outcomes[index] = failure(error)
            else:
                together.append(index)
        for batch in forward_batches([len(sources[i].features) for i in together], self.device.type):
            raise_if_cancelled(cancelled)
            some = [together[place] for place in batch]
            traces = self.passes.together([sources[i] for i in some], [outcomes[i] for i in some])
            for index, trace in zip(some, traces, strict=True):
                outcomes[index] = trace
        return outcomes

    def _check(self, request: Request) -> None:
        """Raises:
        InputError: an output of this language, with this beginning, or this one, is none of the model's; or an edit.
        """
        self.opening_of(request.parameters)
        for place, edit in enumerate(request.edits):
            if isinstance(edit, Replace):
                message = f"{self.task} reads no text whose tokens could be replaced"
                raise ParameterError(message, field=f"edits.{place}")
        limit = self.network.config.max_positions
        prefix_of(request, self.tokenizer, limit)
        if request.target is not None:
            if not request.target.strip():
                raise EmptyInput("the text is empty; give at least one word", field="target")
            tokens = self.tokenizer.tokens_over(request.target, limit) or len(self.tokenizer.encode(request.target).ids)
            if tokens > limit:
                message = f"the text has {tokens:,} tokens, the model has positions for {limit}: shorten it"
                raise InputTooLong(message, field="target")

    def opening_of(self, parameters: Parameters) -> int:
        """The token that opens an output in the language that is asked for.

        Raises:
            ParameterError: the model does not write it.
        """
        language = getattr(parameters, self.spoken)
        if language is None:
            return next(iter(self.openings.values()))
        if language not in self.openings:
            names = ", ".join(self.openings)
            message = f"the model writes {names}, and not {str(language)[:40]!r}"
            raise ParameterError(message, field=f"parameters.{self.spoken}")
        return self.openings[language]

    def _alone(self, request: Request, source: Source, cancelled: Stop) -> Prediction:
        """The answer to a request that is edited, or whose output is given."""
        editor = self._edits(request, cancelled)
        if request.target is None:
            [output] = self._generated([request], [source], editor, cancelled)
        else:
            target = self.tokenizer.encode(request.target).ids
            with stage("forward"):
                output = self.passes.score(source, self.opening_of(request.parameters), target, editor)
        return self.prediction(request, source, output)

    def _generated(
        self, requests: Sequence[Request], sources: Sequence[Source], editor: Editor | None, cancelled: Stop
    ) -> list[Generated]:
        """Outputs of requests with the same parameters."""
        parameters = requests[0].parameters
        prefix = prefix_of(requests[0], self.tokenizer, self.network.config.max_positions)
        room = self.network.config.max_positions
        limit = min(len(prefix) + (parameters.max_new_tokens or room), room)
        axes = {"source": sources[0].axis}
        writing = Writing.to(cancelled, axes, self.tokenizer.detokenizer(), self.tokenizer.label)
        first = torch.full((len(sources),), self.opening_of(parameters))
        more: dict[str, Any] = {"first": first, "writing": writing, "decode": self.tokenizer.decode, "prefix": prefix}
        with stage("generate"), torch.inference_mode():
            features, lengths = stacked(sources, self.device, self.dtype)
            memory = self.network.encode(features, lengths, None, editor)
            state = self.network.start(memory, self.network.places(lengths), editor)
            return generate(self.network, state, len(sources), parameters, limit, self.device, cancelled, **more)

    def _recorded(self, text: str, cancelled: Stop) -> Recorder:
        """Of a corpus of texts, which such a model does not read."""
        source = self.read(text)
        [output] = self._generated([Request(text)], [source], None, cancelled)
        return self.passes.recorded(source, self.prediction(Request(text), source, output))

    def prediction(self, request: Request, source: Source, output: Generated) -> Prediction:
        """The answer that an output is, with its axes."""
        if request.target is None:
            text, target = self.tokenizer.decode(output.ids), self.tokenizer.describe(output.ids)
        else:
            text, target = request.target, self.tokenizer.encode(request.target)
        first = self.opening_of(request.parameters)
        labels = [self.tokenizer.label(first), *target.labels[:-1]]
        prefix = Encoding([first, *target.ids[:-1]], labels, [(0, 0), *target.spans[:-1]])
        axes = {"source": source.axis, "target": self._axis(target), "prefix": self._axis(prefix)}
        return Prediction(text, target.labels, output.score, axes, {self.key: text}, output.finish_reason)

    def _axis(self, encoding: Encoding) -> Axis:
        special = [token < len(SPECIAL) or token in self.openings.values() for token in encoding.ids]
        return Axis("text", encoding.labels, encoding.ids, encoding.spans, special)
