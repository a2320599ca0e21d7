"""The one colour scale of pictures and figures: cividis, legible to colour-blind readers and in greyscale."""

from functools import cache

import numpy as np

# Nuñez, Anderton & Renslow 2018, doi:10.1371/journal.pone.0199239, at even steps.
CIVIDIS = [
    (0, 32, 76),
    (0, 42, 102),
    (0, 52, 110),
    (39, 63, 108),
    (60, 74, 107),
    (76, 85, 107),
    (91, 95, 109),
    (104, 106, 112),
    (117, 117, 117),
    (131, 129, 120),
    (146, 140, 120),
    (161, 152, 118),
    (176, 165, 114),
    (192, 178, 109),
    (209, 191, 102),
    (225, 204, 92),
    (243, 219, 79),
    (255, 233, 69),
]


@cache
def palette() -> bytes:
    """256 RGB triples: the first stands for masked cells, which a picture makes transparent; the others run 0 to 1."""
    stops = np.linspace(0, 1, len(CIVIDIS))
    places = np.linspace(0, 1, 255)
    channels = [np.interp(places, stops, [colour[channel] for colour in CIVIDIS]) for channel in range(3)]
    ramp = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    return bytes(3) + ramp.tobytes()


def plotly_scale() -> list[tuple[float, str]]:
    """The scale as Plotly takes it."""
    last = len(CIVIDIS) - 1
    return [(round(i / last, 4), f"rgb({r},{g},{b})") for i, (r, g, b) in enumerate(CIVIDIS)]
