"""What a request costs, in characters, as far as it can be known before anything is tokenized or decoded.

Only relations matter: how long a unit takes is measured, for each model and for predictions and traces apart.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from heedmap.model.contract import Parameters, Request
from heedmap.model.edits import corpora
from heedmap.model.generated import CONTINUATION

BASE = 16.0  # of any input: a pass has steps that take as long for one token as for ten
STEP = 8.0  # of a token that is written: a pass of its own, beside some characters of many that are read at once
PICTURE = 1_000.0  # of a picture or a recording: a pass over some hundred patches or frames
FILE_BYTES = 1_024.0  # of a file to a unit: it is decoded before it is looked at
LONG = 2_048.0  # characters of an input from where nobody who is brief should wait for it
WORD = "Hallo."  # for a model that has no example
WARM = 200  # characters of an example that are read before the service is ready
WARM_TOKENS = 4  # that are written then
PER_TOKEN = 2  # characters: a translation is about as long as its source
BACKWARD = 3.5  # of a pass with an objective, forth and back, to one without
EDITED = 2.0  # of an edited pass to another: it runs alone, and rows that a cut touches are computed once more


def characters(value: Any) -> float:
    """The characters of an input, files counted as if they were text."""
    if isinstance(value, str):
        return float(len(value))
    if isinstance(value, bytes):
        return PICTURE + len(value) / FILE_BYTES
    if isinstance(value, Mapping):
        return sum(characters(part) for part in value.values())
    if isinstance(value, Sequence):
        return sum(characters(part) for part in value)
    return 0.0


def cost_of(requests: Sequence[Request], task: str) -> float:
    """The cost of requests that are answered together by a model of this task."""
    total = 0.0
    for request in requests:
        mine = _answer(task, request.inputs, request.target, request.parameters)
        mine *= EDITED if request.edits else 1.0
        if request.objective is not None:
            mine += (BACKWARD - 1) * (BASE + characters(request.inputs) + characters(request.target or ""))
        texts = (text for corpus in corpora(request.edits) for text in corpus)
        total += mine + sum(_answer(task, text, None, Parameters()) for text in texts)
    return total


def _answer(task: str, inputs: Any, target: str | None, parameters: Parameters) -> float:
    """The cost of one answer, or of scoring a given one."""
    read = characters(inputs)
    if target is not None:
        return BASE + read + characters(target)
    written = _written(task, read, parameters.max_new_tokens) + _begun(parameters.prefix)
    return BASE + read + STEP * written * parameters.beam_size


def is_long(requests: Sequence[Request]) -> bool:
    """Whether one of them takes so long that brief ones should not wait for it."""
    return any(
        characters(r.inputs) + characters(r.target or "") + sum(characters(texts) for texts in corpora(r.edits)) > LONG
        for r in requests
    )


def warming(facts: Mapping[str, Any]) -> Request:
    """A small request for a model that says this of itself: the beginning of its first example, a few tokens long."""
    example = next(iter(facts.get("examples") or (WORD,)))
    limited = "max_new_tokens" in facts.get("parameters", ())
    parameters = Parameters(max_new_tokens=WARM_TOKENS) if limited else Parameters()
    return Request(example[:WARM] if isinstance(example, str) else example, parameters=parameters)


def _begun(prefix: str | tuple[int, ...] | None) -> float:
    """About how many tokens an output begins with: each is a step like those that the model chooses."""
    if prefix is None:
        return 0.0
    return len(prefix) / PER_TOKEN if isinstance(prefix, str) else len(prefix)


def _written(task: str, read: float, limit: int | None) -> float:
    """About how many tokens a model writes."""
    if task == "translation":
        return min(read / PER_TOKEN + 1, limit or CONTINUATION)
    if task in ("text-generation", "image-to-text", "image-text-to-text", "automatic-speech-recognition"):
        return limit or CONTINUATION
    return 0.0
