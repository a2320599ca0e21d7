"""Perturbed pictures and recordings, and statistics over seeds."""

import numpy as np
import pytest

from heedmap.model.errors import ParameterError
from heedmap.model.robustness.audio import white_noise
from heedmap.model.robustness.pictures import GREY, blur, crop, gaussian_noise, occlusion
from heedmap.model.robustness.statistics import bootstrap


def drawn(seed: int = 0) -> np.random.Generator:
    """A generator."""
    return np.random.default_rng(seed)


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    """A ramp from left to right, which is never grey."""
    ramp = np.linspace(0, 100, width).astype(np.uint8)
    return np.broadcast_to(ramp[None, :, None], (height, width, 3)).copy()


def test_strength_0_is_the_identity_and_seeds_decide() -> None:
    pixels = picture()
    for perturb in (gaussian_noise, crop, occlusion):
        np.testing.assert_array_equal(perturb(pixels, 0.0, drawn()), pixels)
        np.testing.assert_array_equal(perturb(pixels, 0.4, drawn(1)), perturb(pixels, 0.4, drawn(1)))
        assert perturb(pixels, 0.4, drawn(1)).shape == pixels.shape
        with pytest.raises(ParameterError):
            perturb(pixels, 1.1, drawn())
    np.testing.assert_array_equal(blur(pixels, 0.0), pixels)
    assert (gaussian_noise(pixels, 0.4, drawn(1)) != gaussian_noise(pixels, 0.4, drawn(2))).any()


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    grey = np.full((200, 200, 3), GREY, np.uint8)
    noisy = gaussian_noise(grey, 0.05, drawn()).astype(float) - GREY
    assert noisy.std() == pytest.approx(0.05 * 255, rel=0.01)
    assert abs(noisy.mean()) < 0.2


def test_a_blur_spreads_a_point_by_its_deviation() -> None:
    point = np.zeros((101, 101, 3), np.uint8)
    point[45:56, 45:56] = 255
    spread = blur(point, 0.5).astype(float)[..., 0]  # a deviation of 5.05 pixels
    places = np.arange(101)
    profile = spread.sum(0) / spread.sum()
    mean = (profile * places).sum()
    box = (11**2 - 1) / 12
    assert mean == pytest.approx(50, abs=0.1)
    assert (profile * (places - mean) ** 2).sum() - box == pytest.approx(5.05**2, rel=0.1)


def test_an_occlusion_hides_its_share() -> None:
    hidden = occlusion(picture(), 0.25, drawn(3))
    assert (hidden == GREY).all(axis=2).sum() == 20 * 30
    assert (occlusion(picture(), 1.0, drawn()) == GREY).all()


def test_a_crop_enlarges_a_part() -> None:
    part = crop(picture(), 0.75, drawn(3))
    row = part[0, :, 0].astype(int)
    assert row[-1] - row[0] == pytest.approx(50, abs=3), "half of the ramp's range is left"
    assert (np.diff(row) >= 0).all()


@pytest.mark.parametrize("snr", [-10.0, 0.0, 20.0])
def test_the_ratio_of_signal_to_noise_is_the_one_asked_for(snr: float) -> None:
    samples = np.sin(np.arange(16_000) / 20).astype(np.float32)
    noise = white_noise(samples, snr, drawn()).astype(float) - samples
    measured = 10 * np.log10(np.mean(samples.astype(float) ** 2) / np.mean(noise**2))
    assert measured == pytest.approx(snr, abs=1e-3)


def test_no_noise_and_silence_are_left_as_they_are() -> None:
    samples = np.ones(8, np.float32)
    np.testing.assert_array_equal(white_noise(samples, np.inf, drawn()), samples)
    np.testing.assert_array_equal(white_noise(np.zeros(8, np.float32), 0.0, drawn()), np.zeros(8, np.float32))
    assert white_noise(np.zeros(0, np.float32), 0.0, drawn()).size == 0


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    draw, held = drawn(5), 0
    for trial in range(200):
        values = draw.normal(1.0, 2.0, 30)
        interval = bootstrap(values, seed=trial)
        assert interval.low <= interval.mean <= interval.high
        held += bool(interval.low <= 1.0 <= interval.high)
    assert 0.88 <= held / 200 <= 0.98  # a percentile interval of 30 values is a little narrow


def test_intervals_by_hand() -> None:
    one = bootstrap(np.array([[2.0, 5.0]]))
    assert (one.mean.tolist(), one.low.tolist(), one.high.tolist()) == ([2, 5], [2, 5], [2, 5])
    gap = bootstrap(np.array([1.0, np.nan, 3.0]))
    assert gap.to_json() == {"mean": 2.0, "low": 1.0, "high": 3.0}
    nothing = bootstrap(np.array([np.nan, np.nan]))
    assert np.isnan(nothing.mean)
