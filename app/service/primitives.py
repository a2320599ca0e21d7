"""How many compiled products oneDNN keeps: it compiles one for every shape, and a service meets shape after shape.

Its own limit of a thousand, and a thousand more that PyTorch keeps of them, took half a gigabyte within ten minutes of
mixed sentences. A quarter of that is as fast: 142.6 answers a second instead of 141.7 with 64 clients, and 763 MiB
instead of 1,013; a sixteenth answers 131.
"""

import os

CAPACITY = "256"

VARIABLES = {"LRU_CACHE_CAPACITY": CAPACITY, "ONEDNN_PRIMITIVE_CACHE_CAPACITY": CAPACITY}
"""What the environment must say before the first product is computed."""


def limit() -> None:
    """Keep so many, unless whoever runs the service has said how many."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
