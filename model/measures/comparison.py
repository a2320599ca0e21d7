"""Two maps side by side: how far their rows are apart, and where they differ, cell by cell at any zoom.

Rows and columns are matched first (`matching`); the weights stay the kernels' own. A key without a partner is an
outcome that the other row has not, and what a row gives to no key (a sink's share) is one that both have: so both sum
to 1, and nothing is renormalised.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap, sampled_rows, span
from heedmap.model.attention.tiles import How, size_at
from heedmap.model.errors import RangeError
from heedmap.model.measures.matching import Match

CELLS = 1 << 22  # of all heads that are compared at one go: 16 MiB a side, some tens of milliseconds of a CPU
ROWS = 1024  # of a long map, which are compared, spread evenly: as many as its statistics are taken from


def jensen_shannon(p: Float[Tensor, "*B K"], q: Float[Tensor, "*B K"]) -> Float[Tensor, "*B"]:
    """Jensen-Shannon divergence of distributions, in nats: 0 for equal ones, log 2 for those that share nothing.

        H((p + q) / 2) - (H(p) + H(q)) / 2

    Source: Lin, Divergence measures based on the Shannon entropy, IEEE Transactions on Information Theory 37(1), 1991.
    """
    p, q = p.double(), q.double()  # a small difference of two entropies
    mixed = torch.special.entr((p + q) / 2) - (torch.special.entr(p) + torch.special.entr(q)) / 2
    divergence: Tensor = mixed.sum(dim=-1).clamp(min=0).float()
    return divergence


def compared_rows(queries: Match, most: int = ROWS) -> list[tuple[int, int]]:
    """The pairs of rows that are compared: all that match, or so many of them, spread evenly."""
    partners = queries.partners()
    rows = [(row, int(other)) for row, other in enumerate(partners) if other >= 0]
    return [rows[index] for index in sampled_rows(len(rows), most)]


def divergences(
    one: AttentionMap, other: AttentionMap, rows: list[tuple[int, int]], keys: Match
) -> Iterator[Float[Tensor, "H R"]]:
    """How far apart these pairs of rows are, per head, in nats: some rows at a time, to be joined on the last axis.

    Both maps have as many heads; each is compared with the one of its number.
    """
    assert one.heads == other.heads, "heads are compared in pairs"
    other = other.to(one.q.device)
    device = one.q.device
    partners = torch.from_numpy(keys.partners()).to(device)
    mine = torch.nonzero(partners >= 0)[:, 0]
    its = partners[mine]
    step = max(1, CELLS // (one.heads * max(*keys.lengths)))
    for start in range(0, len(rows), step):
        part = torch.tensor(rows[start : start + step], device=device)
        p, p_missing, p_none = _outcomes(one.at(part[:, 0]), mine)
        q, q_missing, q_none = _outcomes(other.at(part[:, 1]), its)
        nothing = torch.zeros_like(p_missing)
        yield jensen_shannon(
            torch.cat([p, p_missing, nothing, p_none], dim=-1), torch.cat([q, nothing, q_missing, q_none], dim=-1)
        )


def _outcomes(
    weights: Float[Tensor, "H R K"], columns: Int[Tensor, "C"]
) -> tuple[Float[Tensor, "H R C"], Float[Tensor, "H R 1"], Float[Tensor, "H R 1"]]:
    """The weights of matched keys, what the others have, and what no key has."""
    matched = weights.index_select(-1, columns)
    total = weights.sum(dim=-1, keepdim=True)
    return matched, (total - matched.sum(dim=-1, keepdim=True)).clamp(min=0), (1 - total).clamp(min=0)


def differences(
    one: AttentionMap,
    other: AttentionMap,
    queries: Match,
    keys: Match,
    rows: slice = slice(None),
    cols: slice = slice(None),
    level: int = 0,
    how: How = "mean",
) -> Iterator[Float[Tensor, "R C"]]:
    """The second's weights less the first's, on a window of the first: blocks of 2^level x 2^level cells, some rows of
    blocks at a time; NaN where no cell of a block has a partner that the first's mask leaves visible.

    how: the mean of a block's differences, or the one that is largest, whatever its sign. Both maps are of one head.

    Raises:
        RangeError: the window is not inside the first's map, or there is no such level.
    """
    assert one.heads == other.heads == 1, "one head against one"
    height, width = span(rows, one.shape[0], "rows"), span(cols, one.shape[1], "cols")
    if not 0 <= level < 63:
        raise RangeError(f"level {level} does not exist: levels count from 0, full resolution", field="level")
    side = 1 << min(level, (max(len(height), len(width)) - 1).bit_length())  # one that holds all is as good as more
    other = other.to(one.q.device)
    row_partners, col_partners = (torch.from_numpy(match.partners()).to(one.q.device) for match in (queries, keys))
    blocks = max(1, CELLS // (side * len(width)))
    for start in range(0, size_at(len(height), level), blocks):
        first = height.start + start * side
        part = slice(first, min(first + blocks * side, height.stop))
        step = max(1, CELLS // len(width))
        reduced = _Reduced(side, how)
        for top in range(part.start, part.stop, step):
            some = slice(top, min(top + step, part.stop))
            reduced.add(
                _difference(one, other, row_partners[some], col_partners[width.start : width.stop], some, width)
            )
        yield reduced.blocks()


def _difference(
    one: AttentionMap,
    other: AttentionMap,
    rows: Int[Tensor, "R"],
    cols: Int[Tensor, "C"],
    part: slice,
    width: range,
) -> Float[Tensor, "R C"]:
    """Cell by cell; `rows` and `cols` are the partners, -1 where there is none."""
    across = slice(width.start, width.stop)
    cells = torch.full((len(rows), len(cols)), torch.nan, device=rows.device)
    mine, its = torch.nonzero(rows >= 0)[:, 0], torch.nonzero(cols >= 0)[:, 0]
    if len(mine) and len(its):
        columns = cols[its]  # in order: a run of the other's keys, with gaps
        begin, end = int(columns[0]), int(columns[-1]) + 1
        second = other.at(rows[mine], slice(begin, end))[0].index_select(-1, columns - begin)
        first = one.window(part, across)[0].index_select(0, mine).index_select(1, its)
        cells[mine[:, None], its[None, :]] = (second - first).float()
    return cells.masked_fill_(~one.visible(part, across), torch.nan)


class _Reduced:
    """Blocks of side x side cells, of strips of rows as they come: whole rows of blocks, or parts of a single one."""

    def __init__(self, side: int, how: How) -> None:
        self.side, self.how = side, how
        self.parts: list[Tensor] = []  # of rows of cells, reduced along the columns: what is a side-th of a map

    def add(self, cells: Float[Tensor, "R C"]) -> None:
        """The next rows."""
        side, (rows, columns) = self.side, cells.shape
        if side == 1:
            self.parts.append(cells)
            return
        filled = F.pad(cells, (0, -columns % side), value=torch.nan).view(rows, -1, side)
        known = ~filled.isnan()
        if self.how == "mean":
            total, count = filled.nansum(dim=-1).double(), known.sum(dim=-1)
        else:
            at = filled.abs().nan_to_num(-1.0).argmax(dim=-1, keepdim=True)
            total, count = filled.gather(-1, at)[..., 0], known.any(dim=-1)
        self.parts.append(torch.stack([total, count.to(total.dtype)]))

    def blocks(self) -> Float[Tensor, "R2 C2"]:
        """All of them; NaN where a block has no cell that is known."""
        if self.side == 1:
            return torch.cat(self.parts)
        total, count = torch.cat(self.parts, dim=1)  # R C2 each
        missing = -total.shape[0] % self.side
        total, count = (F.pad(x, (0, 0, 0, missing)).view(-1, self.side, x.shape[1]) for x in (total, count))
        if self.how == "mean":
            mean: Tensor = (total.nan_to_num(0).sum(dim=1) / count.sum(dim=1)).float()  # 0 / 0 is NaN
            return mean
        largest = (total.abs() * count).nan_to_num(-1.0).masked_fill(count == 0, -1.0).argmax(dim=1, keepdim=True)
        best = total.gather(1, largest)[:, 0]
        return best.masked_fill(count.sum(dim=1) == 0, torch.nan)
