"""The measures of heads that tell by which token a key is: previous-token, duplicate-token and induction heads.

Where a site's keys are its own tokens, one pass over the rows takes them together.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap, sampled_rows
from heedmap.model.measures.base import HeadMeasure

ROWS = 256  # of a longer map, from which these are taken: every cell of a row is compared by its token
COST = f"One more pass over the map for the three of them; over {ROWS} rows of a longer one."
WHERE = "where the keys of a site are its own tokens, and "


class PreviousToken(HeadMeasure):
    """The weight on the token before."""

    name, statistic = "previous-token", "previous"
    description = "The weight on the token before the query's own: what induction heads are built on."
    formula = "A_i,i-1, mean over i > 0"
    source = "Olsson et al. 2022, In-context learning and induction heads; Voita et al. 2019"
    range = "0 to 1"
    cost = COST
    where = WHERE + "there are two at least"
    example = "Which heads carry each token to its successor?"


class DuplicateToken(HeadMeasure):
    """The weight on equal tokens elsewhere."""

    name, statistic = "duplicate-token", "duplicate"
    description = "The weight on other places where the query's own token stands."
    formula = "sum of A_ij over j != i with t_j = t_i, mean over the i that see such a j"
    source = "Wang et al. 2022, Interpretability in the wild"
    range = "0 to 1"
    cost = COST
    where = WHERE + "one of them stands in two places"
    example = "Which heads notice that a name was said before?"


class Induction(HeadMeasure):
    """The weight on what followed an equal token."""

    name = statistic = "induction"
    description = "The weight on tokens that followed where the query's own token stood elsewhere."
    formula = "sum of A_ij over j != i with t_j-1 = t_i and j - 1 != i, mean over the i that see such a j"
    source = "Olsson et al. 2022, In-context learning and induction heads: prefix matching"
    range = "0 to 1"
    cost = COST
    where = WHERE + "one of them stands in two places"
    example = "Which heads continue a text as it went before?"


STATISTICS = (PreviousToken.statistic, DuplicateToken.statistic, Induction.statistic)


def matches(ids: Int[Tensor, "K"], rows: Int[Tensor, "R"], cols: Int[Tensor, "C"]) -> dict[str, Bool[Tensor, "R C"]]:
    """By statistic, the cells of a block whose weight counts; the mask is another matter."""
    other = cols != rows[:, None]
    before = ids[(cols - 1).clamp(min=0)]
    follows = (before == ids[rows][:, None]) & (cols > 0) & (cols - 1 != rows[:, None])
    return {
        "previous": cols == rows[:, None] - 1,
        "duplicate": other & (ids[cols] == ids[rows][:, None]),
        "induction": other & follows,
    }


def token_statistics(layer: AttentionMap, ids: Sequence[int], rows: int = ROWS) -> dict[str, Float[Tensor, "H"]]:
    """The three of each head of a square map, whose positions are these tokens; NaN where no row has such a key.

    Means over the rows that see such a key, of so many rows at most, spread evenly. A special token counts as any.
    """
    return {name: means for name, (means, _) in weighted_token_statistics(layer, ids, rows).items()}


def weighted_token_statistics(
    layer: AttentionMap, ids: Sequence[int], rows: int = ROWS
) -> dict[str, tuple[Float[Tensor, "H"], float]]:
    """`token_statistics`, each with how many rows of the whole map see such a key: counted, or told by the sample."""
    device = layer.q.device
    tokens = torch.tensor(list(ids), device=device)
    totals = {name: torch.zeros(layer.heads, dtype=torch.float64, device=device) for name in STATISTICS}
    counts = {name: torch.zeros((), dtype=torch.float64, device=device) for name in STATISTICS}
    sample = torch.tensor(sampled_rows(layer.shape[0], rows), device=device)
    for index, cols, block in layer.some_rows(sample):
        columns = torch.arange(cols.start, cols.stop, device=device)
        visible = layer.mask.visible(index, columns)[0]
        for name, cells in matches(tokens, index, columns).items():
            totals[name] += (block * (cells & visible)).sum(dim=(1, 2))
            counts[name] += (cells & visible).any(dim=1).sum()
    share = layer.shape[0] / len(sample)
    return {  # 0 / 0 is NaN
        name: ((totals[name] / counts[name]).float().cpu(), share * float(counts[name])) for name in STATISTICS
    }
