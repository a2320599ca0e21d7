"""What the maps of a family must be, by transformers' own eager attention; nothing here knows the product."""

import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from tests.model.hub.family import Family

Maps = dict[str, list[Tensor]]


def reference_maps(family: Family, dtype: torch.dtype = torch.float32, inputs: dict[str, Tensor] | None = None) -> Maps:
    """The weights of every layer of every site, (B, H, Q, K), padding and all; of the family's own batch by default."""
    network = family.build("eager", dtype)
    inputs = cast(family.inputs() if inputs is None else inputs, dtype)
    with torch.no_grad(), overheard(network, family.hooked) as hooked:
        outputs = network(**inputs, output_attentions=True)
    returned = {site: list(attrgetter(path)(outputs)) for site, path in family.outputs.items()}
    if network.config.model_type == "swin":
        return {site: unwindowed(network, inputs["pixel_values"], site, layers) for site, layers in hooked.items()}
    return {site: (returned | hooked)[site] for site in family.sites}


def reference_gradients(family: Family, inputs: dict[str, Tensor], value: Callable[[Any], Tensor]) -> Maps:
    """The gradient of a value of the outputs at the weights of every layer of every site, by autograd through them."""
    network = family.build("eager")
    with overheard(network, family.hooked) as hooked:
        outputs = network(**inputs, output_attentions=True)
    weights = {site: list(attrgetter(path)(outputs)) for site, path in family.outputs.items()} | hooked
    gradients = {
        site: list(torch.autograd.grad(value(outputs), layers, retain_graph=True, allow_unused=True))
        for site, layers in weights.items()
    }
    gradients = {
        site: [torch.zeros_like(w) if g is None else g for g, w in zip(layers, weights[site], strict=True)]
        for site, layers in gradients.items()
    }
    if network.config.model_type == "swin":
        return {site: unwindowed(network, inputs["pixel_values"], site, layers) for site, layers in gradients.items()}
    return {site: gradients[site] for site in family.sites}


def cast(inputs: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The same inputs, numbers that are no ids in another precision."""
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs.items()}


@contextmanager
def overheard(network: nn.Module, hooked: dict[str, str]) -> Iterator[Maps]:
    """The weights of modules that keep them out of the model's outputs, in order of their calls."""
    weights: Maps = {site: [] for site in hooked}
    undo: list[Any] = []
    for path, module in network.named_modules():
        site = next((site for site, pattern in hooked.items() if re.search(f"{pattern}$", path)), None)
        if site is None:
            continue
        if network.config.model_type == "qwen2_vl":
            undo.append(images_of(module, weights[site]))
        else:
            hook = module.register_forward_hook(lambda _, __, out, site=site: weights[site].append(out[1]))
            undo.append(hook.remove)
    try:
        yield weights
    finally:
        for each in reversed(undo):
            each()


def images_of(attention: nn.Module, layers: list[Tensor]) -> Any:
    """Qwen2-VL attends within one picture at a time and drops the weights: they are caught where they are computed."""
    home = importlib.import_module(type(attention).__module__)
    eager = home.eager_attention_forward
    caught: list[Tensor] = []

    def keep(module: nn.Module, *tensors: Any, **options: Any) -> Any:
        output, weights = eager(module, *tensors, **options)
        if module is attention:
            caught.append(weights[0])
        return output, weights

    def finish(*_: Any) -> None:
        size = max(weights.shape[-1] for weights in caught)
        room = [(0, size - weights.shape[-1]) * 2 for weights in caught]
        layers.append(torch.stack([nn.functional.pad(w, r) for w, r in zip(caught, room, strict=True)]))

    patch = mock.patch.object(home, "eager_attention_forward", keep)
    patch.start()
    hook = attention.register_forward_hook(finish)
    return lambda: (patch.stop(), hook.remove())


def unwindowed(network: nn.Module, pictures: Tensor, site: str, layers: list[Tensor]) -> list[Tensor]:
    """Swin's weights within windows as maps of cells x cells, in the raster order of the stage's grid.

    The grid is the padded one: the model attends to what it added to fill the last windows, too.
    """
    config = network.config
    high, wide = (side // config.patch_size for side in pictures.shape[-2:])
    for _ in range(int(site.removeprefix("stage"))):
        high, wide = -(-high // 2), -(-wide // 2)
    size = config.window_size
    maps = []
    for index, weights in enumerate(layers):
        shift = size // 2 if index % 2 and min(high, wide) > size else 0
        windows = members(-(-high // size) * size, -(-wide // size) * size, size, shift)
        cells = sum(map(len, windows))
        full = weights.new_zeros(len(pictures), weights.shape[1], cells, cells)
        for position, block in enumerate(weights):
            window = windows[position % len(windows)]
            for row, query in enumerate(window):
                full[position // len(windows), :, query, window] = block[:, row]
        maps.append(full)
    return maps


def members(high: int, wide: int, size: int, shift: int) -> list[list[int]]:
    """The cells of each window of a grid that is first rolled up and left, then cut."""
    windows = []
    for top in range(0, high, size):
        for left in range(0, wide, size):
            cells = [(top + row, left + column) for row in range(size) for column in range(size)]
            windows.append([(row + shift) % high * wide + (column + shift) % wide for row, column in cells])
    return windows
