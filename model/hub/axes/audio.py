"""Axes of recordings: which seconds each position of a speech encoder stands for.

A position is told by the stretch of the recording that it adds to the one before, so that positions lie end to end. Its
features are computed from a little more: 25 ms for every 20 ms in wav2vec2 and its kin, two frames of 25 ms of the
spectrogram in Whisper.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

from heedmap.model.contract import Axis
from heedmap.model.errors import CheckpointError, ParameterError
from heedmap.model.frames import frame_axis
from heedmap.model.hub.families import family_of, supported
from heedmap.model.media import too_long
from heedmap.model.messages import apart


def spectrogram_axis(config: Any, extractor: Any, samples: int, field: str = "inputs.audio") -> Axis:
    """The axis of Whisper's encoder: of its one length, whatever the recording's; the rest is silence, and special.

    samples: of the recording, at the extractor's rate.

    Raises:
        InputTooLong: the recording is longer than the encoder has positions for.
    """
    rate, step = extractor.sampling_rate, 2 * extractor.hop_length / extractor.sampling_rate
    longest = spectrogram_seconds(config, extractor)
    if samples > round(longest * rate):
        raise too_long(samples / rate, longest, longest, field)
    return frame_axis(config.max_source_positions, step, samples / rate)


def spectrogram_seconds(config: Any, extractor: Any) -> float:
    """The longest recording that Whisper's encoder hears at once."""
    rate, step = extractor.sampling_rate, 2 * extractor.hop_length / extractor.sampling_rate
    return float(min(extractor.n_samples / rate, config.max_source_positions * step))


def waveform_axis(config: Any, rate: int, samples: int, field: str = "inputs.audio") -> Axis:
    """The axis of an encoder whose convolutions read the waveform itself (wav2vec2, HuBERT, SpeechT5).

    rate, samples: of the recording, as the model gets it.

    Raises:
        CheckpointError: the family's convolutions are not known.
        ParameterError: the recording is too short for one position.
    """
    if family_of(config).recording != "waveform":
        raise unknown_recording(config)
    length = positions(config.conv_kernel, config.conv_stride, samples)
    if not length:
        needed = shortest(config.conv_kernel, config.conv_stride) / rate
        lasts, least = apart(samples / rate * 1000, needed * 1000)
        raise ParameterError(f"the recording lasts {lasts} ms, the model needs {least} ms", field=field)
    return frame_axis(length, prod(config.conv_stride) / rate, samples / rate)


def unknown_recording(config: Any) -> CheckpointError:
    """The error that says which families' encoders of recordings are known."""
    return CheckpointError(
        f"how {config.model_type} divides a recording is not known; known are {supported('recording')}"
    )


def positions(kernels: Sequence[int], strides: Sequence[int], samples: int) -> int:
    """What unpadded convolutions in a row make of so many samples; 0 where the recording is too short for one."""
    for kernel, stride in zip(kernels, strides, strict=True):
        samples = max(0, (samples - kernel) // stride + 1)
    return samples


def shortest(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """The samples that one position is made from."""
    samples = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples
