"""What native models say of an objective under edits: each a part of the class that serves the network."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from heedmap.model.attention.batch_edits import remembered
from heedmap.model.attention.editor import Editor
from heedmap.model.contract import AnyEdit, Axis, Prediction, Request
from heedmap.model.native.edited_passes import language_model_logits, recurrent_logits, transformer_logits, values_under
from heedmap.model.native.language_model import LanguageModel
from heedmap.model.native.recurrent import Recurrent
from heedmap.model.native.tokenizer import PAD, Encoding, Tokenizer
from heedmap.model.native.transformer import Transformer
from heedmap.model.trace.corpus_means import CorpusMeans
from heedmap.model.trace.gradient import of_tokens
from heedmap.model.watch import Stop, never


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


class TranslatorValues(Valued):
    """Of an encoder-decoder."""

    network: Transformer | Recurrent
    sites: Mapping[str, tuple[str, str]]

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
        logits: Any = transformer_logits if isinstance(network, Transformer) else recurrent_logits

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
