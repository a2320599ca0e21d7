"""The colour scales of pictures and figures: cividis, and for what has a sign one that diverges around zero.

Both are legible to colour-blind readers, cividis in greyscale too.
"""

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

# ColorBrewer's RdBu in eleven classes (Brewer, Harrower and Penn State University), blue for what is negative.
DIVERGING = [
    (5, 48, 97),
    (33, 102, 172),
    (67, 147, 195),
    (146, 197, 222),
    (209, 229, 240),
    (247, 247, 247),
    (253, 219, 199),
    (244, 165, 130),
    (214, 96, 77),
    (178, 24, 43),
    (103, 0, 31),
]


@cache
def palette(signed: bool = False) -> bytes:
    """256 RGB triples: the first stands for masked cells, which a picture makes transparent; the others run 0 to 1.

    signed: from -1 to 1, with 0 at code 128.
    """
    colours = DIVERGING if signed else CIVIDIS
    stops = np.linspace(0, 1, len(colours))
    places = np.linspace(0, 1, 255)
    channels = [np.interp(places, stops, [colour[channel] for colour in colours]) for channel in range(3)]
    ramp = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    return bytes(3) + ramp.tobytes()


def plotly_scale(signed: bool = False) -> list[tuple[float, str]]:
    """The scale as Plotly takes it."""
    colours = DIVERGING if signed else CIVIDIS
    last = len(colours) - 1
    return [(round(i / last, 4), f"rgb({r},{g},{b})") for i, (r, g, b) in enumerate(colours)]
