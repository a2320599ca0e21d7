"""How much of what a post-norm attention block makes of a token comes from other tokens: the mixing ratio.

    m_i = ||sum_j!=i,h A_ij f_j||     p_i = ||sum_h A_ii f_i + x_i||     m_i / (m_i + p_i)

f_j = v_j W_O of each head, x_i the residual, and all vectors as the layer normalisation scales them (Kobayashi et al.
2021, section 3). No vector of an edge is made: the sum over all keys is what the model had.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.operators import spread
from heedmap.model.trace.norms import PostNorm

ROWS = 64  # a side of the squares of the map that are computed for their diagonals


def mixing_ratios(
    layer: AttentionMap, output: Float[Tensor, "H Q E"], summed: Float[Tensor, "Q M"], behind: PostNorm
) -> Float[Tensor, "Q"]:
    """The ratio of each position, in float32: 0, nothing comes from others, to 1, all does.

    Args:
        layer: of a site whose keys are its queries.
        output: of its heads, before the projection.
        summed: what the normalisation took.
    """
    own = _diagonal(layer)[..., None] * spread(layer.v, layer.heads).float()  # H Q E
    others = (output.float() - own).transpose(0, 1).flatten(1) @ behind.projection.mT.to(output.device)  # Q M
    kept = summed.to(output.device).float() - behind.bias.to(output.device) - others
    mixed, preserved = (torch.linalg.vector_norm(behind.scaled(part), dim=-1) for part in (others, kept))
    ratios: Tensor = mixed / (mixed + preserved).clamp(min=torch.finfo(torch.float32).tiny)
    return ratios


def _diagonal(layer: AttentionMap) -> Float[Tensor, "H Q"]:
    parts = []
    for start in range(0, layer.shape[0], ROWS):
        square = slice(start, min(start + ROWS, layer.shape[0]))
        parts.append(layer.window(square, square).diagonal(dim1=1, dim2=2).float())
    return torch.cat(parts, dim=1)
