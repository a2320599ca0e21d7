"""A native language model, served: a text in, its continuation and traces out."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from heedmap.model.attention.editor import Editor
from heedmap.model.card import examples, licence
from heedmap.model.contract import DECODING, Axis, Objective, Parameters, Prediction, Request, taken
from heedmap.model.edits import Replace
from heedmap.model.errors import (
    CheckpointError,
    EmptyInput,
    HeedmapError,
    InputError,
    InputTooLong,
    ParameterError,
)
from heedmap.model.generated import CONTINUATION, Generated
from heedmap.model.isolation import failure, isolated
from heedmap.model.native.checkpoint import Checkpoint
from heedmap.model.native.decoding import generate
from heedmap.model.native.edited_values import LanguageModelValues
from heedmap.model.native.embeddings import ScalableGenerator
from heedmap.model.native.graphs import CudaGraphs
from heedmap.model.native.language_model import LanguageModel, LanguageModelState
from heedmap.model.native.passes import replaced
from heedmap.model.native.prefixes import prefix_of
from heedmap.model.native.static_decoding import Lease, Reserve
from heedmap.model.native.static_language_model import StaticArrangement, StaticLanguageModel
from heedmap.model.native.tokenizer import PAD, SPECIAL, Encoding
from heedmap.model.observer import stage, together
from heedmap.model.trace import gradient
from heedmap.model.trace.copying import Unembedding
from heedmap.model.trace.corpus_means import CorpusMeans
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.size import check
from heedmap.model.trace.trace import Trace
from heedmap.model.trace.writing import Writing
from heedmap.model.watch import Stop, never, raise_if_cancelled

SITES = {"decoder": ("tokens", "tokens")}
CHUNK = 2048  # tokens: a layer can be stopped within a second or two, and the whole takes as long as with 8,192
COLUMNS = 2048  # tokens that static buffers hold at least: what most prompts need, so that few need others


class TextGenerator(LanguageModelValues, ScalableGenerator):
    """Predictions and traces of a language model; a `Served`."""

    task = "text-generation"
    trace_limit = 0
    reentrant = True  # a pass takes its recorder as an argument, and changes nothing of the network

    def __init__(self, loaded: Checkpoint, folder: Path | None = None) -> None:
        if not isinstance(loaded.network, LanguageModel):
            raise CheckpointError("only a language model continues a text")
        self.network, self.tokenizer, self.revision = loaded.network, loaded.tokenizer, loaded.revision
        self.licence = None if folder is None else licence(folder)
        self.examples = [] if folder is None else examples(folder)
        weight = self.network.output_weight
        self.unembedding = Unembedding(weight)
        self.device, self.dtype = weight.device, weight.dtype
        self._means = CorpusMeans(self._recorded)
        self.reserve: Reserve[StaticLanguageModel] | None = None
        if self.device.type == "cuda":  # a CPU launches nothing
            self.reserve = StaticArrangement(self.network).reserve(partial(CudaGraphs, self.device))

    def describe(self) -> dict[str, Any]:
        """Task, shape, dtype, device, sites and licence, as JSON."""
        config = self.network.config
        return {
            "task": self.task,
            "architecture": config.architecture,
            "revision": self.revision,
            "languages": {"source": config.language, "target": config.language},
            "parameter_count": sum(p.numel() for p in self.network.parameters()),
            "parameters": taken(*DECODING, "prefix", max_new_tokens=CONTINUATION),
            "vocabulary": config.vocabulary,
            "width": config.width,
            "max_positions": config.max_positions,
            "windows": list(config.windows),
            "chat": False,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
            "licence": self.licence,
            "examples": self.examples,
            "sites": [
                {
                    "name": "decoder",
                    "layers": config.layers,
                    "heads": config.heads,
                    "kv_heads": config.kv_heads,
                    "queries": "tokens",
                    "keys": "tokens",
                }
            ],
        }

    def predict(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Prediction | HeedmapError]:
        """Answer each request by itself: prompts of different lengths share no cache."""
        return [
            answer for one in requests for answer in isolated(lambda some: [self._answer(some[0], cancelled)], [one])
        ]

    def trace(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Trace | HeedmapError]:
        """Predict, then record one pass over prompt and output."""
        return [trace for one in requests for trace in isolated(lambda some: [self._traced(some[0], cancelled)], [one])]

    def _traced(self, request: Request, cancelled: Stop) -> Trace | HeedmapError:
        raise_if_cancelled(cancelled)
        recorder = Recorder(unembedding=self.unembedding)
        try:
            self._check_trace(request)
        except InputError as error:
            return failure(error)
        prediction = self._answer(request, cancelled, recorder if request.objective is None else None)
        if isinstance(prediction, HeedmapError):
            return prediction
        if (editor := self._editor(request, cancelled)) is not None:
            count = len(prediction.axes["tokens"])
            editor.check({"decoder": (count, count)})
        if request.objective is not None:
            return self._differentiated(request, request.objective, prediction, editor, cancelled)
        recorder.join({"decoder": self.network.config.layers})
        facts: dict[str, Any] = {"edits": [edit.to_json() for edit in request.edits]}
        with torch.inference_mode():
            return recorder.trace(0, prediction, SITES, **facts, task=self.task, revision=self.revision)

    def _differentiated(
        self, request: Request, objective: Objective, prediction: Prediction, editor: Editor | None, cancelled: Stop
    ) -> Trace:
        """One pass in one piece, forth and back.

        Raises:
            InputError: the objective is not of this output.
        """
        recorder = Recorder(gradients=True, unembedding=self.unembedding)
        with torch.inference_mode(False), torch.enable_grad():
            with stage("record"):
                value = self.value(objective, prediction, editor, recorder, cancelled)
            with stage("differentiate"):
                recorder.differentiate(value)
        described = gradient.described(objective, value)
        edits = [edit.to_json() for edit in request.edits]
        return recorder.trace(0, prediction, SITES, described, edits, task=self.task, revision=self.revision)

    def _editor(self, request: Request, cancelled: Stop) -> Editor | None:
        """What a request's edits do to a pass.

        Raises:
            InputError: they are none of this model.
        """
        if not any(not isinstance(edit, Replace) for edit in request.edits):
            return None
        means = partial(self._means, cancelled=cancelled)
        return Editor(request.edits, self.layers_and_heads(), request.donors, means)

    @torch.inference_mode()
    def _recorded(self, text: str, cancelled: Stop) -> Recorder:
        prediction = self._answer(Request(text), cancelled)
        if isinstance(prediction, HeedmapError):
            raise prediction
        recorder = Recorder()
        ids = torch.tensor([prediction.axes["tokens"].ids], device=self.device)
        self.network.decode_hidden(ids, self.network.start(), recorder)
        return recorder

    def _check_trace(self, request: Request) -> None:
        """Raises:
        TraceTooLarge: a trace of the prompt alone would be over the limit.
        """
        if not self.trace_limit:
            return
        config, size = self.network.config, self.dtype.itemsize
        head = config.width // config.heads
        query = config.layers * config.heads * (head * size + 4)
        key = config.layers * (config.kv_heads * 2 * head * size + config.heads * 4)  # and each value's output norm
        ids = self._encode(request.inputs, "inputs").ids
        axes = {"tokens": Axis("text", [""] * len(ids), ids, [], [])}
        check({"decoder": (query, key)}, SITES, axes, self.trace_limit, request.objective is not None)

    def _answer(self, request: Request, cancelled: Stop, recorder: Recorder | None = None) -> Prediction | HeedmapError:
        raise_if_cancelled(cancelled)
        try:
            with stage("tokenize"):
                prompt = replaced(self._encode(request.inputs, "inputs"), request.edits, self.tokenizer)
            editor = self._editor(request, cancelled)
            together([len(prompt.ids)])
            limit = self.network.config.max_positions - len(prompt.ids)
            prefix = prefix_of(request, self.tokenizer, limit)
            if request.target is None:
                if limit < 1:
                    raise self._too_long(len(prompt.ids), "inputs")
                limit = min(limit, len(prefix) + (request.parameters.max_new_tokens or CONTINUATION))
                with stage("generate"):
                    output = self._continue(prompt, request, limit, cancelled, recorder, editor, prefix)
            else:
                target = self._encode(request.target, "target")
                if len(target.ids) > limit:
                    raise self._too_long(len(prompt.ids) + len(target.ids), "target")
                with stage("forward"):
                    output = self._score(prompt.ids, target.ids, cancelled, recorder, editor)
        except InputError as error:
            return failure(error)
        written = self.tokenizer.describe(output.ids)
        whole = self.tokenizer.describe([*prompt.ids, *output.ids])
        text = self.tokenizer.decode(output.ids)
        axes = {"tokens": _axis(whole)}
        return Prediction(text, written.labels, output.score, axes, {"generated_text": text}, output.finish_reason)

    @torch.inference_mode()
    def _continue(
        self,
        encoded: Encoding,
        request: Request,
        limit: int,
        cancelled: Stop,
        recorder: Recorder | None,
        editor: Editor | None = None,
        prefix: Sequence[int] = (),
    ) -> Generated:
        """Generate; what is recorded is the pass over the prompt and one over the output, not its single steps."""
        prompt, state = encoded.ids, self.network.start(editor)
        writing = Writing.to(cancelled, {"tokens": _axis(encoded)}, self.tokenizer.detokenizer(), self.tokenizer.label)
        for _ in self._read(prompt[:-1], state, recorder, cancelled):
            pass
        first = torch.tensor(prompt[-1:], device=self.device)
        more: dict[str, Any] = {"first": first, "writing": writing, "place": len(prompt) - 1, "prefix": prefix}
        more["decode"] = self.tokenizer.decode
        decoder: Any = self.network
        begun: Any = state
        lease = None if editor is not None else self._lease(request.parameters, len(prompt) + limit, writing)
        if lease is not None and lease.decoding is not None:
            decoder = begun = lease.decoding.begin(state)
        (output,) = generate(decoder, begun, 1, request.parameters, limit, self.device, cancelled, **more)
        if recorder is not None:
            state.rewind(len(prompt) - 1)
            for _ in self._read([prompt[-1], *output.ids], state, recorder, cancelled):
                pass
        return output

    def _lease(
        self, parameters: Parameters, columns: int, writing: Writing | None
    ) -> Lease[StaticLanguageModel] | None:
        """Static buffers for an output's hypotheses, unless a recorder listens to their steps."""
        if self.reserve is None or (writing is not None and writing.recorder is not None):
            return None
        rows = 1 if parameters.do_sample else parameters.beam_size
        return self.reserve.lend(rows, max(columns, COLUMNS))

    @torch.inference_mode()
    def _score(
        self,
        prompt: list[int],
        target: list[int],
        cancelled: Stop,
        recorder: Recorder | None,
        editor: Editor | None = None,
    ) -> Generated:
        """The given output and its summed log-probability under teacher forcing."""
        state = self.network.start(editor)
        for _ in self._read(prompt[:-1], state, recorder, cancelled):
            pass
        total, following = 0.0, torch.tensor(target, device=self.device)
        for hidden in self._read([prompt[-1], *target], state, recorder, cancelled):
            logits = torch.nn.functional.linear(hidden[0], self.network.output_weight).float()
            logits[:, PAD] = -torch.inf  # as when the output is generated
            ids, following = following[: len(logits)], following[len(logits) :]
            log_probabilities = logits[: len(ids)].log_softmax(-1)  # what follows the last token nobody asks
            total += float(log_probabilities.gather(1, ids[:, None]).sum())
        return Generated(target, total)

    def _read(
        self,
        tokens: Sequence[int],
        state: LanguageModelState,
        recorder: Recorder | None,
        cancelled: Stop,
    ) -> Iterator[Tensor]:
        """Take a long text in, a chunk at a time: what the layers hold between attentions is no longer than a chunk.

        Yields:
            The hidden states of each chunk.

        Raises:
            Cancelled: `cancelled` became true between two layers of a chunk.
        """
        for start in range(0, len(tokens), CHUNK):
            raise_if_cancelled(cancelled)
            if recorder is not None:
                recorder.next_chunk()
            chunk = torch.tensor([tokens[start : start + CHUNK]], device=self.device)
            yield self.network.decode_hidden(chunk, state, recorder, cancelled)

    def _encode(self, text: Any, field: str) -> Encoding:
        if not isinstance(text, str):
            raise ParameterError("this model continues text; give a text", field=field)
        if not text:
            raise EmptyInput("the text is empty; give at least one character", field=field)
        limit = self.network.config.max_positions
        over = self.tokenizer.tokens_over(text, limit)
        if over is not None:
            raise self._too_long(over, field)
        encoding = self.tokenizer.encode(text)
        if len(encoding.ids) > limit:
            raise self._too_long(len(encoding.ids), field)
        return encoding

    def _too_long(self, tokens: int, field: str) -> InputTooLong:
        limit = self.network.config.max_positions
        return InputTooLong(f"{tokens:,} tokens, the model has positions for {limit:,}: shorten the text", field=field)


def _axis(encoding: Encoding) -> Axis:
    special = [token < len(SPECIAL) for token in encoding.ids]
    return Axis("text", encoding.labels, encoding.ids, encoding.spans, special)
