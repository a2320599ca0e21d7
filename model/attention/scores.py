"""How well a query matches a key: the only score formulas of the project.

    dot         <q, k>                           Luong et al. 2015
    scaled dot  <q, k> * scale                   Vaswani et al. 2017, scale = 1/sqrt(D)
    general     <q W, k>                         Luong et al. 2015, bilinear
    additive    v . tanh(W_q q + W_k k)          Bahdanau et al. 2015
    soft-capped cap * tanh(<q, k> * scale / cap) Gemma Team 2024 (Gemma 2)

A projection moves the query or the key alone, so every formula has two stages: `project` each side once, then score
the pairs. A trace keeps the projected sides, and a map needs only the second stage.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.errors import TraceError


class Score(ABC):
    """A pair formula over queries and keys that are already projected."""

    @abstractmethod
    def __call__(self, q: Float[Tensor, "*H Q D"], k: Float[Tensor, "*H K D"]) -> Float[Tensor, "*H Q K"]:
        """Scores of every query with every key, before bias, mask and softmax."""

    def less(
        self, q: Float[Tensor, "H Q D"], k: Float[Tensor, "H K D"], base: Float[Tensor, "H Q"]
    ) -> Float[Tensor, "H Q K"]:
        """Scores less a number for each query, such as its log-sum-exp."""
        return self(q, k).sub_(base[..., None])

    def of_products(self, products: Float[Tensor, "*H Q K"]) -> Float[Tensor, "*H Q K"]:
        """Scores of inner products that are there already, where the formula is one of them; may reuse their memory.

        Raises:
            NotImplementedError: it is not.
        """
        raise NotImplementedError(f"{type(self).__name__} is no formula of inner products")

    def of_heads(self, heads: Sequence[int]) -> "Score":
        """The formula of these heads alone, where it is not the same for all."""
        return self

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The formula as JSON; an additive formula's vector is a tensor beside it."""


@dataclass(frozen=True)
class ScaledDot(Score):
    """scale * <q, k>; the plain dot is scale 1."""

    scale: float

    @classmethod
    def for_size(cls, size: int) -> "ScaledDot":
        """The usual scale, 1/sqrt(D), which keeps the scores' variance at 1 for unit-variance q and k."""
        return cls(1 / math.sqrt(size))

    def __call__(self, q: Float[Tensor, "*H Q D"], k: Float[Tensor, "*H K D"]) -> Float[Tensor, "*H Q K"]:
        return self.of_products(q @ k.mT)

    def of_products(self, products: Float[Tensor, "*H Q K"]) -> Float[Tensor, "*H Q K"]:
        return products * self.scale

    def less(
        self, q: Float[Tensor, "H Q D"], k: Float[Tensor, "H K D"], base: Float[Tensor, "H Q"]
    ) -> Float[Tensor, "H Q K"]:
        """All of it inside the product: each pass over a block in memory costs as much as the product itself."""
        return torch.baddbmm(base[..., None].to(q.dtype), q, k.mT, beta=-1, alpha=self.scale)

    def describe(self) -> dict[str, Any]:
        return {"kind": "dot" if self.scale == 1 else "scaled_dot", "scale": self.scale}


@dataclass(frozen=True)
class SoftCapped(Score):
    """cap * tanh(scale * <q, k> / cap): no score is larger than the cap (Gemma 2)."""

    scale: float
    cap: float

    def __call__(self, q: Float[Tensor, "*H Q D"], k: Float[Tensor, "*H K D"]) -> Float[Tensor, "*H Q K"]:
        return self.of_products(q @ k.mT)

    def of_products(self, products: Float[Tensor, "*H Q K"]) -> Float[Tensor, "*H Q K"]:
        return torch.tanh(products * (self.scale / self.cap)) * self.cap

    def describe(self) -> dict[str, Any]:
        return {"kind": "soft_capped", "scale": self.scale, "cap": self.cap}


@dataclass(frozen=True)
class Tempered(Score):
    """Another formula, times a number for each head: what no change of the queries can do to a soft-cap."""

    score: Score
    factors: tuple[float, ...]

    def __call__(self, q: Float[Tensor, "*H Q D"], k: Float[Tensor, "*H K D"]) -> Float[Tensor, "*H Q K"]:
        return self._times(self.score(q, k))

    def of_products(self, products: Float[Tensor, "*H Q K"]) -> Float[Tensor, "*H Q K"]:
        return self._times(self.score.of_products(products))

    def _times(self, scores: Float[Tensor, "*H Q K"]) -> Float[Tensor, "*H Q K"]:
        factors = torch.tensor(self.factors, device=scores.device, dtype=scores.dtype)
        return scores * factors[:, None, None]

    def of_heads(self, heads: Sequence[int]) -> "Tempered":
        return Tempered(self.score.of_heads(heads), tuple(self.factors[head] for head in heads))

    def describe(self) -> dict[str, Any]:
        inner = self.score.describe()
        return {"kind": "tempered", "scale": inner["scale"], "score": inner, "factors": list(self.factors)}


@dataclass(frozen=True, eq=False)
class Additive(Score):
    """v . tanh(q + k), with the vector v that makes it a scalar."""

    vector: Float[Tensor, "D"]

    def __call__(self, q: Float[Tensor, "*H Q D"], k: Float[Tensor, "*H K D"]) -> Float[Tensor, "*H Q K"]:
        return torch.tanh(q[..., :, None, :] + k[..., None, :, :]) @ self.vector.to(q.dtype)

    def describe(self) -> dict[str, Any]:
        return {"kind": "additive", "scale": 1.0}


def dot(q: Float[Tensor, "*H Q D"], k: Float[Tensor, "*H K D"]) -> Float[Tensor, "*H Q K"]:
    """<q, k> (Luong et al. 2015)."""
    return ScaledDot(1.0)(q, k)


def scaled_dot(
    q: Float[Tensor, "*H Q D"], k: Float[Tensor, "*H K D"], scale: float | None = None
) -> Float[Tensor, "*H Q K"]:
    """<q, k> * scale, by default 1/sqrt(D) (Vaswani et al. 2017, equation 1)."""
    return (ScaledDot.for_size(q.shape[-1]) if scale is None else ScaledDot(scale))(q, k)


def general(
    q: Float[Tensor, "*H Q M"], k: Float[Tensor, "*H K D"], matrix: Float[Tensor, "M D"]
) -> Float[Tensor, "*H Q K"]:
    """<q W, k>, bilinear: the sides may be of different widths (Luong et al. 2015, "general")."""
    return dot(q @ matrix, k)


def additive(
    q: Float[Tensor, "*H Q M"],
    k: Float[Tensor, "*H K N"],
    query_matrix: Float[Tensor, "D M"],
    key_matrix: Float[Tensor, "D N"],
    vector: Float[Tensor, "D"],
) -> Float[Tensor, "*H Q K"]:
    """v . tanh(W_q q + W_k k) (Bahdanau et al. 2015, appendix A.1.2)."""
    return Additive(vector)(q @ query_matrix.mT, k @ key_matrix.mT)


def _are_real(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)


def from_description(description: dict[str, Any], vector: Tensor | None = None) -> Score:
    """The score that `Score.describe` wrote; an additive one needs its vector.

    Raises:
        TraceError: the description is not one of a score, or the vector is missing.
    """
    kind = description.get("kind")
    if kind in ("dot", "scaled_dot") and isinstance(description.get("scale"), int | float):
        return ScaledDot(float(description["scale"]))
    if kind == "soft_capped" and {"scale", "cap"} <= description.keys():
        return SoftCapped(float(description["scale"]), float(description["cap"]))
    if kind == "additive" and vector is not None:
        return Additive(vector)
    if kind == "tempered" and isinstance(description.get("score"), dict) and _are_real(description.get("factors")):
        return Tempered(from_description(description["score"], vector), tuple(map(float, description["factors"])))
    raise TraceError(f"not a description of a score: {description!r}")
