"""What a measure is: anything derived from a trace that has a value for every cell of a map."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap


class Measure(ABC):
    """One way to look at a layer; it says of itself what it is, what it costs and when to use it."""

    name: ClassVar[str]
    description: ClassVar[str]
    cost: ClassVar[str]
    example: ClassVar[str]

    @abstractmethod
    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The measure on a block of rows and columns, for every head of the layer; 0 where masked.

        Raises:
            RangeError: the block is not inside the map.
        """

    def describe(self) -> dict[str, str]:
        """Name, description, cost and example, as JSON."""
        return {"name": self.name, "description": self.description, "cost": self.cost, "example": self.example}
