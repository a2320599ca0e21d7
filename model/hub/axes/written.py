"""The text and the labels of tokens that arrive one by one: as `output_axis` has them, once all are there."""

from collections.abc import Sequence
from typing import Any

from heedmap.model.detokenizer import Detokenizer
from heedmap.model.hub.axes.text import output_axis, output_text
from heedmap.model.hub.axes.token_bytes import Spelling


class Written:
    """An output in the spelling of one tokenizer.

    Args:
        said: ids that the output's text begins with, before the first token that is written.
    """

    def __init__(self, tokenizer: Any, said: Sequence[int] = ()) -> None:
        self.tokenizer, self.said, self.special = tokenizer, list(said), Spelling(tokenizer).special
        self.labels: dict[int, str] = {}

    def detokenizer(self) -> Detokenizer:
        """For the ids to come."""
        return Detokenizer(self._text, self._name, cleans=_cleans(self.tokenizer))

    def label(self, token: int) -> str:
        """The token's label."""
        if token not in self.labels:
            self.labels[token] = output_axis(self.tokenizer, [token])[1].labels[0]
        return self.labels[token]

    def _text(self, ids: list[int]) -> str:
        return output_text(self.tokenizer, [*self.said, *ids], self.special)

    def _name(self, token: int) -> str | None:
        name = self.tokenizer.convert_ids_to_tokens(token)
        return None if name is None else str(name)


def _cleans(tokenizer: Any) -> bool:
    """Whether decoding takes away spaces that stand between the tokenizer's pieces."""
    decoder = repr(getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None))
    return bool(getattr(tokenizer, "clean_up_tokenization_spaces", False)) or "cleanup=True" in decoder
