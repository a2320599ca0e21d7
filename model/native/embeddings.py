"""What explains our own models from outside of their attention: a token that says nothing, scaled embeddings."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from heedmap.model.attention.editor import Editor
from heedmap.model.contract import Objective, Prediction, Request
from heedmap.model.errors import HeedmapError, ParameterError
from heedmap.model.native.language_model import LanguageModel
from heedmap.model.native.passes import Passes
from heedmap.model.native.tokenizer import PAD, UNKNOWN, Tokenizer
from heedmap.model.trace import gradient
from heedmap.model.trace.embeddings import AlongEmbeddings, InputTokens, ScaledPass, along, unedited
from heedmap.model.trace.interactions import gim_passes
from heedmap.model.trace.recorder import Recorder
from heedmap.model.watch import Stop, never, raise_if_cancelled


class Scalable:
    """A model whose objective is read from one pass, in which it looks its input up in a table of embeddings."""

    @property
    @abstractmethod
    def table(self) -> nn.Module:
        """The table."""

    @property
    @abstractmethod
    def differentiated(self) -> nn.Module:
        """The network that a pass runs through."""

    @abstractmethod
    def predict(self, requests: Sequence[Request], cancelled: Stop = never) -> list[Prediction | HeedmapError]:
        """Answer one batch."""

    @abstractmethod
    def value(self, objective: Objective, prediction: Prediction) -> Tensor:
        """The objective in one pass over input and output."""

    def along_embeddings(
        self,
        request: Request,
        tokens: InputTokens,
        scales: Sequence[float],
        cancelled: Stop = never,
        gim: bool = False,
    ) -> AlongEmbeddings:
        """The objective with some of the input's embeddings scaled; see `Differentiable`.

        Raises:
            InputError: there is no answer, or no objective, or not of this answer; or attention is edited. Cancelled:
                `cancelled` became true.
        """
        [answer] = self.predict([request], cancelled)
        if isinstance(answer, HeedmapError):
            raise answer
        unedited(request)
        if request.objective is None:
            raise ParameterError("there is no objective to differentiate", field="objective")
        points = []
        for scale in scales:
            raise_if_cancelled(cancelled)
            one = ScaledPass(tokens, scale)
            with (
                torch.inference_mode(False),
                torch.enable_grad(),
                one.through([self.table]),
                gim_passes(self.differentiated, gim),
            ):
                value = self.value(request.objective, answer)
                points.append((value, one.slopes(value)))
        return along(points)


class ScalableTranslator(Scalable):
    """The part of a translator."""

    passes: Passes

    @property
    def table(self) -> nn.Module:
        """That of the network, for source and target."""
        table: nn.Module = self.passes.network.embedding
        return table

    @property
    def differentiated(self) -> nn.Module:
        """The network."""
        network: nn.Module = self.passes.network
        return network

    @property
    def stand_in(self) -> int:
        """The id of what it does not know."""
        return UNKNOWN

    def value(self, objective: Objective, prediction: Prediction) -> Tensor:
        """The objective in one pass over source and target, which nobody records."""
        return self.passes.value(objective, prediction)


class ScalableGenerator(Scalable):
    """The part of a language model; its bytes are all known, and none stands for what is not."""

    network: LanguageModel
    tokenizer: Tokenizer
    device: torch.device

    @property
    def table(self) -> nn.Module:
        """That of the network."""
        return self.network.embedding

    @property
    def differentiated(self) -> nn.Module:
        """The network."""
        return self.network

    def value(
        self,
        objective: Objective,
        prediction: Prediction,
        editor: Editor | None = None,
        recorder: Recorder | None = None,
        cancelled: Stop = never,
    ) -> Tensor:
        """The objective in one pass over prompt and output, in one piece."""
        ids, output = prediction.axes["tokens"].ids, len(prediction.tokens)
        tokens = torch.tensor([ids], device=self.device)
        hidden = self.network.decode_hidden(tokens, self.network.start(editor), recorder, cancelled)
        logits = torch.nn.functional.linear(hidden[0, -output - 1 : -1], self.network.output_weight)
        padding = torch.tensor([PAD], device=self.device)
        logits = logits.index_fill(1, padding, -torch.inf)  # as when the output is generated
        return gradient.of_tokens(objective, logits, ids[-output:], self.tokenizer.one)
