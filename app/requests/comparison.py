"""The request of a comparison of maps."""

from typing import Annotated, Literal

from pydantic import Field

from heedmap.app.requests.schemas import Strict


class OtherPlace(Strict):
    """A layer and a head of the second trace of a comparison."""

    layer: int | None = Field(None, description="The layer of the first unless given.")
    head: int | None = Field(None, description="The head of the first unless given.")


Bounds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class CompareRequest(Strict):
    """Two traces, or one with itself, whose maps of a site are compared."""

    traces: Annotated[list[str], Field(min_length=2, max_length=2)] = Field(
        description="The ids of two traces; the same one twice compares its layers or heads."
    )
    site: str = Field(examples=["cross"])
    layer: int | None = Field(None, description="From 0, negatives from the end; all layers unless given.")
    head: int | None = Field(None, description="From 0, negatives from the end; all heads unless given.")
    other: OtherPlace = Field(OtherPlace(), description="What of the second trace is compared with that.")
    rows: Bounds | None = Field(None, description="Of the difference: queries [a, b] of the first, half open.")
    cols: Bounds | None = Field(None, description="Of the difference: keys [a, b] of the first, half open.")
    level: int = Field(0, ge=0, le=62, description="Of the difference: blocks of 2^level x 2^level cells.")
    how: Literal["mean", "max"] = Field(
        "mean", description="A block's mean difference, or its largest one whatever the sign."
    )
    top: int = Field(3, ge=0, le=50, description="Of each head: so many of the rows that differ most.")
