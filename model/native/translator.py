"""A native translation checkpoint, served: text in, predictions and traces out."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from heedmap.model.attention.editor import Editor
from heedmap.model.batches import decoding_batches, forward_batches
from heedmap.model.card import licence
from heedmap.model.contract import DECODING, Axis, Parameters, Prediction, Request, taken
from heedmap.model.edits import Replace
from heedmap.model.errors import CheckpointError, EmptyInput, HeedmapError, InputError, InputTooLong, ParameterError
from heedmap.model.generated import Generated
from heedmap.model.isolation import failure, isolated
from heedmap.model.native import checkpoint
from heedmap.model.native.checkpoint import Checkpoint
from heedmap.model.native.continuous import TranslatorSession
from heedmap.model.native.decoding import generate
from heedmap.model.native.edited_values import TranslatorValues
from heedmap.model.native.embeddings import ScalableTranslator
from heedmap.model.native.graphs import CudaGraphs
from heedmap.model.native.inference import InferenceState, InferenceTransformer
from heedmap.model.native.passes import Passes, begun, copies, padded_ids, replaced
from heedmap.model.native.prefixes import prefix_of
from heedmap.model.native.recurrent import Recurrent
from heedmap.model.native.simultaneous import SimultaneousTranslator
from heedmap.model.native.static_decoding import Lease, Reserve
from heedmap.model.native.static_transformer import StaticTransformer
from heedmap.model.native.tokenizer import END, SPECIAL, Encoding
from heedmap.model.native.transformer import AlignmentHead, Transformer, TransformerConfig
from heedmap.model.observer import stage
from heedmap.model.taught_head import TaughtHead
from heedmap.model.trace.corpus_means import CorpusMeans
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.trace import Trace
from heedmap.model.trace.writing import Writing
from heedmap.model.watch import Stop, never, raise_if_cancelled

SITE_AXES = {"encoder": ("source", "source"), "decoder": ("target", "prefix"), "cross": ("target", "source")}


class Translator(TranslatorValues, ScalableTranslator, SimultaneousTranslator):
    """Predictions and traces of an encoder-decoder; a `Served`."""

    task = "translation"
    trace_limit = 0  # its positions end long before
    reentrant = True  # a pass takes its recorder as an argument, and changes nothing of the network

    def __init__(self, loaded: Checkpoint, licence: str | None = None) -> None:
        if not isinstance(loaded.network, Transformer | Recurrent):
            raise CheckpointError("a network that continues text, or reads none, does not translate")
        self.network, self.tokenizer, self.revision = loaded.network, loaded.tokenizer, loaded.revision
        self.licence = licence
        self.sites = {site: SITE_AXES[site] for site in self.network.sites}
        self.engine = None if copies(self.network) else InferenceTransformer.of(self.network)
        weight = self.network.output_weight
        self.device, self.dtype = weight.device, weight.dtype
        taught = {} if self.alignment is None else {"alignment": str(TaughtHead(**self.alignment.model_dump()))}
        taught |= {"task": self.task, "revision": self.revision}
        self.passes = Passes(self.network, self.tokenizer, self.sites, **taught)
        self._means = CorpusMeans(self._recorded)
        self.reserve: Reserve[StaticTransformer] | None = None
        if self.engine is not None and self.device.type == "cuda":  # a CPU launches nothing
            self.reserve = StaticTransformer.reserve(self.engine, partial(CudaGraphs, self.device))

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Translator":
        """Load a checkpoint folder.

        Raises:
            CheckpointError: the folder is not a sound checkpoint.
        """
        loaded = checkpoint.load(folder, device)
        loaded.network.requires_grad_(False)
        return cls(loaded, licence(folder))

    def describe(self) -> dict[str, Any]:
        """Task, shape, dtype, device, sites and licence, as JSON."""
        config = self.network.config
        if isinstance(config, TransformerConfig):
            depth = config.decoder_layers
            layers = {"encoder": config.encoder_layers, "decoder": depth, "cross": depth}
            heads, kv_heads = config.heads, config.kv_heads
        else:
            layers, heads, kv_heads = {"cross": 1}, 1, 1
        return {
            "task": self.task,
            "architecture": config.architecture,
            "revision": self.revision,
            "languages": {"source": config.source_language, "target": config.target_language},
            "parameter_count": sum(p.numel() for p in self.network.parameters()),
            "parameters": taken(*DECODING, "prefix", max_new_tokens=config.max_positions),
            "vocabulary": config.vocabulary,
            "width": config.width,
            "max_positions": config.max_positions,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
            "licence": self.licence,
            "sites": [
                {"name": n, "layers": layers[n], "heads": heads, "kv_heads": kv_heads, "queries": q, "keys": k}
                for n, (q, k) in self.sites.items()
            ],
            **({} if self.alignment is None else {"alignment": self.alignment.model_dump()}),
        }

    @property
    def alignment(self) -> AlignmentHead | None:
        """The cross head that was taught to align, if one was."""
        config = self.network.config
        return config.alignment if isinstance(config, TransformerConfig) else None

    def predict(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Prediction | HeedmapError]:
        """Answer one batch; each request has its own result or its own error, in the same order."""
        return isolated(lambda some: self._predict(some, cancelled), requests)

    def trace(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Trace | HeedmapError]:
        """Predict, then record one teacher-forced pass over input and output."""
        return isolated(lambda some: self._trace(some, cancelled), requests)

    def session(self) -> TranslatorSession | None:
        """A running batch that requests can join; None where the network decodes without the inference engine."""
        return None if self.engine is None else TranslatorSession(self, self.engine, reserve=self.reserve)

    def _predict(self, requests: Sequence[Request], cancelled: Stop) -> list[Prediction | HeedmapError]:
        results: dict[int, Prediction | HeedmapError] = {}
        sources: dict[int, Encoding] = {}
        targets: dict[int, Encoding] = {}
        prefixes: dict[int, list[int]] = {}
        with stage("tokenize"):
            for index, request in enumerate(requests):
                raise_if_cancelled(cancelled)
                try:
                    sources[index] = replaced(self.encode(request), request.edits, self.tokenizer)
                    prefixes[index] = prefix_of(request, self.tokenizer, self.network.config.max_positions)
                    if request.target is not None:
                        targets[index] = self._encode(request.target, "target")
                except InputError as error:
                    results[index] = failure(error)
        groups: dict[Parameters, list[int]] = defaultdict(list)
        for index, request in enumerate(requests):
            if index not in results and index not in targets and not request.edits:
                groups[request.parameters].append(index)
        outputs: dict[int, Generated] = {}
        for parameters, members in self._by_length(groups, sources):
            axes = {"source": _axis(sources[members[0]])}
            writing = Writing.to(cancelled, axes, self.tokenizer.detokenizer(), self.tokenizer.label)
            with stage("generate"):
                prefix = prefixes[members[0]]  # what shares its parameters begins alike
                generated = self.generate([sources[i].ids for i in members], parameters, cancelled, writing, prefix)
            outputs.update(zip(members, generated, strict=True))
        edited = [index for index in sources if index not in results and requests[index].edits]
        for index in edited:
            try:
                target = targets[index].ids if index in targets else None
                outputs[index] = self._edited(requests[index], sources[index], target, prefixes[index], cancelled)
            except InputError as error:
                results[index] = failure(error)
        given = [i for i in targets if i not in results and i not in outputs]
        lengths = [max(len(sources[i].ids), len(targets[i].ids)) for i in given]
        for batch in forward_batches(lengths, self.device.type):
            scored = [given[place] for place in batch]
            with stage("forward"):
                rated = self.passes.score([sources[i].ids for i in scored], [targets[i].ids for i in scored])
            outputs.update(zip(scored, rated, strict=True))
        for index, output in outputs.items():
            results[index] = self.prediction(requests[index], sources[index], output)
        return [results[index] for index in range(len(requests))]

    def _trace(self, requests: Sequence[Request], cancelled: Stop) -> list[Trace | HeedmapError]:
        outcomes: list[Any] = list(self._predict(requests, cancelled))
        done = {index: p for index, p in enumerate(outcomes) if isinstance(p, Prediction)}
        for index in [index for index in done if requests[index].alone]:
            raise_if_cancelled(cancelled)
            request = requests[index]
            try:
                outcomes[index] = self.passes.alone(request, done.pop(index), self._editor(request, cancelled))
            except InputError as error:
                outcomes[index] = failure(error)
        places = list(done)
        lengths = [max(len(p.axes["source"]), len(p.axes["prefix"])) for p in done.values()]
        for batch in forward_batches(lengths, self.device.type):
            raise_if_cancelled(cancelled)
            members = [places[place] for place in batch]
            for index, trace in zip(members, self.passes.together([done[index] for index in members]), strict=True):
                outcomes[index] = trace
        return outcomes

    def _editor(self, request: Request, cancelled: Stop) -> Editor | None:
        """What a request's edits do to a pass.

        Raises:
            InputError: they are none of this model. Cancelled: `cancelled` became true.
        """
        if not any(not isinstance(edit, Replace) for edit in request.edits):
            return None
        means = partial(self._means, cancelled=cancelled)
        return Editor(request.edits, self.layers_and_heads(), request.donors, means)

    def _recorded(self, text: str, cancelled: Stop) -> Recorder:
        [answer] = self._predict([Request(text)], cancelled)
        if isinstance(answer, HeedmapError):
            raise answer
        return self.passes.recorded(answer)

    def _by_length(
        self, groups: Mapping[Parameters, list[int]], sources: Mapping[int, Encoding]
    ) -> Iterator[tuple[Parameters, list[int]]]:
        """What shares its parameters, in batches within the device's budget."""
        for parameters, members in groups.items():
            for batch in decoding_batches([len(sources[i].ids) for i in members], self.device.type):
                yield parameters, [members[place] for place in batch]

    def generate(
        self,
        sources: list[list[int]],
        parameters: Parameters,
        cancelled: Stop = never,
        writing: Writing | None = None,
        prefix: Sequence[int] = (),
    ) -> list[Generated]:
        """Outputs for a batch of source ids, each closed by the end token; `writing` is told of a single one."""
        limit = self.output_limit(parameters, len(prefix))
        width = 1 if parameters.do_sample else parameters.beam_size
        with torch.inference_mode():
            ids, lengths = padded_ids(sources, self.device)
            if self.engine is None:
                state: Any = begun(self.network, ids, lengths)
                decoder: Any = self.network
            else:
                decoder, state = self.engine, self.engine.start(ids, lengths)
                lease = self._lease(len(sources) * width, writing)
                if lease is not None and lease.decoding is not None:
                    decoder = state = lease.decoding.begin(state)
            more: dict[str, Any] = {"writing": writing, "decode": self.tokenizer.decode, "prefix": prefix}
            return generate(decoder, state, len(sources), parameters, limit, self.device, cancelled, **more)

    def _edited(
        self, request: Request, source: Encoding, target: list[int] | None, prefix: list[int], cancelled: Stop
    ) -> Generated:
        """A request's output under its edits, by the network as it is defined, alone; a given one is scored.

        Raises:
            InputError: the edits are none of this model, or leave a row nothing to see.
        """
        editor = self._editor(request, cancelled)
        if target is not None:
            with stage("forward"):
                return self.passes.score([source.ids], [target], editor)[0]
        axes, parameters = {"source": _axis(source)}, request.parameters
        writing = Writing.to(cancelled, axes, self.tokenizer.detokenizer(), self.tokenizer.label)
        with stage("generate"), torch.inference_mode():
            ids, lengths = padded_ids([source.ids], self.device)
            state = begun(self.network, ids, lengths, editor)
            more: dict[str, Any] = {"writing": writing, "decode": self.tokenizer.decode, "prefix": prefix}
            limit = self.output_limit(parameters, len(prefix))
            return generate(self.network, state, 1, parameters, limit, self.device, cancelled, **more)[0]

    def _lease(self, rows: int, writing: Writing | None) -> Lease[StaticTransformer] | None:
        """Static buffers for so many hypotheses, unless a recorder listens to their steps."""
        if self.engine is None or self.reserve is None or (writing is not None and writing.recorder is not None):
            return None
        return self.reserve.lend(rows, self.engine.steps)

    def encode(self, request: Request) -> Encoding:
        """The tokens of a request's input.

        Raises:
            InputError: it is no text, an empty one, or too long.
        """
        if not isinstance(request.inputs, str):
            raise ParameterError("this model translates text; give a text", field="inputs")
        return self._encode(request.inputs, "inputs")

    def output_limit(self, parameters: Parameters, begun: int = 0) -> int:
        """The longest output, in tokens, so many of which are given."""
        room = self.network.config.max_positions
        return min(begun + (parameters.max_new_tokens or room), room)

    def started(self, sources: list[list[int]]) -> InferenceState:
        """The state of the inference engine before the first token of each."""
        assert self.engine is not None
        return self.engine.start(*padded_ids(sources, self.device))

    def _encode(self, text: str, field: str) -> Encoding:
        if not text.strip():
            raise EmptyInput("the text is empty; give at least one word", field=field)
        limit = self.network.config.max_positions
        over = self.tokenizer.tokens_over(text, limit)
        encoding = self.tokenizer.encode(text) if over is None else None
        if encoding is None or len(encoding.ids) > limit:
            tokens = f"over {over:,}" if encoding is None else f"{len(encoding.ids):,}"
            raise InputTooLong(
                f"the text has {tokens} tokens, the model has positions for {limit}: shorten it or split "
                "it into sentences",
                field=field,
            )
        return encoding

    def prediction(self, request: Request, source: Encoding, output: Generated) -> Prediction:
        """The answer that an output is, with its axes."""
        if request.target is None:
            text, target = self.tokenizer.decode(output.ids), self.tokenizer.describe(output.ids)
        else:
            text, target = request.target, self.tokenizer.encode(request.target)
        prefix = Encoding(
            [END, *target.ids[:-1]], [SPECIAL[END], *target.labels[:-1]], [(0, 0), *target.spans[:-1]]
        )  # fmt: skip
        axes = {"source": _axis(source), "target": _axis(target), "prefix": _axis(prefix)}
        return Prediction(text, target.labels, output.score, axes, finish_reason=output.finish_reason)


def _axis(encoding: Encoding) -> Axis:
    special = [token < len(SPECIAL) for token in encoding.ids]
    return Axis("text", encoding.labels, encoding.ids, encoding.spans, special)
