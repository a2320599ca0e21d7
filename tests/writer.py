"""A tiny language model on bytes, with random weights: a text of n bytes has an n x n map."""

from pathlib import Path

import torch

from heedmap.model.native import checkpoint
from heedmap.model.native.language_model import LanguageModel, LanguageModelConfig
from heedmap.model.native.tokenizer import ByteTokenizer

SCALE = 10  # of the matrices: as drawn, every row would be even


def tiny(path: Path) -> Path:
    """A checkpoint of two layers of four heads, the first with a sliding window of 16."""
    torch.manual_seed(0)
    tokenizer = ByteTokenizer.build()
    shape = {"width": 32, "feed_forward": 48, "heads": 4, "kv_heads": 2, "windows": (16, None)}
    network = LanguageModel(LanguageModelConfig(language="en", vocabulary=len(tokenizer), **shape))
    for parameter in network.parameters():
        parameter.data.mul_(SCALE if parameter.dim() > 1 else 1)
    checkpoint.save(path, network, tokenizer)
    return path
