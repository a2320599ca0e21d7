"""Windowed attention over a grid (Swin): maps over all patches of a stage, put together from the windows' own.

The model cuts the grid, padded and cyclically shifted, into windows and attends inside each. A map here has the grid's
cells in raster order, padding cells included, for the model attends to those too; a cell sees the cells of its own
window that lie in its own region, since a shifted window holds parts of the grid that are no neighbours.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from heedmap.model.attention.biases import Windowed
from heedmap.model.attention.masks import Blocks
from heedmap.model.errors import TraceError


@dataclass(frozen=True)
class GridLayout:
    """How one layer cuts its grid.

    height, width: of the grid in cells, padding included; window: cells a side of a window; shift: cells that the grid
    is rolled up and left by.
    """

    height: int
    width: int
    window: int
    shift: int

    @property
    def cells(self) -> int:
        """Cells of the grid."""
        return self.height * self.width

    @property
    def windows(self) -> int:
        """Windows of the grid."""
        return self.cells // self.window**2

    def order(self) -> Tensor:
        """For each cell in raster order its place in the windows' order."""
        grid = torch.arange(self.cells).view(self.height, self.width)
        cells = self._partition(torch.roll(grid, (-self.shift, -self.shift), dims=(0, 1)))
        place = torch.empty_like(cells)
        place[cells] = torch.arange(self.cells)
        return place

    def blocks(self) -> Tensor:
        """For each cell in raster order a number of its window and region."""
        rows, columns = (self._regions(length) for length in (self.height, self.width))
        regions = self._partition(rows[:, None] * 3 + columns[None, :])
        numbers = torch.arange(self.cells) // self.window**2 * 9 + regions
        return numbers[self.order()]

    def raster(self, x: Tensor) -> Tensor:
        """(B·windows, H, cells of a window, ...) -> (B, H, cells, ...), in raster order."""
        count, heads, inside, *rest = x.shape
        grid = x.view(count // self.windows, self.windows, heads, inside, *rest).transpose(1, 2)
        return grid.reshape(count // self.windows, heads, self.cells, *rest)[:, :, self.order().to(x.device)]

    def bias(self, bias: Tensor | None) -> Windowed | None:
        """What (1 or B·windows, H, W, W) adds, without the shift's regions, which `blocks` hides.

        Raises:
            TraceError: the windows differ in more than their regions.
        """
        if bias is None:
            return None
        place = self.order() % self.window**2
        table = bias[0].detach().float().cpu()  # the first window has one region
        if bias.shape[0] > 1:
            regions = self.blocks()[_inverse(self.order())].view(self.windows, -1)
            apart = regions[:, :, None] != regions[:, None, :]
            inside = bias[: self.windows].detach().float().cpu()
            same = torch.where(apart[:, None], table, inside)
            if not torch.equal(same, table.expand_as(same)):
                raise TraceError("the windows of a layer have different biases")
            if apart.any() and not bool((inside - table).movedim(1, -1)[apart].max() <= -50):
                raise TraceError("a shifted window does not hide its other regions")
        return Windowed(table.contiguous(), place)

    def mask(self) -> Blocks:
        """Which cells see which."""
        return Blocks(self.blocks())

    def _partition(self, grid: Tensor) -> Tensor:
        side = self.window
        windows = grid.view(self.height // side, side, self.width // side, side).transpose(1, 2)
        return windows.reshape(-1)

    def _regions(self, length: int) -> Tensor:
        """Along one side of the shifted grid: what stays, and the two parts that the last windows hold."""
        index = torch.arange(length)
        if not self.shift:
            return torch.zeros_like(index)
        return (index >= length - self.window).long() + (index >= length - self.shift).long()


def _inverse(order: Tensor) -> Tensor:
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(len(order))
    return inverse


def grid_layout(layer: Any, grid: tuple[int, int]) -> GridLayout:
    """How a Swin layer cuts a grid of (rows, columns): a grid no larger than a window is one window, unshifted."""
    window, shift = int(layer.window_size), int(layer.shift_size)
    if min(grid) <= window:
        window, shift = min(grid), 0
    height, width = (-(-side // window) * window for side in grid)
    return GridLayout(height, width, window, shift)
