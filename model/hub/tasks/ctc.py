"""automatic-speech-recognition by connectionist temporal classification: a letter or nothing for each frame."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from heedmap.model.beginnings import tokens_over
from heedmap.model.contract import Prediction, Request, taken
from heedmap.model.errors import ParameterError
from heedmap.model.hub.axes.audio import waveform_axis
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, SinglePass
from heedmap.model.hub.tasks.recordings import TASK, extractor_of, no_language, samples_of
from heedmap.model.hub.tasks.text import embedded, filled
from heedmap.model.media import example_audio
from heedmap.model.watch import Stop


class FramewiseRecognition(SinglePass):
    """The likeliest token of each frame, repeats and blanks left out (Graves et al. 2006): wav2vec2, HuBERT.

    Axis: `frames`. The score is the log-probability of the frames' likeliest tokens, in nats; of a given `target` it is
    that of all the ways to say it. Chunks are words or letters with the seconds at which the model wrote them.
    """

    name = TASK
    auto_class = "AutoModelForCTC"
    example: Any = {"audio": example_audio()}  # noqa: RUF012

    def __init__(self, loaded: Loaded) -> None:
        """Raises:
        CheckpointError: the checkpoint has no feature extractor or no tokenizer, or its frames are not known.
        """
        super().__init__(loaded)
        self.extractor = extractor_of(loaded)
        waveform_axis(loaded.config, int(self.extractor.sampling_rate), int(self.extractor.sampling_rate))

    @property
    def batchable(self) -> bool:
        """Each alone: some were trained without a mask, and their first norm takes padding for a part of the sound."""
        return False

    def takes(self) -> dict[str, dict[str, Any]]:
        """What seconds to tell."""
        seconds = taken("return_timestamps")
        seconds["return_timestamps"]["choices"] = [False, "word", "char"]
        return seconds

    def prepare(self, request: Request) -> Item:
        """Decode the recording; tokenize the target if there is one."""
        samples = samples_of(request, self.extractor)
        rate = int(self.extractor.sampling_rate)
        if request.parameters.return_timestamps is True:
            raise ParameterError(
                'this model tells the seconds of each "word" or "char": name one', field="parameters.return_timestamps"
            )
        no_language(request.parameters)
        axis = waveform_axis(self.loaded.config, rate, len(samples))
        features = self.extractor(samples, sampling_rate=rate, return_tensors="pt")
        facts = {"target": None if request.target is None else self._tokens(request.target, len(axis))}
        return Item(request, {"frames": axis}, {"input_values": features["input_values"]}, facts)

    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """One recording after the other."""
        return [
            prediction for item in items for prediction in super(FramewiseRecognition, self).predict([item], cancelled)
        ]

    def read(self, outputs: Any, items: Sequence[Item]) -> list[Prediction]:
        """Texts, from the frames' logits."""
        rows = zip(outputs.logits.float().cpu().log_softmax(dim=-1), items, strict=True)
        return [
            self._target_score(row, item) if item.facts["target"] else self._transcription(row, item)
            for row, item in rows
        ]

    def _transcription(self, frames: Tensor, item: Item) -> Prediction:
        best = frames.max(dim=-1)
        ids = [int(number) for number in best.indices]
        kind = item.request.parameters.return_timestamps
        decoded = self.loaded.tokenizer.decode(
            ids, output_char_offsets=kind == "char", output_word_offsets=kind == "word"
        )
        text = decoded if isinstance(decoded, str) else str(decoded.text)
        output = self._output(text, self._collapsed(ids), float(best.values.double().sum()))
        if kind:
            step = item.axes["frames"].seconds or []
            output["chunks"] = [
                {
                    "text": chunk[kind],
                    "timestamp": [step[chunk["start_offset"]][0], step[chunk["end_offset"] - 1][1]],
                }
                for chunk in decoded[f"{kind}_offsets"]
            ]
        return Prediction.from_json(output, item.axes)

    def _target_score(self, frames: Tensor, item: Item) -> Prediction:
        target = torch.tensor(item.facts["target"])
        lengths = torch.tensor(len(frames)), torch.tensor(len(target))
        lost = torch.nn.functional.ctc_loss(frames.double(), target, *lengths, blank=self._blank, reduction="sum")
        output = self._output(str(item.request.target), item.facts["target"], -float(lost))
        return Prediction.from_json(output, item.axes)

    def _output(self, text: str, ids: Sequence[int], score: float) -> dict[str, Any]:
        tokens = [str(token) for token in self.loaded.tokenizer.convert_ids_to_tokens(list(ids))]
        return {"text": text, "tokens": tokens, "score": score}

    @property
    def _blank(self) -> int:
        return int(self.loaded.config.pad_token_id)

    def _collapsed(self, ids: Sequence[int]) -> list[int]:
        kept = [*ids[:1], *(after for before, after in pairwise(ids) if after != before)]
        return [number for number in kept if number != self._blank]

    def _tokens(self, target: str, frames: int) -> list[int]:
        """A given output as the model would write it.

        Raises:
            ParameterError: it has letters that the model does not know, or more than the recording has room for.
        """
        tokenizer = self.loaded.tokenizer
        if tokens_over(filled(target, "target"), frames, lambda part: len(tokenizer(part).input_ids)) is not None:
            raise ParameterError(
                f"the target needs over {frames} frames, which is what the recording has: it cannot be said so fast",
                field="target",
            )
        ids = [int(number) for number in tokenizer(target).input_ids]
        embedded(self.loaded, ids, "target")
        if tokenizer.unk_token_id in ids:
            raise ParameterError(
                "the target has letters that the model does not write; some write capitals alone", field="target"
            )
        needed = len(ids) + sum(before == after for before, after in pairwise(ids))  # a blank between equal ones
        if needed > frames:
            raise ParameterError(
                f"the target needs {needed} frames, and the recording has {frames}: it cannot be said so fast",
                field="target",
            )
        return ids
