"""The request of likeliest tokens: at which place of a trace's output, and how many."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from heedmap.app.requests.effects import check_again
from heedmap.app.requests.inputs import OneInput
from heedmap.app.requests.schemas import Strict

MOST_CANDIDATES = 100  # of a place: what comes after them has next to no probability


class LikeliestRequest(Strict):
    """What else could have stood at a place of an output, or at each of them."""

    position: int | None = Field(
        None, ge=0, description="The place, from 0; all of the output's, unless one is named.", examples=[2]
    )
    count: int = Field(5, ge=1, le=MOST_CANDIDATES, description="So many tokens, the likeliest first.")
    inputs: Annotated[OneInput | None, BeforeValidator(check_again)] = Field(
        None, description="Of a trace of a picture or a recording: the same input again; traces keep no files."
    )
