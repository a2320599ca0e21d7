"""What the tasks share in which a decoder writes what an encoder heard."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.contract import Axis, Parameters, Prediction, Request
from heedmap.model.generated import Generated
from heedmap.model.hub.axes.text import output_axis, prefix_axis, text_axis
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, collate
from heedmap.model.hub.tasks.generative import GenerativeTask
from heedmap.model.hub.tasks.recordings import TASK, extractor_of, samples_of
from heedmap.model.hub.tasks.text import check_beginning, encode, filled, fits
from heedmap.model.hub.tasks.transformers_generate import end_tokens
from heedmap.model.media import example_audio

Samples = Float[np.ndarray, "samples"]


class TranscriptionTask(GenerativeTask):
    """What a decoder writes of a recording.

    Axes: `source`, the encoder's positions with their seconds; `target`, with what the decoder was told to begin with;
    and `prefix`, what it had read at each position of the target. The score is that of the text and its end. Where the
    output ended with its end token and a position is left, `target` has that token once more, and `prefix` ends with
    it: the row in which the decoder reads it, which ways of timing words (Radford et al.'s own) normalise over.
    """

    name = TASK
    example: Any = {"audio": example_audio()}  # noqa: RUF012
    auto_class = "AutoModelForSpeechSeq2Seq"
    probe_target = "hello"
    longest: int  # tokens that the decoder has positions for
    seconds: float | None = None  # of a recording, the most that the encoder hears at once

    def __init__(self, loaded: Loaded) -> None:
        """Raises:
        CheckpointError: the checkpoint has no feature extractor or no tokenizer.
        """
        super().__init__(loaded)
        self.extractor = extractor_of(loaded)
        self.rate = int(self.extractor.sampling_rate)

    @property
    def capacity(self) -> int | None:
        """Of the output."""
        return self.longest

    @abstractmethod
    def features(self, samples: Samples) -> tuple[dict[str, Tensor], Axis]:
        """The model's inputs of a recording, and the axis of its encoder."""

    @abstractmethod
    def start(self, parameters: Parameters) -> list[int]:
        """What the decoder begins with."""

    def settings(self, item: Item) -> dict[str, Any]:
        """What the generation is told besides."""
        return {}

    def prepare(self, request: Request) -> Item:
        """Decode the recording; tokenize the target if there is one."""
        samples = samples_of(request, self.extractor, self.seconds)
        start = self.start(request.parameters)
        tensors, axis = self.features(samples)
        facts: dict[str, Any] = {"start": start, "settings": {}, "given": None}
        if request.target is not None:
            check_beginning(self.loaded, filled(request.target, "target"), self.longest, "target")
            encoded = encode(self.loaded, request.target, field="target", add_special_tokens=False)
            offsets = encoded.offsets or []
            facts |= {"given": [*encoded.ids, *end_tokens(self.loaded.model)[:1]], "offsets": offsets}
            fits(len(facts["given"]), self.longest - len(start) + 1, "target")
            facts["limit"] = len(facts["given"])
        else:
            facts["limit"] = self.output_limit(request.parameters, self.longest - len(start), len(start))
        return Item(request, {"source": axis}, tensors, facts)

    def batch(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """The recordings, and what the decoder begins with."""
        return {**collate(items, self.loaded), "decoder_input_ids": self.starts(items, {})}

    def starts(self, items: Sequence[Item], inputs: dict[str, Tensor]) -> Tensor:
        """What the decoder begins with."""
        return torch.tensor([item.facts["start"] for item in items], device=self.loaded.device)

    def said(self, item: Item) -> list[int]:
        """What the decoder was told to begin with."""
        start: list[int] = item.facts["start"]
        return start[1:]

    def prediction(self, item: Item, output: Generated) -> Prediction:
        """The text and its three axes."""
        start, request = item.facts["start"], item.request
        ids = [*start[1:], *output.ids]
        if request.target is None:
            text, target = output_axis(self.loaded.tokenizer, ids)
        else:
            text, spans = request.target, item.facts["offsets"]
            before, after = [(0, 0)] * (len(start) - 1), [(0, 0)] * (len(output.ids) - len(spans))
            offsets = [*before, *spans, *after] if spans else None
            target = text_axis(self.loaded.tokenizer, ids, text, offsets)
        tokens, target = target.labels, self.marked(target)
        if output.ids[-1] in end_tokens(self.loaded.model) and len(start) + len(output.ids) <= self.longest:
            target = ended(target)
        axes = {**item.axes, "target": target, "prefix": prefix_axis(self.loaded.tokenizer, start, target)}
        chunks = self.chunks(output.ids) if request.parameters.return_timestamps else None
        more = None if chunks is None else {"chunks": chunks}
        return Prediction(text, tokens, output.score, axes, more, output.finish_reason)

    def marked(self, target: Axis) -> Axis:
        """The target with what is no text marked as special."""
        return target

    def chunks(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Stretches of the text with their seconds."""
        return []

    def taught(self, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """The recorded pass hears the recording and reads, in the decoder, what came before each token."""
        read, _ = self.right_padded([prediction.axes["prefix"].ids for prediction in predictions])
        return {**collate(items, self.loaded), "decoder_input_ids": read, **self.lean()}


def ended(target: Axis) -> Axis:
    """A target whose end token is read too: what follows it is the same token, which is no part of the answer."""
    return replace(
        target,
        labels=[*target.labels, target.labels[-1]],
        ids=[*target.ids, target.ids[-1]],
        spans=[*target.spans, (0, 0)],
        special=[*target.special, True],
    )
