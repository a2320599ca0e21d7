"""Answers about the likeliest tokens of an output, for the OpenAPI description."""

from pydantic import Field

from heedmap.app.http.answers import Answer


class CandidateAnswer(Answer):
    """A token that could stand at a place."""

    token: str
    id: int
    probability: float
    log_probability: float = Field(description="In nats.")


class WrittenAnswer(CandidateAnswer):
    """The token that stands there."""

    rank: int = Field(description="1 where no other is likelier.")


class PlaceAnswer(Answer):
    """A place of the output."""

    position: int
    written: WrittenAnswer
    tokens: list[CandidateAnswer] = Field(description="The likeliest first.")


class PlacesAnswer(Answer):
    """Every place of the output, in order."""

    places: list[PlaceAnswer]
