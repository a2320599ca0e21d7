"""What a network that reads features says of an objective under edits: a part of the class that serves it."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from heedmap.model.choices import places
from heedmap.model.contract import AnyEdit, Prediction, Request
from heedmap.model.edits import Replace
from heedmap.model.errors import ParameterError
from heedmap.model.likeliest import Place
from heedmap.model.native.edited_passes import encoder_decoder_logits, values_under
from heedmap.model.native.edited_values import Valued, read
from heedmap.model.native.feature_passes import FeaturePasses, Source, stacked
from heedmap.model.native.feature_transformer import FeatureTransformer
from heedmap.model.native.tokenizer import PAD
from heedmap.model.prediction import Inputs
from heedmap.model.trace.gradient import of_tokens
from heedmap.model.watch import Stop, never


class FeatureValues(Valued):
    """Of an encoder-decoder that reads features."""

    network: FeatureTransformer
    passes: FeaturePasses
    dtype: torch.dtype
    sites: Mapping[str, tuple[str, str]]

    @abstractmethod
    def read(self, inputs: Inputs) -> Source:
        """The features of an input, and the axis of the encoder's places."""

    def likeliest(
        self, request: Request, prediction: Prediction, count: int, cancelled: Stop = never
    ) -> Iterator[Place]:
        """The likeliest tokens at each place of the output, by one pass over input and output."""
        with torch.inference_mode():
            editor = self._edits(request, cancelled)
            logits = self.passes.teach([self.read(request.inputs)], [prediction], None, editor)[0]
            if request.target is None:
                logits[:, PAD] = -torch.inf  # as when the output is generated; a given one is scored beside all
            yield from places(logits, prediction.axes["target"].ids, count, self.tokenizer.label)

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
        for number, edits in enumerate(sets):
            if any(isinstance(edit, Replace) for edit in edits):
                raise ParameterError("the model reads no text whose tokens could be replaced", field=f"edits.{number}")
        prefix, target, encoder = axes["prefix"].ids, axes["target"].ids, len(network.encoder)
        with torch.inference_mode():
            features, lengths = stacked([self.read(request.inputs)], self.device, self.dtype)
            hidden = network.read(features, lengths)

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
            logits=lambda _, editor, begins: encoder_decoder_logits(network, prefix, hidden, editor, begins),
            value=value,
            tokenizer=self.tokenizer,
            device=self.device,
            cancelled=cancelled,
        )
