"""automatic-speech-recognition: the family that a checkpoint's head is of, and SpeechT5."""

from abc import ABC
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from heedmap.model.contract import Axis, Parameters, Prediction
from heedmap.model.errors import ParameterError
from heedmap.model.hub.axes.audio import unknown_recording, waveform_axis
from heedmap.model.hub.families import family_of
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, Task
from heedmap.model.hub.tasks.ctc import FramewiseRecognition
from heedmap.model.hub.tasks.recordings import TASK, no_language
from heedmap.model.hub.tasks.transcription import Samples, TranscriptionTask
from heedmap.model.hub.tasks.transformers_generate import start_tokens
from heedmap.model.hub.tasks.whisper import Whisper
from heedmap.model.watch import Stop


class SpeechT5(TranscriptionTask):
    """What SpeechT5's decoder writes of a recording."""

    def __init__(self, loaded: Loaded) -> None:
        """Raises:
        CheckpointError: the checkpoint has no feature extractor or no tokenizer.
        """
        super().__init__(loaded)
        self.longest = int(loaded.config.max_text_positions)

    @property
    def batchable(self) -> bool:
        """Each alone: recordings differ in length, and the first norm takes padding for a part of the sound."""
        return False

    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """One recording after the other."""
        return [prediction for item in items for prediction in super(SpeechT5, self).predict([item], cancelled)]

    def features(self, samples: Samples) -> tuple[dict[str, Tensor], Axis]:
        """The waveform."""
        axis = waveform_axis(self.loaded.config, self.rate, len(samples))
        extracted = self.extractor(audio=samples, sampling_rate=self.rate, return_tensors="pt")
        return {"input_values": extracted["input_values"], "attention_mask": extracted["attention_mask"]}, axis

    def start(self, parameters: Parameters) -> list[int]:
        """The decoder's start token; this model takes no language and tells no seconds.

        Raises:
            ParameterError: it was asked to.
        """
        if parameters.return_timestamps:
            raise ParameterError("this model tells no seconds: leave it out", field="parameters.return_timestamps")
        no_language(parameters)
        return start_tokens(self.loaded.model)


class SpeechRecognition(Task, ABC):
    """The text of a recording, by whatever kind of head the checkpoint has."""

    name = TASK
    auto_class = "AutoModelForSpeechSeq2Seq"

    @classmethod
    def for_config(cls, config: Any) -> type[Task]:
        """Whisper, SpeechT5, or a head that says a letter for each frame.

        Raises:
            CheckpointError: how the family hears is not known.
        """
        family = family_of(config)
        if family.recording is None:
            raise unknown_recording(config)
        if family.recording == "spectrogram":
            return Whisper
        return SpeechT5 if family.transcribes else FramewiseRecognition
