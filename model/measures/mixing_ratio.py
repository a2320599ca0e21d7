"""How much of what an attention block makes of a token comes from other tokens."""

from heedmap.model.measures.base import HeadMeasure


class MixingRatio(HeadMeasure):
    """What other tokens bring, beside what is kept: the residual, and what the token's own value brings.

    It is a layer's: heads add up before it is taken, so that those of one layer share it.
    """

    name, statistic = "mixing-ratio", "mixing"
    description = "How much of a token's representation behind the attention block comes from other tokens: a layer's."
    formula = "m_i / (m_i + p_i), m_i = ||sum_j!=i,h A_ij f_j||, p_i = ||sum_h A_ii f_i + x_i||, scaled; mean over i"
    source = (
        "Kobayashi et al. 2021, Incorporating residual and normalization layers into analysis of masked language models"
    )
    range = "0, all is the token's own, to 1, all is others'"
    cost = "Kept with the trace: one more product with the output projection, when it is made."
    where = (
        "where a layer normalisation follows directly on the residual, as in BERT, and keys are the queries' own "
        "positions: not of cross-attention, nor of patched outputs"
    )
    example = "Does this layer move anything between tokens, or does the residual drown it?"
