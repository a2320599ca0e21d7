"""Which cache a model generates with: transformers' dynamic one, or its static one, whose steps are compiled.

With a static cache every step after the prompt has the same shapes, so that `generate` compiles it on an accelerator
(inductor, "reduce-overhead": CUDA graphs) and a step is a few launches instead of some ten a layer. That is worth
having only where it is the same and faster: a trial at load decides, and what it found is said in the description.

It serves single requests that fit: another number of rows would be compiled anew, for tens of seconds in front of a
caller, and an encoder-decoder anew for every length of its source.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from heedmap.model.hub.loaded import Loaded
from heedmap.model.messages import library_message

LONGEST = 4096  # tokens: a step reads all of the cache, whatever is in it, and at 8B in bf16 that is 3% of the weights
LEAST = 256  # tokens: a shorter one would hardly ever do
SHARE = 8  # of the free memory, one part in so many at most
TRIAL = 32  # tokens: more than the first is then most of the time


@dataclass(frozen=True)
class StaticCache:
    """A static cache for one sequence of at most `length` tokens.

    compiled: whether its steps are. options: transformers' CompileConfig, of `generate`'s own choice if None.
    """

    length: int
    compiled: bool = True
    options: Any = field(default=None, compare=False)

    def settings(self) -> dict[str, Any]:
        """Of a GenerationConfig."""
        return {
            "cache_implementation": "static",
            "max_cache_len": self.length,
            "disable_compile": not self.compiled,
            "compile_config": self.options if self.compiled else None,
        }


@dataclass(frozen=True)
class Choice:
    """What a model generates with; without `cache` the dynamic one, for this `reason`."""

    cache: StaticCache | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As the model's description has it."""
        if self.cache is None:
            return {"kind": "dynamic", "reason": self.reason}
        return {"kind": "static", "length": self.cache.length, "compiled": self.cache.compiled, "reason": self.reason}


def candidate(loaded: Loaded, capacity: int | None) -> Choice:
    """The static cache that is worth a trial, or why none is.

    capacity: how many tokens the model has positions for.
    """
    if loaded.device.type != "cuda":
        return Choice(reason="a static cache is for accelerators")
    if loaded.config.is_encoder_decoder:
        return Choice(reason="an encoder-decoder's steps would be compiled for every length of its source")
    free, _ = torch.cuda.mem_get_info(loaded.device)
    length = longest(loaded.config, loaded.dtype, min(capacity or LONGEST, LONGEST), free // SHARE)
    if length < LEAST:
        return Choice(reason="there is no memory, or no position, for a static cache")
    return Choice(StaticCache(length))


def longest(config: Any, dtype: torch.dtype, limit: int, budget: int) -> int:
    """The power of two up to `limit` whose keys and values, L x 2 x G x D a token, take no more bytes than `budget`."""
    text = config.get_text_config(decoder=True)
    try:
        heads = int(text.num_attention_heads)
        groups = int(getattr(text, "num_key_value_heads", None) or heads)
        size = int(getattr(text, "head_dim", None) or text.hidden_size // heads)
        token = int(text.num_hidden_layers) * 2 * groups * size * dtype.itemsize
    except (AttributeError, TypeError):  # its attention has no heads of one kind: not for this
        return 0
    fitting = min(limit, budget // token)
    return 1 << (fitting.bit_length() - 1) if fitting > 0 else 0


def proven(cache: StaticCache, write: Callable[[StaticCache | None], Any]) -> Choice:
    """The choice after a trial: the static cache where it writes the same, and sooner.

    write: a short output with a cache, as something that can be compared.
    """
    try:
        expected, plain = _timed(write, None)
        got, fast = _timed(write, cache)
    except Exception as error:  # a compiler that is missing, an operation that it does not know
        return Choice(reason=f"its steps could not be compiled: {library_message(error)}")
    if got != expected:
        return Choice(reason="with a static cache it wrote other tokens")
    if cache.compiled and fast >= plain:
        return Choice(reason="with a static cache it wrote no faster")
    return Choice(cache, f"the same tokens in {fast / plain:.2f} of the time")


def _timed(write: Callable[[StaticCache | None], Any], cache: StaticCache | None) -> tuple[Any, float]:
    """What the second run wrote, and its seconds; the first compiles."""
    write(cache)
    start = time.perf_counter()
    written = write(cache)
    return written, time.perf_counter() - start
