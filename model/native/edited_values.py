"""What native models say of an objective under edits: each a part of the class that serves the network."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from heedmap.model.attention.batch_edits import remembered
from heedmap.model.attention.editor import Editor
from heedmap.model.choices import places
from heedmap.model.contract import AnyEdit, Axis, Prediction, Request
from heedmap.model.edits import Replace
from heedmap.model.likeliest import Place
from heedmap.model.native.edited_passes import language_model_logits, recurrent_logits, transformer_logits, values_under
from heedmap.model.native.language_model import LanguageModel
from heedmap.model.native.passes import copies, padded_ids
from heedmap.model.native.recurrent import Recurrent
from heedmap.model.native.tokenizer import PAD, Encoding, Tokenizer
from heedmap.model.native.transformer import Transformer
from heedmap.model.trace.corpus_means import CorpusMeans
from heedmap.model.trace.gradient import of_tokens
from heedmap.model.watch import Stop, never

STEP = 2048  # tokens that are read at once: what the layers hold between attentions is no longer


class Valued(ABC):
    """A served model that says what edits do to an objective; a `Measurable`."""

    tokenizer: Tokenizer
    device: torch.device
    _means: CorpusMeans

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Its sites among other things."""

    def layers_and_heads(self) -> dict[str, tuple[int, int]]:
        """Of each site, as edits name them."""
        return {site["name"]: (site["layers"], site["heads"]) for site in self.describe()["sites"]}

    def _maker(self, request: Request, cancelled: Stop) -> Callable[[tuple[AnyEdit, ...]], Editor]:
        """What makes editors of edits, each corpus read once for all of them."""
        sites, means = self.layers_and_heads(), remembered(partial(self._means, cancelled=cancelled))
        return lambda edits: Editor(edits, sites, request.donors, means)

    def _edits(self, request: Request, cancelled: Stop) -> Editor | None:
        """What a request's edits do to a pass over tokens that are replaced already."""
        changes = any(not isinstance(edit, Replace) for edit in request.edits)
        return self._maker(request, cancelled)(request.edits) if changes else None


class TranslatorValues(Valued):
    """Of an encoder-decoder."""

    network: Transformer | Recurrent
    sites: Mapping[str, tuple[str, str]]

    def likeliest(
        self, request: Request, prediction: Prediction, count: int, cancelled: Stop = never
    ) -> Iterator[Place]:
        """The likeliest tokens at each place of the output, by one pass over source and output."""
        axes = prediction.axes
        with torch.inference_mode():
            source, lengths = padded_ids([axes["source"].ids], self.device)
            read_before, _ = padded_ids([axes["prefix"].ids], self.device)
            logits = self.network(source, lengths, read_before, None, self._edits(request, cancelled))[0]
            if request.target is None:
                logits[:, PAD] = -torch.inf  # as when the output is generated; a given one is scored beside all
            yield from places(logits, axes["target"].ids, count, self.tokenizer.label)

    def values_under(
        self,
        request: Request,
        prediction: Prediction,
        sets: Sequence[Sequence[AnyEdit]],
        cancelled: Stop = never,
    ) -> Iterator[list[float]]:
        """The objective's value of the pass over a prediction, then under each set of edits, a batch at a time."""
        objective, axes, network = request.objective, prediction.axes, self.network
        assert objective is not None, "who asks for its value has one"
        prefix, target = axes["prefix"].ids, axes["target"].ids
        encoder = len(network.encoder) if isinstance(network, Transformer) else 0
        by_layers = isinstance(network, Transformer) and not copies(network)
        logits: Any = transformer_logits if by_layers else recurrent_logits

        def value(row: Tensor) -> Tensor:
            return of_tokens(objective, row, target, self.tokenizer.one)

        yield from values_under(
            request,
            sets,
            read(axes["source"]),
            len(axes["source"]) + len(prefix),
            {site: (len(axes[queries]), len(axes[keys])) for site, (queries, keys) in self.sites.items()},
            step_of=lambda site, layer: layer if site == "encoder" else encoder + layer,
            make=self._maker(request, cancelled),
            logits=lambda sources, editor, begins: logits(network, prefix, sources, editor, begins),
            value=value,
            tokenizer=self.tokenizer,
            device=self.device,
            cancelled=cancelled,
        )


class LanguageModelValues(Valued):
    """Of a language model."""

    network: LanguageModel

    def likeliest(
        self, request: Request, prediction: Prediction, count: int, cancelled: Stop = never
    ) -> Iterator[Place]:
        """The likeliest tokens at each place of the output, by one pass over prompt and output."""
        ids, written = prediction.axes["tokens"].ids, len(prediction.tokens)
        first, place = len(ids) - written - 1, 0
        with torch.inference_mode():
            state = self.network.start(self._edits(request, cancelled))
            for start in range(0, len(ids) - 1, STEP):
                chunk = torch.tensor([ids[start : min(start + STEP, len(ids) - 1)]], device=self.device)
                hidden = self.network.decode_hidden(chunk, state, None, cancelled)[0]
                hidden = hidden[max(0, first - start) :]
                if len(hidden):
                    logits = torch.nn.functional.linear(hidden, self.network.output_weight)
                    logits[:, PAD] = -torch.inf
                    output = ids[first + 1 + place :][: len(hidden)]
                    yield from places(logits, output, count, self.tokenizer.label, place)
                    place += len(hidden)

    def values_under(
        self,
        request: Request,
        prediction: Prediction,
        sets: Sequence[Sequence[AnyEdit]],
        cancelled: Stop = never,
    ) -> Iterator[list[float]]:
        """The objective's value of the pass over a prediction, then under each set of edits, a batch at a time."""
        objective, axis, written = request.objective, prediction.axes["tokens"], len(prediction.tokens)
        assert objective is not None, "who asks for its value has one"
        told, output = len(axis) - written, axis.ids[len(axis) - written :]

        def value(row: Tensor) -> Tensor:
            padding = torch.tensor([PAD], device=row.device)
            row = row.index_fill(1, padding, -torch.inf)  # as when the output is generated
            return of_tokens(objective, row, output, self.tokenizer.one)

        def logits(prompts: list[list[int]], editor: Any, begins: Sequence[int]) -> Iterator[Tensor]:
            texts = [[*prompt, *output] for prompt in prompts]
            return language_model_logits(self.network, written, texts, editor, begins)

        prompt = read(axis)
        yield from values_under(
            request,
            sets,
            Encoding(prompt.ids[:told], prompt.labels[:told], prompt.spans[:told]),
            len(axis),
            {"decoder": (len(axis), len(axis))},
            step_of=lambda site, layer: layer,
            make=self._maker(request, cancelled),
            logits=logits,
            value=value,
            tokenizer=self.tokenizer,
            device=self.device,
            cancelled=cancelled,
        )


def read(axis: Axis) -> Encoding:
    """The tokens of an axis."""
    return Encoding(list(axis.ids), list(axis.labels), list(axis.spans))
