"""The project's one dimension legend, as jaxtyping aliases.

    B batch            H query heads      G key/value heads (groups; H % G == 0)
    Q queries          K keys             D head size
    M model width      F feed-forward     V vocabulary       L layers

A letter never means anything else, in any signature of the project.
"""

from typing import TypeAlias

from jaxtyping import Bool, Float, Int
from torch import Tensor

Queries: TypeAlias = Float[Tensor, "B H Q D"]
Keys: TypeAlias = Float[Tensor, "B G K D"]
Values: TypeAlias = Float[Tensor, "B G K E"]  # E = D, but for scores whose keys are not as wide as the values
Output: TypeAlias = Float[Tensor, "B H Q E"]
LogSumExp: TypeAlias = Float[Tensor, "B H Q"]
Scores: TypeAlias = Float[Tensor, "B H Q K"]
Hidden: TypeAlias = Float[Tensor, "B Q M"]
Memory: TypeAlias = Float[Tensor, "B K M"]
Logits: TypeAlias = Float[Tensor, "B Q V"]
TokenIds: TypeAlias = Int[Tensor, "B Q"]
Lengths: TypeAlias = Int[Tensor, "B"]
Visible: TypeAlias = Bool[Tensor, "#B 1 Q K"]
Angles: TypeAlias = Float[Tensor, "Q N"]  # rotary: N = D/2 pairs of components
