"""Which seconds a speech encoder's positions stand for: by hand, and by changing a stretch of the sound."""

import pytest
import torch
import transformers as hf

from heedmap.model.contract import Axis
from heedmap.model.errors import CheckpointError, InputTooLong, ParameterError
from heedmap.model.frames import frame_axis
from heedmap.model.hub.axes.audio import positions, shortest, spectrogram_axis, waveform_axis

WAV2VEC2 = hf.Wav2Vec2Config()  # kernels 10, 3, 3, 3, 3, 2, 2; strides 5, 2, 2, 2, 2, 2, 2
SMALL = hf.Wav2Vec2Config(conv_dim=[8] * 7, feat_extract_norm="layer", num_hidden_layers=1, hidden_size=48)


def test_frames_lie_end_to_end() -> None:
    axis = frame_axis(3, 0.02, 0.05)
    assert axis.seconds == [(0.0, 0.02), (0.02, 0.04), (0.04, 0.06)]
    assert axis.labels == ["0.00 s", "0.02 s", "0.04 s"]
    assert axis.special == [False, False, False]
    assert (axis.kind, axis.ids, axis.spans) == ("audio", [-1] * 3, [(0, 0)] * 3)
    assert Axis.from_json(axis.to_json()) == axis


def test_what_begins_after_the_end_is_special() -> None:
    assert frame_axis(4, 0.02, 0.04).special == [False, False, True, True]


@pytest.mark.parametrize(("samples", "frames"), [(399, 0), (400, 1), (719, 1), (720, 2), (16_000, 49), (480_000, 1499)])
def test_wav2vec2_makes_a_position_of_every_twenty_milliseconds(samples: int, frames: int) -> None:
    assert positions(WAV2VEC2.conv_kernel, WAV2VEC2.conv_stride, samples) == frames


def test_a_position_is_made_from_25_milliseconds() -> None:
    assert shortest(WAV2VEC2.conv_kernel, WAV2VEC2.conv_stride) == 400
    assert shortest([3, 2], [2, 1]) == 5


def test_the_waveforms_axis() -> None:
    axis = waveform_axis(WAV2VEC2, 16_000, 16_000)
    assert len(axis) == 49
    assert axis.seconds is not None
    assert axis.seconds[48] == (0.96, 0.98)
    assert axis.duration == 1.0
    assert waveform_axis(hf.SpeechT5Config(), 16_000, 720).seconds == [(0.0, 0.02), (0.02, 0.04)]


def test_whispers_axis_has_one_length() -> None:
    axis = spectrogram_axis(hf.WhisperConfig(), hf.WhisperFeatureExtractor(), 16_000 * 7)
    assert len(axis) == 1500
    assert axis.seconds is not None
    assert axis.seconds[349:351] == [(6.98, 7.0), (7.0, 7.02)]
    assert axis.special.index(True) == 350
    assert axis.duration == 7.0


def test_the_sound_of_a_frame_changes_that_frame() -> None:
    encoder = hf.Wav2Vec2Model(SMALL).eval().feature_extractor
    sound = torch.randn(1, 8_000, generator=torch.Generator().manual_seed(0))
    axis = waveform_axis(SMALL, 16_000, 8_000)
    with torch.no_grad():
        plain = encoder(sound)
        assert plain.shape[2] == len(axis)
        for index in (0, 7, len(axis) - 1):
            start, stop = (round(second * 16_000) for second in (axis.seconds or [])[index])
            louder = sound.clone()
            louder[:, start + 80 : stop] += 1  # the first 5 ms are the frame's before, too
            changed = (encoder(louder) - plain).abs().amax(dim=1)[0]
            assert changed.nonzero().flatten().tolist() == [index]


def test_the_sound_of_a_position_changes_whispers_input_there() -> None:
    extractor = hf.WhisperFeatureExtractor(feature_size=16, chunk_length=1)
    layers = {"encoder_layers": 1, "decoder_layers": 1}
    config = hf.WhisperConfig(d_model=48, num_mel_bins=16, max_source_positions=50, **layers)
    encoder = hf.WhisperModel(config).eval().encoder
    axis = spectrogram_axis(config, extractor, 16_000)
    assert 2 * len(axis) == extractor.nb_max_frames
    convolved = []
    encoder.conv2.register_forward_hook(lambda _, __, extracted: convolved.append(extracted))
    sound = torch.randn(16_000, generator=torch.Generator().manual_seed(0)) * 0.1
    for index in (None, 10, 33):
        louder = sound.clone()
        if index is not None:
            start, stop = (round(second * 16_000) for second in (axis.seconds or [])[index])
            louder[start:stop] += 0.3 * torch.randn(stop - start, generator=torch.Generator().manual_seed(1))
        extracted = extractor(louder.numpy(), sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            encoder(extracted["input_features"])
    assert convolved[0].shape[2] == len(axis)
    for index, changed in zip((10, 33), convolved[1:], strict=True):
        most = (changed - convolved[0]).abs().sum(dim=1)[0].topk(2).indices
        assert index in most.tolist(), "it may be its neighbour that hears most, half a window away"


def test_a_recording_longer_than_the_encoder_is_refused() -> None:
    extractor = hf.WhisperFeatureExtractor()
    assert len(spectrogram_axis(hf.WhisperConfig(), extractor, 480_000)) == 1500
    with pytest.raises(InputTooLong, match=r"lasts 30\.0001 s, the model hears 30 s at once") as caught:
        spectrogram_axis(hf.WhisperConfig(), extractor, 480_001)
    assert caught.value.field == "inputs.audio"


def test_a_recording_too_short_for_a_frame_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"lasts 24\.9 ms, the model needs 25 ms"):
        waveform_axis(WAV2VEC2, 16_000, 399)


def test_a_family_whose_frames_are_not_known_is_refused() -> None:
    with pytest.raises(CheckpointError, match="how sew divides a recording is not known"):
        waveform_axis(hf.SEWConfig(), 16_000, 16_000)
