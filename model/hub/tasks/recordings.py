"""What the tasks that hear have in common: a request's recording as samples, and the way into the model for it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import CheckpointError, ParameterError
from heedmap.model.hub.loaded import Loaded
from heedmap.model.kinds import wrong_kind
from heedmap.model.media import open_audio

TASK = "automatic-speech-recognition"


def extractor_of(loaded: Loaded) -> Any:
    """What makes a checkpoint's inputs of samples.

    Raises:
        CheckpointError: it has no feature extractor, or no tokenizer to write with.
    """
    if loaded.feature_extractor is None:
        raise CheckpointError("the checkpoint has no preprocessor_config.json, so nothing says how it hears")
    if loaded.tokenizer is None:
        raise CheckpointError("the checkpoint has no tokenizer, so nothing says what its outputs mean")
    return loaded.feature_extractor


def samples_of(request: Request, extractor: Any, longest: float | None = None) -> Float[np.ndarray, "samples"]:
    """The recording of a request, at the rate that the model hears; `longest` is how many seconds it hears at once.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    inputs = request.inputs
    if not isinstance(inputs, Mapping) or not isinstance(inputs.get("audio"), bytes):
        raise wrong_kind(inputs, TASK, "a recording")
    return open_audio(inputs["audio"], int(extractor.sampling_rate), model_seconds=longest)


def no_language(parameters: Parameters) -> None:
    """Refuse a language where there is no choice.

    Raises:
        ParameterError: one was named.
    """
    if parameters.language is not None:
        raise ParameterError("this model knows one language: leave it out", field="parameters.language")
