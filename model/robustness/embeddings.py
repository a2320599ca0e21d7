"""Embeddings of an input, moved: at random, or where the model's answer suffers most; and passes as functions of them.

A strength is a length relative to the mean embedding of the input: each token is moved by at most strength x the mean
L2 norm of the embeddings of its tokens. In the ball `linf` each of its M coordinates is moved by at most that divided
by sqrt(M), so that a corner of it is as long.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from heedmap.model.errors import HeedmapError, ModelFailure, ParameterError
from heedmap.model.prediction import Prediction
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never, raise_if_cancelled

MOST_TOKENS = 1024  # of an input, and of its output: every pass reads both in one piece, forth and back
STEPS = 10  # of PGD
FIELD = "perturbations"  # of a request for robustness, which is at fault where a model has no gradient
REACH = 2.5  # radii that PGD's steps go together: Madry's, enough to cross the ball

Ball = Literal["l2", "linf"]
Embeddings = Float[Tensor, "N M"]


class EmbeddedPass(ABC):
    """The pass over an input and the model's answer to it, as a function of the embeddings of the input's tokens.

    Whoever implements it leaves the model as it was after every call.

    prediction: the answer to the input as it is. axis: the name of the axis whose tokens are embedded. objective: what
    `value` is, in words.
    """

    prediction: Prediction
    axis: str
    objective: str = "log-probability of the answer, nats"

    def __init__(self, embeddings: Embeddings, special: list[bool]) -> None:
        wide = torch.promote_types(embeddings.dtype, torch.float32)
        with torch.inference_mode(False):
            self.embeddings = embeddings.detach().clone().to(wide)
        self.movable = torch.tensor([not each for each in special], device=embeddings.device)
        if not bool(self.movable.any()):
            raise ParameterError("there is no token of the input whose embedding could be moved", field="inputs")

    @property
    def length(self) -> float:
        """The mean L2 norm of the embeddings that may be moved."""
        return float(torch.linalg.vector_norm(self.embeddings[self.movable], dim=-1).mean())

    @abstractmethod
    def value(self, embeddings: Embeddings) -> Float[Tensor, ""]:
        """The log-probability of the answer (nats), or the logit of the class that it is; differentiable."""

    @abstractmethod
    def trace(self, embeddings: Embeddings, cancelled: Stop = never) -> Trace | HeedmapError:
        """What the model freely answers to these embeddings, recorded."""

    @abstractmethod
    def embed(self, ids: Int[Tensor, "R"]) -> Float[Tensor, "R M"]:
        """The embeddings of any tokens of the vocabulary."""

    @abstractmethod
    def allowed(self) -> Bool[Tensor, "V"]:
        """Which tokens of the vocabulary may stand in a text."""

    def measure(self, embeddings: Embeddings) -> float:
        """The objective there, without a gradient."""
        with torch.no_grad():
            return float(self.value(embeddings))

    def gradient(self, embeddings: Embeddings | None = None) -> tuple[float, Embeddings]:
        """The objective and its gradient at the embeddings of the input, or at others.

        Raises:
            ParameterError: none reaches them. ModelFailure: it is no finite number.
        """
        with torch.inference_mode(False), torch.enable_grad():
            point = (self.embeddings if embeddings is None else embeddings).detach().clone().requires_grad_()
            value = self.value(point)
            if not value.requires_grad:
                raise ParameterError(
                    "no gradient of the answer reaches this model's embeddings: perturb its texts instead", field=FIELD
                )
            [gradient] = torch.autograd.grad(value, [point])
        if not bool(torch.isfinite(gradient).all()):
            raise ModelFailure("the gradient at the embeddings holds what is no finite number", field="inputs")
        return float(value.detach()), gradient.detach()


@dataclass(frozen=True)
class Moved:
    """Embeddings that an attack found, and the objective there where it knows it."""

    embeddings: Embeddings
    value: float | None = None


def gaussian(one: EmbeddedPass, strength: float, seed: int) -> Embeddings:
    """Gaussian noise, each token's as long as the strength says: the direction is drawn, and the size is not."""
    draw = torch.Generator().manual_seed(seed)  # on the host: the same on any device
    noise = torch.randn(one.embeddings.shape, generator=draw, dtype=torch.float64).to(one.embeddings)
    noise = _unit(noise * one.movable[:, None])
    return one.embeddings + noise * (_checked(strength) * one.length)


def fgsm(one: EmbeddedPass, strength: float, ball: Ball = "l2") -> Moved:
    """One step down the gradient of the objective, to the edge of the ball.

    Source: Goodfellow, Shlens and Szegedy, Explaining and harnessing adversarial examples, ICLR 2015 (linf).
    """
    _, gradient = one.gradient()
    step = _steepest(gradient * one.movable[:, None], ball)
    return Moved(one.embeddings - step * (_checked(strength) * one.length))


def pgd(
    one: EmbeddedPass,
    strength: float,
    seed: int,
    ball: Ball = "l2",
    steps: int = STEPS,
    cancelled: Stop = never,
) -> Moved:
    """Projected steps down the gradient, from a random point of the ball; the lowest objective on the way is kept.

    Source: Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018.

    Raises:
        Cancelled: `cancelled` became true between two steps.
    """
    radius = _checked(strength) * one.length
    draw = torch.Generator().manual_seed(seed)
    start = torch.randn(one.embeddings.shape, generator=draw, dtype=torch.float64).to(one.embeddings)
    share = torch.rand(len(start), 1, generator=draw, dtype=torch.float64).to(start)
    offset = project(_unit(start * one.movable[:, None]) * share * radius, radius, ball)
    best = Moved(one.embeddings, None)
    for _ in range(steps):
        raise_if_cancelled(cancelled)
        value, gradient = one.gradient(one.embeddings + offset)
        if best.value is None or value < best.value:
            best = Moved(one.embeddings + offset, value)
        step = _steepest(gradient * one.movable[:, None], ball) * (REACH * radius / steps)
        offset = project(offset - step, radius, ball)
    last = one.measure(one.embeddings + offset)
    return Moved(one.embeddings + offset, last) if best.value is None or last < best.value else best


def project(offset: Embeddings, radius: float, ball: Ball) -> Embeddings:
    """The nearest offset in the ball."""
    if ball == "linf":
        most = radius / math.sqrt(offset.shape[-1])
        return offset.clamp(-most, most)
    norms = torch.linalg.vector_norm(offset, dim=-1, keepdim=True)
    inside: Tensor = offset * (radius / norms.clamp(min=1e-30)).clamp(max=1)
    return inside


def _steepest(gradient: Embeddings, ball: Ball) -> Embeddings:
    """Of the offsets in the ball of radius 1, the one along which the objective grows most to first order."""
    return gradient.sign() / math.sqrt(gradient.shape[-1]) if ball == "linf" else _unit(gradient)


def _unit(rows: Embeddings) -> Embeddings:
    """Rows of length 1, and rows of nothing but 0 as they are."""
    unit: Tensor = rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True).clamp(min=1e-30)
    return unit


def _checked(strength: float) -> float:
    if not 0 <= strength <= 1:
        raise ParameterError(f"a strength is from 0 to 1, got {strength:g}", field="strengths")
    return strength
