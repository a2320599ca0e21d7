"""Passes of our own networks with the embeddings of their input scaled."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from heedmap.model.contract import Objective, Prediction, Request
from heedmap.model.errors import HeedmapError, ParameterError
from heedmap.model.trace.embeddings import AlongEmbeddings, InputTokens, ScaledPass, along, unedited
from heedmap.model.watch import Stop, raise_if_cancelled


def embedded_passes(
    network: Any,
    request: Request,
    answer: Prediction | HeedmapError,
    value: Callable[[Objective, Prediction], Tensor],
    tokens: InputTokens,
    scales: Sequence[float],
    cancelled: Stop,
) -> AlongEmbeddings:
    """The objective of an answer at each scale.

    Args:
        network: with its `embedding`.
        answer: to the request; value: of the objective, in one pass.

    Raises:
        InputError: there is no answer, or no objective, or not of this answer; or attention is edited. Cancelled:
            `cancelled` became true.
    """
    if isinstance(answer, HeedmapError):
        raise answer
    unedited(request)
    if request.objective is None:
        raise ParameterError("there is no objective to differentiate", field="objective")
    points = []
    for scale in scales:
        raise_if_cancelled(cancelled)
        one = ScaledPass(tokens, scale)
        with torch.inference_mode(False), torch.enable_grad(), one.through([network.embedding]):
            result = value(request.objective, answer)
            points.append((result, one.slopes(result)))
    return along(points)
