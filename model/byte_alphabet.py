"""The characters by which byte-level vocabularies write bytes."""

import functools


@functools.cache
def byte_alphabet() -> dict[str, int]:
    """The byte that each of 256 characters stands for (Radford et al. 2019, GPT-2).

    Printable ones of Latin-1 stand for themselves, the others for the code points from 256 on.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [value for value in range(256) if value not in printable]
    return {chr(value): value for value in printable} | {chr(256 + at): value for at, value in enumerate(others)}
