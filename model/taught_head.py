"""The cross head that a model was taught to align by, as checkpoints and traces name it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Reading = Literal["output", "input"]
"""Of the two rows of a target token that which writes it, or that which reads it as the next input."""

TAUGHT = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})\.(output|input)", re.ASCII)


@dataclass(frozen=True)
class TaughtHead:
    """The cross head that a model was taught to align by, and the row of a token to read it in."""

    layer: int
    head: int
    reading: Reading

    def __str__(self) -> str:
        """As a trace names it among what it says of its model, under `alignment`."""
        return f"{self.layer}.{self.head}.{self.reading}"

    @classmethod
    def of(cls, model: Mapping[str, str], layers: int, heads: int) -> "TaughtHead | None":
        """What a trace says of its model; None where it names no head, or none of so many layers and heads."""
        match = TAUGHT.fullmatch(str(model.get("alignment", "")))
        if match is None or int(match[1]) >= layers or int(match[2]) >= heads:
            return None
        return cls(int(match[1]), int(match[2]), match[3])  # type: ignore[arg-type]  # one of the two by the pattern
