"""Long texts of decoders, read a chunk at a time: what layers hold between attentions is no longer than a chunk.

The chunks share a cache that forgets nothing, so that the recorder can join what each of them attended to into the one
map of the whole text. Not every model takes a text in so; each is tried first, on an example.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from transformers import DynamicCache

from heedmap.model.hub.attention.bands import banded
from heedmap.model.hub.attention.recorder import ModuleRecorder
from heedmap.model.watch import Stop, never, raise_if_cancelled

CHUNK = 8192  # tokens: from there on the layers' own memory matters, and the chunks' masks cost nothing beside it
CUT = ("input_ids", "position_ids")
WHOLE = {"attention_mask", "use_cache", "logits_to_keep"}
CACHE = ("cache", "past_key_values")  # what transformers calls it from 5.24 on, and what it did before


def cache_argument(model: Any) -> str:
    """The name under which the model's forward takes a cache, and under which its outputs hand it back.

    Raises:
        TypeError: it takes none.
    """
    taken = inspect.signature(model.forward).parameters
    for name in CACHE:
        if name in taken:
            return name
    raise TypeError(f"{type(model).__name__}.forward takes no cache")


def can_be_cut(inputs: Mapping[str, Any], config: Any) -> bool:
    """Whether these are a decoder's inputs for one unpadded text and nothing else."""
    ids, mask = inputs.get("input_ids"), inputs.get("attention_mask")
    text_alone = not config.is_encoder_decoder and inputs.keys() <= {*CUT, *WHOLE}
    return text_alone and isinstance(ids, Tensor) and len(ids) == 1 and (mask is None or bool(mask.all()))


def read(
    model: Any,
    inputs: Mapping[str, Any],
    cancelled: Stop = never,
    recorder: ModuleRecorder | None = None,
    chunk: int | None = None,
    kept: int = 1,
) -> Any:
    """What the model returns for the last chunk, which holds the last `kept` tokens.

    Args:
        inputs: of one text that can be cut.
        recorder: one that listens; it then has the maps of the whole text.
        chunk: tokens, CHUNK by default.

    Raises:
        Cancelled: `cancelled` became true between two chunks.
        TraceError: what was recorded cannot be joined.
    """
    chunk = chunk or CHUNK
    length = inputs["input_ids"].shape[1]
    mask, rest = inputs.get("attention_mask"), {n: inputs[n] for n in ("logits_to_keep",) if n in inputs}
    starts = list(range(0, max(length - kept, 0) + 1, chunk))
    cache, outputs, layers = {cache_argument(model): DynamicCache()}, None, dict[str, int]()
    for start, stop in zip(starts, [*starts[1:], length], strict=True):
        raise_if_cancelled(cancelled)
        part = {name: inputs[name][:, start:stop] for name in CUT if name in inputs}
        part |= {} if mask is None else {"attention_mask": mask[:, :stop]}
        if recorder is not None:
            recorder.recorded_modules.clear()  # each chunk attends in every module once more
            recorder.next_chunk()
        with banded("always"):
            outputs = model(**part, **rest, **cache, use_cache=True)
        if recorder is not None and not layers:
            layers = {site: len(records) for site, records in recorder.records.items()}
    if recorder is not None:
        recorder.join(layers)
    return outputs


def tried(model: Any, inputs: Mapping[str, Any], recorder: ModuleRecorder) -> Tensor | None:
    """The last logits of an example that is read in two chunks; None where the model cannot be read so."""
    length = inputs["input_ids"].shape[1]
    try:
        outputs = read(model, inputs, never, recorder, -(-length // 2))
    except Exception:  # whatever it is that the model does not expect there: long texts go in as a whole then
        return None
    if any(record.shape != (length, length) for records in recorder.records.values() for record in records):
        return None
    logits: Tensor = outputs.logits[:, -1].float()
    return logits
