"""Recorded passes of a network that reads features: together, or of one request alone, edited and differentiated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from heedmap.model.attention.editor import Editor
from heedmap.model.contract import Axis, Objective, Prediction, Request
from heedmap.model.generated import Generated
from heedmap.model.native.feature_transformer import FeatureTransformer
from heedmap.model.native.passes import RecordedPasses, padded_ids
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.shapes import Lengths
from heedmap.model.trace import gradient
from heedmap.model.trace.copying import Unembedding
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.trace import Trace


@dataclass(frozen=True, eq=False)
class Source:
    """What a network reads of an input, features (T E), and the axis of the encoder's places."""

    features: Tensor
    axis: Axis


def stacked(
    sources: Sequence[Source], device: torch.device, dtype: torch.dtype
) -> tuple[Float[Tensor, "B T E"], Lengths]:
    """Features of several inputs, padded with zeros on the right, and their lengths."""
    lengths = torch.tensor([len(source.features) for source in sources], device=device)
    features = pad_sequence([source.features for source in sources], batch_first=True)
    return features.to(device=device, dtype=dtype), lengths


class FeaturePasses(RecordedPasses):
    """Teacher-forced passes over inputs and outputs.

    Args:
        sites: of each site the names of its query and key axes.
        facts: about the model, for its traces.
    """

    def __init__(
        self,
        network: FeatureTransformer,
        tokenizer: Tokenizer,
        sites: Mapping[str, tuple[str, str]],
        facts: Mapping[str, Any],
    ) -> None:
        self.network, self.tokenizer, self.sites, self.facts = network, tokenizer, sites, facts
        self.unembedding = Unembedding(network.output_weight)

    def together(self, sources: Sequence[Source], predictions: Sequence[Prediction]) -> list[Trace]:
        """One pass over all of them."""
        return self._together(predictions, partial(self.teach, sources, predictions))

    def alone(self, request: Request, source: Source, prediction: Prediction, editor: Editor | None) -> Trace:
        """One pass of a request's own, edited, and differentiated where it has an objective.

        Raises:
            InputError: the objective or an edit is none of this output, or an edit leaves a row nothing to see.
        """
        return self._alone(request, prediction, editor, partial(self.teach, [source], [prediction]))

    def value(self, objective: Objective, source: Source, prediction: Prediction) -> Tensor:
        """The objective in one pass, which nobody records.

        Raises:
            InputError: it is none of this output.
        """
        logits = self.teach([source], [prediction])[0]
        return gradient.of_tokens(objective, logits, prediction.axes["target"].ids, self.tokenizer.one)

    def recorded(self, source: Source, prediction: Prediction) -> Recorder:
        """What one pass over a prediction recorded."""
        recorder = Recorder()
        with torch.inference_mode():
            self.teach([source], [prediction], recorder)
        return recorder

    def score(self, source: Source, first: int, target: list[int], editor: Editor | None = None) -> Generated:
        """A given output, which `first` opens, with its summed log-probability."""
        device = self.network.output_weight.device
        with torch.inference_mode():
            features, lengths = stacked([source], device, self.network.output_weight.dtype)
            prefix, _ = padded_ids([[first, *target[:-1]]], device)
            log_probabilities = self.network(features, lengths, prefix, None, editor)[0].float().log_softmax(dim=-1)
            parts = log_probabilities.gather(1, torch.tensor(target, device=device)[:, None])
        return Generated(list(target), float(parts.sum()))

    def teach(
        self,
        sources: Sequence[Source],
        predictions: Sequence[Prediction],
        recorder: Recorder | None = None,
        editor: Editor | None = None,
    ) -> Tensor:
        """Logits at every token of the outputs (B T V)."""
        weight = self.network.output_weight
        features, lengths = stacked(sources, weight.device, weight.dtype)
        prefix, _ = padded_ids([p.axes["prefix"].ids for p in predictions], weight.device)
        logits: Tensor = self.network(features, lengths, prefix, recorder, editor)
        return logits
