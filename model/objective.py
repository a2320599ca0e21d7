"""What a gradient is of: output tokens' log-probability, a class's logit, or the difference of two."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from heedmap.model.errors import ParameterError
from heedmap.model.typed import Typed

MOST = 4096  # tokens that are named one by one; of longer outputs there is "all"
WORD = 200  # characters of a word or a label that an objective names


def is_whole(value: Any) -> bool:
    """Whether this is a whole number, and no flag."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_name(value: Any) -> Any:
    """A word, or a number that stands for one.

    Raises:
        ParameterError: it is neither.
    """
    if value is None or is_whole(value) or (isinstance(value, str) and 0 < len(value) <= WORD):
        return value
    raise ParameterError(f"expected a word of at most {WORD} characters or a whole number, got {repr(value)[:60]}")


def _check_names(value: Any) -> Any:
    return value if value is None else tuple(_each(value, check_name, "words or ids"))


def _check_tokens(value: Any) -> Any:
    if value is None or value == "all":
        return value
    return tuple(_each(value, _check_token, '"all" or numbers of tokens'))


def _check_token(value: Any) -> Any:
    if is_whole(value):
        return value
    raise ParameterError(f"expected a whole number, got {repr(value)[:60]}")


def _each(value: Any, check: Any, what: str) -> Any:
    """The parts of a list, each checked; an error names its place."""
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MOST:
        raise ParameterError(f"expected {what}: a list of 1 to {MOST:,}, got {repr(value)[:60]}")
    for index, part in enumerate(value):
        try:
            yield check(part)
        except ParameterError as error:
            raise ParameterError(str(error), field=str(index)) from None


class Objective(Typed):
    """A number that the model's output is, whose gradient reaches every attention output.

    tokens: the summed log-probability (nats) of these tokens of the output, where the model wrote them; of a masked
    model the k-th token is what it puts behind the k-th mask. minus: less the log-probability of other tokens at the
    same places, as words or ids. label: a class's logit, and minus that of another class.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: Annotated[Literal["all"] | tuple[int, ...] | None, BeforeValidator(_check_tokens)] = Field(
        None, description="Tokens of the output, from 0, negatives from the end, or all: their log-probability."
    )
    label: Annotated[int | str | None, BeforeValidator(check_name)] = Field(
        None, description="A class, by its name or number: its logit."
    )
    minus: Annotated[tuple[int | str, ...] | None, BeforeValidator(_check_names)] = Field(
        None,
        description="What to compare with: other words, or ids of tokens, at the same places (one, or one for each), "
        "or one other class. The objective is the difference.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "Objective":
        if (self.tokens is None) == (self.label is None):
            raise ParameterError('an objective is of tokens or of a label: {"tokens": [3]} or {"label": "positive"}')
        if self.label is not None and self.minus is not None and len(self.minus) > 1:
            raise ParameterError(f"a class is compared with one other, not with {len(self.minus)}")
        if isinstance(self.tokens, tuple) and self.minus is not None and len(self.minus) not in (1, len(self.tokens)):
            raise ParameterError(
                f"{len(self.tokens)} tokens are compared with one word or with {len(self.tokens)}, not with "
                f"{len(self.minus)}"
            )
        return self

    def to_json(self) -> dict[str, Any]:
        """The objective as the contract's JSON."""
        return self.model_dump(mode="json", exclude_none=True)
