"""A checkpoint of transformers' layout in memory."""

from dataclasses import dataclass
from typing import Any

import torch

from heedmap.model.hub.load.placement import device_of


@dataclass(frozen=True)
class Loaded:
    """A checkpoint in memory: the transformers model, its config and its processors."""

    model: Any  # transformers.PreTrainedModel, in eval mode on its device
    config: Any
    tokenizer: Any = None  # transformers.PreTrainedTokenizerBase
    image_processor: Any = None
    feature_extractor: Any = None
    folder: Any = None  # Path of the checkpoint's files
    revision: str = ""
    licence: str | None = None
    unused: tuple[str, ...] = ()  # parts of the checkpoint that this task does not run: another's head
    quantised: str = ""  # how its weights are: "weights int8 (torchao)"

    @property
    def device(self) -> torch.device:
        """Where its inputs go: where its weights lie, or the first part of a model that is spread over several."""
        return device_of(self.model)

    @property
    def dtype(self) -> torch.dtype:
        """In which it computes."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def precision(self) -> str:
        """The dtype in which it computes, and how its weights are quantised: "bfloat16, weights int8 (torchao)"."""
        return ", ".join(filter(None, (str(self.dtype).removeprefix("torch."), self.quantised)))
