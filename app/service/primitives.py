"""How many compiled products oneDNN keeps: it compiles one for every shape, and a service meets shape after shape.

Its own limit of a thousand, and a thousand more that PyTorch keeps of them, took half a gigabyte within ten minutes of
mixed sentences. An eighth of that is as fast: with 64 clients 114 answers a second instead of 115 with a quarter,
in turns, and 682 MiB instead of 788 and 1,013; a sixteenth is slower.
"""

import os

CAPACITY = "128"

VARIABLES = {"LRU_CACHE_CAPACITY": CAPACITY, "ONEDNN_PRIMITIVE_CACHE_CAPACITY": CAPACITY}
"""What the environment must say before the first product is computed."""


def limit() -> None:
    """Keep so many, unless whoever runs the service has said how many."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
