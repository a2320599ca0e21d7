"""Log-mel spectrograms of recordings: what an encoder of speech reads.

Whisper's formula (Radford et al. 2022: power spectrum of a periodic Hann window, Slaney's mel filters, log10 within a
range below the peak), then each band less its mean over the recording, which takes a microphone's colour and level away
(cepstral mean normalisation, Atal 1974).
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt
from torch import Tensor

SMALLEST = 1e-10  # of a power: digital silence has a logarithm too
LINEAR = 200.0 / 3  # Hz a mel, below the break
BREAK = 1000.0  # Hz from which mels are logarithmic
STEP = 6.4 ** (1 / 27)  # the ratio of one mel to the next above it


class LogMel(BaseModel):
    """How a recording becomes frames; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: PositiveInt = 8000  # samples a second
    window: PositiveInt = 200  # samples: 25 ms
    hop: PositiveInt = 80  # samples: 10 ms
    bands: PositiveInt = 40
    range: PositiveFloat = 6.0  # powers of ten below the loudest cell: what is fainter is not told apart

    @property
    def shortest(self) -> int:
        """The samples that one window needs, reflected at both ends."""
        return self.window // 2 + 1

    def frames(self, samples: int) -> int:
        """The frames of a recording of so many samples; frame t is centred at t * hop."""
        return samples // self.hop

    def __call__(self, samples: Float[Tensor, "samples"]) -> Float[Tensor, "K bands"]:
        """Frames of one recording, each band with mean 0 over them; `samples` in [-1, 1], no fewer than `shortest`."""
        window = torch.hann_window(self.window, device=samples.device)
        spectrum = torch.stft(samples, self.window, self.hop, window=window, return_complex=True)[:, :-1]
        power = spectrum.abs().square()
        levels = (filters(self.rate, self.window, self.bands).to(power.device) @ power).clamp(min=SMALLEST).log10()
        levels = levels.clamp(min=float(levels.max()) - self.range)
        return (levels - levels.mean(dim=1, keepdim=True)).T.contiguous()


@lru_cache(maxsize=4)
def filters(rate: int, window: int, bands: int) -> Float[Tensor, "bands bins"]:
    """Triangles of equal area, evenly spaced on Slaney's mel scale from 0 Hz to half the rate (Slaney 1998)."""
    bins = torch.linspace(0, rate / 2, window // 2 + 1, dtype=torch.float64)
    edges = hertz(torch.linspace(0, float(mel(torch.tensor(rate / 2, dtype=torch.float64))), bands + 2).double())
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    return (torch.minimum(rising, falling).clamp(min=0) * 2 / (high - low)).float()


def mel(frequency: Float[Tensor, "*N"]) -> Float[Tensor, "*N"]:
    """Slaney's mels of Hz: linear below 1 kHz, logarithmic above."""
    above = BREAK / LINEAR + (frequency.clamp(min=BREAK) / BREAK).log() / torch.tensor(STEP).double().log()
    return torch.where(frequency < BREAK, frequency / LINEAR, above)


def hertz(mels: Float[Tensor, "*N"]) -> Float[Tensor, "*N"]:
    """Hz of Slaney's mels."""
    above = BREAK * STEP ** (mels - BREAK / LINEAR)
    return torch.where(mels < BREAK / LINEAR, mels * LINEAR, above)
