"""Every family of models as a tiny random checkpoint: how to build it, what to feed it, what its maps must look like.

The weights are far from uniform attention on purpose: a family whose maps are nearly 1 / keys everywhere would pass
with almost any bug. What stands here about sites, layers and lengths was read off transformers, never off the product.
"""

import copy
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from torch import Tensor, nn

VOCABULARY = 99
WIDTH, HEADS = 32, 4
TOKENS = (9, 6)  # of the two rows: longer than any sliding window here, and the second one padded
TARGET = (7, 5)
WINDOW = 4
PATCHES = 16  # of a 32 x 32 picture
# Scores of a standard deviation of about two: peaked rows, none of them one-hot.
SHARPNESS = 1.5
SHARPENED = re.compile(r"(^|[._])(q|k|c_attn|qkv|query|key|query_key_value|[qk]_(proj|lin)|(query|key)_proj)$")

Lengths = Mapping[str, tuple[int, int]]


def row_of(inputs: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    """One row of a batch, with its padding."""
    return {name: value[row : row + 1] for name, value in inputs.items()}


@dataclass(frozen=True)
class Family:
    """One architecture with a head, as somebody would serve it.

    model: the class in transformers. config: its tiny configuration. inputs: a batch of two rows, texts padded on the
    right. sites: layers of each site. lengths: of each row, (queries, keys) of each site without the padding. kv_heads:
    where they are grouped. outputs: the attribute of the model's outputs that holds a site's eager weights. hooked: for
    what the outputs keep to themselves, a pattern of the modules that return (output, weights). follows: calls
    AttentionInterface. baseline: the implementation whose prediction is the true one. masks: of each layer of a site,
    the kinds of its mask. leaks: a row may sum to less than 1.
    batched: one pass over both rows can be recorded.
    split: the inputs of one row.
    """

    name: str
    model: str
    config: Callable[[], Any]
    inputs: Callable[[], dict[str, Tensor]]
    sites: dict[str, int]
    lengths: tuple[Lengths, Lengths]
    outputs: dict[str, str] = field(default_factory=dict)
    hooked: dict[str, str] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    kv_heads: dict[str, int] = field(default_factory=dict)
    masks: dict[str, tuple[set[str], ...]] = field(default_factory=dict)
    follows: bool = True
    baseline: str = "sdpa"
    leaks: bool = False
    batched: bool = True
    split: Callable[[dict[str, Tensor], int], dict[str, Tensor]] = row_of

    def build(self, implementation: str = "sdpa", dtype: torch.dtype = torch.float32) -> Any:
        """The model on one attention implementation; the same weights at every call."""
        config = copy.deepcopy(self.config())
        torch.manual_seed(0)
        network = getattr(transformers, self.model)._from_config(config, attn_implementation=implementation)
        randomise(network, zlib.crc32(self.name.encode()))
        return network.eval().to(dtype)


def randomise(network: nn.Module, seed: int) -> None:
    """Weights of the size that trained ones have, instead of the 0.02 of a fresh model; norms stay as they are."""
    generator = torch.Generator().manual_seed(seed)
    visited: set[int] = set()
    with torch.no_grad():
        for path, module in network.named_modules():
            if "norm" in type(module).__name__.lower():
                continue
            for name, parameter in module.named_parameters(recurse=False):
                if id(parameter) in visited:  # tied: the first name it is met under decides
                    continue
                visited.add(id(parameter))
                parameter.normal_(0, deviation(module, path, name, parameter), generator=generator)


def deviation(module: nn.Module, path: str, name: str, parameter: Tensor) -> float:
    """The standard deviation that keeps activations near 1."""
    if isinstance(module, nn.Embedding):
        return parameter.shape[1] ** -0.5  # tied to the output, it makes logits near 1
    if name == "weight" and parameter.ndim > 1:
        inputs = parameter.shape[0] if type(module).__name__ == "Conv1D" else parameter[0].numel()
        return (SHARPNESS if SHARPENED.search(path) else 1.0) / inputs**0.5
    return 0.2 if parameter.ndim == 1 or parameter.ndim > 2 else 0.5


def ids(lengths: tuple[int, ...], pad: int, seed: int) -> Tensor:
    """Token ids, none of them special, padded on the right."""
    drawn = torch.randint(8, VOCABULARY, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(seed))
    return drawn.masked_fill(attended(lengths) == 0, pad)


def attended(lengths: tuple[int, ...]) -> Tensor:
    """1 for what is real, 0 for padding."""
    return (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]).long()


def pixels(height: int = 32, width: int = 32) -> Tensor:
    """Two pictures of noise."""
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(3))


def read(pad: int = 0) -> Callable[[], dict[str, Tensor]]:
    """Inputs of a model that reads one text."""
    return lambda: {"input_ids": ids(TOKENS, pad, 1), "attention_mask": attended(TOKENS)}


def written(pad: int = 1) -> dict[str, Tensor]:
    """Targets of an encoder-decoder."""
    return {"decoder_input_ids": ids(TARGET, pad, 2)}


def square(site: str, *lengths: int) -> tuple[Lengths, Lengths]:
    """The lengths of a site whose queries and keys are one sequence."""
    first, second = lengths if len(lengths) == 2 else lengths * 2
    return {site: (first, first)}, {site: (second, second)}


def crossed(source: tuple[int, int], target: tuple[int, int] = TARGET) -> tuple[Lengths, Lengths]:
    """The lengths of an encoder-decoder."""
    first, second = (
        {"encoder": (s, s), "decoder": (t, t), "cross": (t, s)} for s, t in zip(source, target, strict=True)
    )
    return first, second


def configured(kind: str, **options: Any) -> Callable[[], Any]:
    """A configuration of this type, small unless said otherwise."""
    small = {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
    }
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return lambda: transformers.AutoConfig.for_model(kind, **{**small, **special, **options})


ENCODED = {"encoder": "encoder_attentions", "decoder": "decoder_attentions", "cross": "cross_attentions"}
CAUSAL, SLIDING, FULL = {"causal"}, {"causal", "sliding_window"}, {"full"}
THREE = {"encoder": 2, "decoder": 2, "cross": 2}
THREE_MASKS = {"encoder": (FULL, FULL), "decoder": (CAUSAL, CAUSAL), "cross": (FULL, FULL)}
