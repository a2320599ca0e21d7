"""A native checkpoint that writes a short text of a long one, and copies from it: a title of an abstract."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from heedmap.model.contract import Prediction, Request
from heedmap.model.errors import ParameterError
from heedmap.model.generated import Generated
from heedmap.model.native.passes import copies, padded_ids
from heedmap.model.native.tokenizer import Encoding
from heedmap.model.native.transformer import Transformer, TransformerConfig
from heedmap.model.native.translator import Translator
from heedmap.model.watch import never

WORD = re.compile(r"\S+")


class Summarizer(Translator):
    """Predictions and traces of an encoder-decoder that summarises; a `Served`.

    A prediction says of every token how much of it was written rather than copied (`p_gen`), where the network has a
    head that copies, and how many words of the text were not read (`unread_words`), where some were not.
    """

    task = "summarization"

    def encode(self, request: Request) -> Encoding:
        """The tokens of a request's input, of as many words as the network reads.

        Raises:
            InputError: it is no text, an empty one, or too long.
        """
        if not isinstance(request.inputs, str):
            raise ParameterError("this model summarises text; give a text", field="inputs")
        return self._encode(request.inputs[: self._read(request.inputs)], "inputs")

    def _read(self, text: str) -> int:
        """The characters of a text that are read."""
        config = self.network.config
        words = config.source_words if isinstance(config, TransformerConfig) else None
        if words is None:
            return len(text)
        for count, match in enumerate(WORD.finditer(text), 1):
            if count == words:
                return match.end()
        return len(text)

    def prediction(self, request: Request, source: Encoding, output: Generated) -> Prediction:
        """The answer that an output is, with its axes."""
        answer = super().prediction(request, source, output)
        more: dict[str, Any] = {}
        if copies(self.network):
            more["p_gen"] = self._written(request, answer.axes["source"].ids, answer.axes["prefix"].ids)
        if isinstance(request.inputs, str):
            unread = len(WORD.findall(request.inputs[self._read(request.inputs) :]))
            more |= {"unread_words": unread} if unread else {}
        return replace(answer, output=more or None)

    def _written(self, request: Request, source: Sequence[int], prefix: Sequence[int]) -> list[float]:
        """p_gen at every token of an output, by one pass over source and output."""
        assert isinstance(self.network, Transformer)
        with torch.inference_mode():
            ids, lengths = padded_ids([list(source)], self.device)
            before, _ = padded_ids([list(prefix)], self.device)
            shares: list[float] = (
                self.network.parts(ids, lengths, before, self._edits(request, never)).written[0].tolist()
            )
        return shares
