"""A native recogniser of speech, served: a recording in, the words that it hears and traces out."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from heedmap.model.contract import Prediction, Request
from heedmap.model.errors import ParameterError
from heedmap.model.frames import frame_axis
from heedmap.model.generated import Generated
from heedmap.model.kinds import wrong_kind
from heedmap.model.media import open_audio
from heedmap.model.messages import apart
from heedmap.model.native.feature_passes import Source
from heedmap.model.native.feature_transformer import FrameInput
from heedmap.model.native.features import FeatureModel
from heedmap.model.native.log_mel import LogMel
from heedmap.model.prediction import Inputs


class Recogniser(FeatureModel):
    """What a decoder writes of a recording that an encoder heard in frames.

    Axes: `source`, the encoder's places with their seconds; `target`; `prefix`, what the decoder had read at each
    position of the target.
    """

    task = "automatic-speech-recognition"
    spoken = "language"
    key = "text"

    def read(self, inputs: Inputs) -> Source:
        """The log-mel frames of a recording, and the seconds of the encoder's places.

        Raises:
            InputError: there is none, or it cannot be read, is too long or too short.
        """
        if not isinstance(inputs, Mapping) or not isinstance(inputs.get("audio"), bytes):
            raise wrong_kind(inputs, self.task, "a recording")
        what = self.network.config.input
        assert isinstance(what, FrameInput), "a recogniser hears"
        features = LogMel(bands=what.bands)
        longest = what.longest * features.hop / features.rate
        samples = open_audio(inputs["audio"], features.rate, model_seconds=longest)
        if len(samples) < features.shortest:
            lasts, least = apart(len(samples) / features.rate * 1000, features.shortest / features.rate * 1000)
            raise ParameterError(f"the recording lasts {lasts} ms, the model needs {least} ms", field="inputs.audio")
        frames = features(torch.from_numpy(samples))[: what.longest]
        places = int(self.network.places(torch.tensor([len(frames)])))
        step = what.stride * features.hop / features.rate
        return Source(frames, frame_axis(places, step, len(samples) / features.rate))

    def _check(self, request: Request) -> None:
        super()._check(request)
        if request.parameters.return_timestamps:
            raise ParameterError("this model tells no seconds: leave it out", field="parameters.return_timestamps")

    def prediction(self, request: Request, source: Source, output: Generated) -> Prediction:
        """The answer that an output is, with its axes; what it says is its text, and nothing beside."""
        return replace(super().prediction(request, source, output), output=None)
