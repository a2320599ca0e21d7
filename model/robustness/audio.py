"""Recordings with noise behind them."""

import numpy as np
from numpy.typing import NDArray


def white_noise(samples: NDArray[np.float32], snr: float, draw: np.random.Generator) -> NDArray[np.float32]:
    """Samples with Gaussian noise at a signal-to-noise ratio in decibels: 10 log10(power of the signal / of the noise).

    Infinite is no noise; silence stays silent, since every ratio to it is 0. The ratio is that of these very samples.
    """
    power = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    if np.isposinf(snr) or power == 0.0:
        return samples.copy()
    noise = draw.standard_normal(samples.shape)
    noise *= np.sqrt(power / (np.mean(np.square(noise)) * 10 ** (snr / 10)))
    noisy: NDArray[np.float32] = (samples + noise).astype(np.float32)
    return noisy
