"""What lives as long as a model does is kept out of garbage collection: to look through it stops everybody for 0.2 s.

A quarter of a million objects of PyTorch, transformers and the models are looked through again and again otherwise, and
every thread, the event loop's included, waits for that. What a storm of requests took is given back when it is over.
"""

import ctypes
import gc

_kept = False


def keep() -> None:
    """From now on leave alone what there is: a server calls this once it is warm."""
    global _kept
    gc.collect()
    gc.freeze()
    _kept = True


def sweep() -> None:
    """Look through everything: networks that have been wired up hold themselves in cycles, and one was let go."""
    if _kept:
        gc.unfreeze()
    gc.collect()
    if _kept:
        gc.freeze()


def keep_new() -> None:
    """Leave alone what was loaded meanwhile, in a server that is warm."""
    if _kept:
        gc.freeze()


def give_back() -> bool:
    """Return to the system what was freed: glibc keeps what lies under a block that is still held. Whether it did."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another C library, or another system
        return False
    return bool(trim(0))
