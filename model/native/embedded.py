"""Passes of our own networks as functions of an input's embeddings, which they take as an argument."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from heedmap.model.contract import Axis, Objective, Prediction, Request
from heedmap.model.edits import Replace
from heedmap.model.errors import HeedmapError, InputTooLong, ParameterError
from heedmap.model.generated import CONTINUATION, Generated
from heedmap.model.isolation import isolated
from heedmap.model.native.decoding import generate
from heedmap.model.native.passes import begun, padded_ids
from heedmap.model.native.text_generator import SITES, TextGenerator
from heedmap.model.native.tokenizer import PAD, SPECIAL, Encoding
from heedmap.model.native.translator import Translator
from heedmap.model.robustness.embeddings import MOST_TOKENS, EmbeddedPass, Embeddings
from heedmap.model.trace.gradient import of_tokens
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never

WHOLE = Objective(tokens="all")


class NativePass(EmbeddedPass):
    """What both of our models have in common.

    Raises:
        InputError: the input cannot be used; edits of attention are none of this.
    """

    def __init__(self, model: Translator | TextGenerator, request: Request, cancelled: Stop = never) -> None:
        if any(not isinstance(edit, Replace) for edit in request.edits):
            raise ParameterError("the attention of such a pass cannot be edited: replace tokens alone", field="edits")
        [prediction] = model.predict([request], cancelled)
        if isinstance(prediction, HeedmapError):
            raise prediction
        self.model, self.request, self.prediction = model, request, prediction
        self.network: Any = model.network
        self.ids, special = self._input(prediction)
        longest = max(len(self.ids), len(prediction.tokens))
        if longest > MOST_TOKENS:
            raise InputTooLong(
                f"{longest:,} tokens, and embeddings are moved of inputs and outputs of at most {MOST_TOKENS:,}: "
                "shorten the text",
                field="inputs",
            )
        with torch.no_grad():
            embeddings = self.network.embedding(torch.tensor(self.ids, device=model.device))
        super().__init__(embeddings, special)

    def _input(self, prediction: Prediction) -> tuple[list[int], list[bool]]:
        """The ids of the input, and which of them are special."""
        raise NotImplementedError

    def embed(self, ids: Int[Tensor, "R"]) -> Float[Tensor, "R M"]:
        with torch.no_grad():
            rows: Tensor = self.network.embedding(ids)
        return rows

    def allowed(self) -> Bool[Tensor, "V"]:
        allowed = torch.ones(self.network.embedding.num_embeddings, dtype=torch.bool, device=self.model.device)
        allowed[: len(SPECIAL)] = False
        allowed[len(self.model.tokenizer) :] = False
        return allowed

    def trace(self, embeddings: Embeddings, cancelled: Stop = never) -> Trace | HeedmapError:
        [outcome] = isolated(lambda some: [self._traced(rows, cancelled) for rows in some], [embeddings])
        return outcome

    def _traced(self, embeddings: Embeddings, cancelled: Stop) -> Trace:
        raise NotImplementedError

    def _rows(self, embeddings: Embeddings) -> Float[Tensor, "1 N M"]:
        return embeddings.to(self.model.dtype)[None]


class TranslatorPass(NativePass):
    """A translation, of the embeddings of its source."""

    axis = "source"
    model: Translator

    def _input(self, prediction: Prediction) -> tuple[list[int], list[bool]]:
        axis = prediction.axes["source"]
        return axis.ids, axis.special

    def value(self, embeddings: Embeddings) -> Float[Tensor, ""]:
        """The log-probability of the translation, nats."""
        target = self.prediction.axes["target"].ids
        logits = self._teach(self.prediction, embeddings)
        return of_tokens(WHOLE, logits, target, self.model.tokenizer.one)

    def _teach(self, prediction: Prediction, embeddings: Embeddings, recorder: Recorder | None = None) -> Tensor:
        """Logits at every token of an output."""
        source, lengths = padded_ids([self.ids], self.model.device)
        prefix, _ = padded_ids([prediction.axes["prefix"].ids], self.model.device)
        logits: Tensor = self.network(source, lengths, prefix, recorder, None, self._rows(embeddings))
        return logits[0]

    def _traced(self, embeddings: Embeddings, cancelled: Stop) -> Trace:
        model, parameters, axis = self.model, self.request.parameters, self.prediction.axes["source"]
        recorder = Recorder()
        with torch.inference_mode():
            if self.request.target is None:
                source, lengths = padded_ids([self.ids], model.device)
                limit = min(model.output_limit(parameters), MOST_TOKENS)
                state: Any = begun(self.network, source, lengths, None, self._rows(embeddings))
                more: dict[str, Any] = {"decode": model.tokenizer.decode}
                [output] = generate(self.network, state, 1, parameters, limit, model.device, cancelled, **more)
            else:
                output = Generated(self.prediction.axes["target"].ids, self.measure(embeddings))
            encoding = Encoding(list(self.ids), list(axis.labels), list(axis.spans))
            prediction = model.prediction(self.request, encoding, output)
            self._teach(prediction, embeddings, recorder)
            return recorder.trace(0, prediction, model.sites, **model.passes.facts)


class WriterPass(NativePass):
    """A continuation, of the embeddings of its prompt."""

    axis = "tokens"
    model: TextGenerator

    def _input(self, prediction: Prediction) -> tuple[list[int], list[bool]]:
        axis = prediction.axes["tokens"]
        count = len(axis) - len(prediction.tokens)
        return axis.ids[:count], axis.special[:count]

    def value(self, embeddings: Embeddings) -> Float[Tensor, ""]:
        """The log-probability of the continuation, nats."""
        ids = self.prediction.axes["tokens"].ids
        return of_tokens(WHOLE, self._read(ids, embeddings), ids[len(self.ids) :], self.model.tokenizer.one)

    def _read(self, ids: Sequence[int], embeddings: Embeddings, recorder: Recorder | None = None) -> Tensor:
        """Logits of each token of the output."""
        state = self.network.start(None, self._rows(embeddings))
        hidden = self.network.decode_hidden(torch.tensor([list(ids)], device=self.model.device), state, recorder)
        logits = torch.nn.functional.linear(hidden[0, len(self.ids) - 1 : -1], self.network.output_weight)
        return logits.index_fill(1, torch.tensor([PAD], device=self.model.device), -torch.inf)

    def _traced(self, embeddings: Embeddings, cancelled: Stop) -> Trace:
        model, parameters = self.model, self.request.parameters
        recorder = Recorder()
        with torch.inference_mode():
            if self.request.target is None:
                state = self.network.start(None, self._rows(embeddings))
                if len(self.ids) > 1:
                    self.network.decode_hidden(torch.tensor([self.ids[:-1]], device=model.device), state)
                limit = min(parameters.max_new_tokens or CONTINUATION, MOST_TOKENS)
                limit = min(limit, self.network.config.max_positions - len(self.ids))
                more: dict[str, Any] = {"first": torch.tensor(self.ids[-1:], device=model.device)}
                more["decode"] = model.tokenizer.decode
                [output] = generate(self.network, state, 1, parameters, limit, model.device, cancelled, **more)
            else:
                output = Generated(self.prediction.axes["tokens"].ids[len(self.ids) :], self.measure(embeddings))
            prediction = self._prediction(output)
            self._read(prediction.axes["tokens"].ids, embeddings, recorder)
            return recorder.trace(0, prediction, SITES, task=model.task, revision=model.revision)

    def _prediction(self, output: Generated) -> Prediction:
        tokenizer = self.model.tokenizer
        whole, written = tokenizer.describe([*self.ids, *output.ids]), tokenizer.describe(output.ids)
        special = [token < len(SPECIAL) for token in whole.ids]
        axes = {"tokens": Axis("text", whole.labels, whole.ids, whole.spans, special)}
        text = tokenizer.decode(output.ids)
        return Prediction(text, written.labels, output.score, axes, {"generated_text": text}, output.finish_reason)
