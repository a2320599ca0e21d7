"""Log-mel frames against transformers' feature extractor of Whisper, and by hand."""

import warnings

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor
from transformers.audio_utils import mel_filter_bank

from heedmap.model.native.log_mel import LogMel, filters, hertz, mel


def test_filters_are_slaneys() -> None:
    theirs = mel_filter_bank(101, 40, 0, 4000.0, 8000, norm="slaney", mel_scale="slaney")
    assert np.abs(theirs.T - filters(8000, 200, 40).numpy()).max() < 1e-6


def test_mels_are_linear_below_a_kilohertz_and_logarithmic_above() -> None:
    frequencies = torch.tensor([0.0, 200.0, 1000.0, 6400.0], dtype=torch.float64)
    expected = torch.tensor([0.0, 3.0, 15.0, 42.0], dtype=torch.float64)  # 27 mels from 1 to 6.4 kHz
    assert torch.allclose(mel(frequencies), expected, atol=1e-6)
    assert torch.allclose(hertz(expected), frequencies, rtol=1e-6)


def test_frames_are_whispers_less_the_mean_of_each_band() -> None:
    samples = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own bank for 16 kHz, which is replaced
        theirs = WhisperFeatureExtractor(feature_size=40, sampling_rate=8000, hop_length=80, n_fft=200, chunk_length=2)
    theirs.mel_filters = mel_filter_bank(101, 40, 0, 4000.0, 8000, norm="slaney", mel_scale="slaney")
    levels = theirs(samples, sampling_rate=8000, return_tensors="np")["input_features"][0] * 4 - 4
    expected = (levels - levels.mean(axis=1, keepdims=True)).T
    frames = LogMel(range=8.0)(torch.from_numpy(samples))
    assert frames.shape == (200, 40)
    assert np.abs(frames.numpy() - expected).max() < 1e-3


def test_what_is_far_below_the_loudest_is_not_told_apart() -> None:
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 8000)
    tone[4000:] *= 1e-9
    levels = LogMel(range=6.0)(tone)
    assert float((levels.amax(dim=0) - levels.amin(dim=0)).max()) == pytest.approx(6.0, abs=1e-4)


def test_silence_is_zeros() -> None:
    assert torch.equal(LogMel()(torch.zeros(800)), torch.zeros(10, 40))


def test_a_window_needs_half_of_itself_and_a_sample() -> None:
    features = LogMel()
    assert features.shortest == 101
    assert features(torch.ones(101)).shape == (1, 40)
    with pytest.raises(RuntimeError):
        features(torch.ones(100))
