"""Fill-mask: the likeliest tokens for each mask of a text."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from heedmap.model.contract import Objective, Prediction, Request, taken, unanswered
from heedmap.model.errors import CheckpointError, ParameterError
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, SinglePass
from heedmap.model.hub.tasks.text import PAIRED, encode_texts, positions, the_texts
from heedmap.model.trace.gradient import of_tokens

DEFAULT_TOP_K = 5  # tokens per mask unless top_k says otherwise, as model hubs show


class FillMask(SinglePass):
    """What stands behind a mask: the likeliest tokens with their probabilities, over the whole vocabulary.

    The answer is a list per mask, or that one list where there is one mask.
    """

    name = "fill-mask"
    auto_class = "AutoModelForMaskedLM"

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.limit = positions(loaded)
        self.mask = getattr(loaded.tokenizer, "mask_token", None)
        if self.mask is None:
            raise CheckpointError("the checkpoint's tokenizer has no mask token: there is no fill-mask without one")
        self.example = f"Paris is the {self.mask} of France."

    def takes(self) -> dict[str, dict[str, Any]]:
        """How many tokens to show."""
        return taken(top_k=DEFAULT_TOP_K)

    def prepare(self, request: Request) -> Item:
        """Tokenize a text, or a pair; without a mask there is nothing to predict, and a trace all the same."""
        texts = the_texts(request.inputs, self.name, f"{PAIRED} with {self.mask} in it")
        encoded = encode_texts(self.loaded, texts, self.limit)
        places = [at for at, number in enumerate(encoded.ids) if number == self.loaded.tokenizer.mask_token_id]
        axes = {"tokens": encoded.axis}
        return Item(request, axes, encoded.tensors, {"places": places}, None if places else self._refusal)

    @property
    def _refusal(self) -> ParameterError:
        said = f"there is no mask in the text: write {self.mask} where one word is missing"
        return ParameterError(said, field="inputs")

    def replaced(self, item: Item) -> Item:
        """As any, and masks are where they are then."""
        item = super().replaced(item)
        mask = self.loaded.tokenizer.mask_token_id
        places = [at for at, number in enumerate(item.axes["tokens"].ids) if number == mask]
        return item.with_(facts={**item.facts, "places": places}, refusal=None if places else self._refusal)

    def read(self, outputs: Any, items: Sequence[Item]) -> list[Prediction]:
        """Probabilities at the masks."""
        return [self._read(logits, item) for logits, item in zip(outputs.logits, items, strict=True)]

    def value(self, objective: Objective, outputs: Any, item: Item, prediction: Prediction) -> Tensor:
        """The log-probability of the likeliest token behind each mask.

        Raises:
            InputError: there is no mask, or the objective is not of masks.
        """
        if item.refusal is not None:
            raise item.refusal
        logits = outputs.logits[0, item.facts["places"]]
        return of_tokens(objective, logits, item.facts.get("answer") or _likeliest(logits), self.one_token)

    def settled(self, outputs: Any, item: Item) -> Item:
        """With the tokens that it puts behind the masks."""
        if item.refusal is not None:
            return item
        return item.with_(facts={**item.facts, "answer": _likeliest(outputs.logits[0, item.facts["places"]])})

    def _read(self, logits: torch.Tensor, item: Item) -> Prediction:
        if item.refusal is not None:
            return unanswered(item.axes, item.refusal)
        tokenizer, places = self.loaded.tokenizer, item.facts["places"]
        probabilities = logits[places].float().softmax(dim=-1)
        count = min(item.request.parameters.top_k or DEFAULT_TOP_K, probabilities.shape[-1])
        values, tokens = probabilities.topk(count)
        ids = item.axes["tokens"].ids
        answer = []
        for place, row_values, row_tokens in zip(places, values.tolist(), tokens.tolist(), strict=True):
            row = []
            for value, token in zip(row_values, row_tokens, strict=True):
                filled = [token if at == place else number for at, number in enumerate(ids)]
                filled = [number for number in filled if number != tokenizer.pad_token_id]
                # Of several masks the others stay in sight, as model hubs show them.
                sequence = tokenizer.decode(filled, skip_special_tokens=len(places) == 1)
                row.append(
                    {"score": value, "token": token, "token_str": tokenizer.decode([token]), "sequence": sequence}
                )
            answer.append(row)
        return Prediction.from_json(answer[0] if len(answer) == 1 else answer, item.axes)


def _likeliest(logits: Tensor) -> list[int]:
    ids: list[int] = logits.argmax(dim=-1).tolist()
    return ids
