"""Which rows of a batch end, as transformers asks after every token: with texts of the checkpoint's, or a caller's."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from heedmap.model.hub.axes.text import output_text
from heedmap.model.hub.axes.token_bytes import Spelling
from heedmap.model.hub.loaded import Loaded
from heedmap.model.stops import StopStrings

Criterion = Callable[[Tensor, Any], Tensor]  # ids (B Q) and anything to whether each row is to end


def stop_criterion(loaded: Loaded, strings: Sequence[str], named: Sequence[str], began: int) -> Criterion | None:
    """Says of which rows the last token completes a stop string, or shows a text that the caller named."""
    criteria: list[Criterion] = []
    if strings:
        from transformers import StopStringCriteria  # it keeps what it found out of a vocabulary

        criteria.append(StopStringCriteria(loaded.tokenizer, list(strings)))
    if named:  # the library's would look through the whole vocabulary for every new text
        special = Spelling(loaded.tokenizer).special
        shown = StopStrings(named, lambda ids: output_text(loaded.tokenizer, ids, special))
        criteria.append(lambda ids, _: torch.tensor([shown(row[began:]) for row in ids.tolist()], device=ids.device))
    return (lambda ids, _: torch.stack([each(ids, None) for each in criteria]).any(dim=0)) if criteria else None
