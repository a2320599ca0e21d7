"""Gradients that know what a softmax and a norm hide."""

import numpy as np
from numpy.typing import NDArray

from heedmap.model.contract import Request
from heedmap.model.measures.base import TokenMeasure
from heedmap.model.trace.embeddings import InputTokens
from heedmap.model.watch import Stop, never


class Gim(TokenMeasure):
    """The objective's gradient by each token's embedding, times the embedding, by GIM's backward pass.

    Norms hold the size of what they read still, softmaxes are differentiated at twice the temperature, and the
    gradient of a product is shared out among its factors, so that what stands in for something else hides it no longer.
    """

    name = "gim"
    description = "The gradient times the embedding, by a backward pass in which nothing stands in for anything else."
    formula = "<e_j, dF/de_j>, with held norms, dS = P (dP - sum_j P dP), P = softmax(S / 2), and shared gradients"
    source = "Edin et al. 2025, GIM: Improved interpretability for large language models"
    range = "any number, in the objective's units"
    signed = True
    objective = True
    cost = "One pass forth and two of attention, and back."
    where = "where attention is a softmax of products, norms are of a known kind, and there is an objective"
    example = "Which words matter though others could take their place?"

    def scores(
        self, model: object, request: Request, tokens: InputTokens, cancelled: Stop = never
    ) -> NDArray[np.float64]:
        """By one pass."""
        passes = self.differentiable(model, request).along_embeddings(request, tokens, [1.0], cancelled, gim=True)
        slopes: NDArray[np.float64] = passes.slopes[0]
        return slopes
