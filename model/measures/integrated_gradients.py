"""Integrated gradients on the embeddings of the input."""

import numpy as np
from numpy.typing import NDArray

from heedmap.model.contract import Request
from heedmap.model.measures.base import TokenMeasure
from heedmap.model.trace.embeddings import InputTokens
from heedmap.model.watch import Stop, never

# Points of a Gauss-Legendre rule on the way from the baseline. The paper takes 20 to 300 of a plain sum; twenty of
# this rule sum up to what the objective gains to a hundredth where it is smooth.
POINTS = 20


class IntegratedGradients(TokenMeasure):
    """The objective's gradient by each token's embedding, integrated from an embedding of zeros to the real one.

    All tokens of the input grow together; special tokens, and an output that is given, stay as they are. The values
    sum up to what the objective gains on the way (completeness).
    """

    name = "integrated-gradients"
    description = "What each token adds to the objective, as its embedding grows from zero along with all others."
    formula = "<e_j, int_0^1 dF/de_j at (t e) dt>, t over all tokens of the input that are not special"
    source = "Sundararajan, Taly and Yan 2017, Axiomatic attribution for deep networks"
    range = "any number, in the objective's units; they sum to F(input) - F(zeros)"
    signed = True
    objective = True
    cost = f"{POINTS} passes forth and back."
    where = "where a model looks its input up in a table of embeddings, and there is an objective"
    example = "Which words would the answer not be what it is without, whatever way they went?"

    def scores(
        self, model: object, request: Request, tokens: InputTokens, cancelled: Stop = never
    ) -> NDArray[np.float64]:
        """By the Gauss-Legendre rule."""
        nodes, weights = np.polynomial.legendre.leggauss(POINTS)
        passes = self.differentiable(model, request).along_embeddings(
            request, tokens, ((nodes + 1) / 2).tolist(), cancelled
        )
        total: NDArray[np.float64] = (weights / 2) @ passes.slopes
        return total
