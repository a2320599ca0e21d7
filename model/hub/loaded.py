"""A checkpoint of transformers' layout in memory."""

from dataclasses import dataclass
from typing import Any

import torch


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

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        device: torch.device = next(self.model.parameters()).device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights, the largest group of them."""
        dtype: torch.dtype = self.model.dtype
        return dtype
