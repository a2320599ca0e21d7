"""Text-classification: labels with scores for a whole text."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from heedmap.model.contract import Objective, Prediction, Request, taken
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, SinglePass, embeddings
from heedmap.model.hub.tasks.text import encode_texts, labels_of, positions, the_texts
from heedmap.model.trace.gradient import of_label
from heedmap.model.watch import Stop


class TextClassification(SinglePass):
    """Every label with its score, best first.

    The scores are a softmax over several labels; a sigmoid of each where the checkpoint says that several can hold at
    once, or has one label alone; the bare logits of a regression. `function_to_apply` says otherwise.
    """

    name = "text-classification"
    auto_class = "AutoModelForSequenceClassification"
    example = "I had not expected to enjoy this, but it was wonderful."

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.limit = positions(loaded)
        self.labels = labels_of(loaded.config)

    @property
    def batchable(self) -> bool:
        """A decoder's head finds the last token by the padding: it must know what that is."""
        config = self.loaded.config.get_text_config()
        pad, size = getattr(config, "pad_token_id", None), embeddings(self.loaded)
        if pad is None or pad != getattr(self.loaded.tokenizer, "pad_token_id", None):
            return False
        return size is None or pad < size

    def takes(self) -> dict[str, dict[str, Any]]:
        """How many labels, and what makes scores of logits."""
        return taken("top_k", function_to_apply=self._function())

    def prepare(self, request: Request) -> Item:
        """Tokenize a text, or a pair."""
        encoded = encode_texts(self.loaded, the_texts(request.inputs, self.name), self.limit)
        return Item(request, {"tokens": encoded.axis}, encoded.tensors)

    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """One forward pass over the batch, or one over each where the model cannot tell padding."""
        if self.batchable:
            return super().predict(items, cancelled)
        return [
            prediction for item in items for prediction in super(TextClassification, self).predict([item], cancelled)
        ]

    def read(self, outputs: Any, items: Sequence[Item]) -> list[Prediction]:
        """Scores of all labels."""
        return [self._read(logits.float(), item) for logits, item in zip(outputs.logits, items, strict=True)]

    def _read(self, logits: torch.Tensor, item: Item) -> Prediction:
        parameters = item.request.parameters
        scores = activated(logits, parameters.function_to_apply or self._function()).tolist()
        ranked = sorted(enumerate(scores), key=lambda pair: -pair[1])
        answer = [{"label": self.labels[index], "score": score} for index, score in ranked]
        return Prediction.from_json(answer[: parameters.top_k or None], item.axes)

    def value(self, objective: Objective, outputs: Any, item: Item, prediction: Prediction) -> Tensor:
        """A label's logit."""
        return of_label(objective, outputs.logits[0], list(self.labels.values()))

    def _function(self) -> str:
        config = self.loaded.config
        kind = getattr(config, "problem_type", None)
        if kind == "regression":
            return "none"
        if kind == "multi_label_classification" or len(self.labels) == 1:
            return "sigmoid"
        return "softmax"


def activated(logits: torch.Tensor, function: str) -> torch.Tensor:
    """Logits as scores: `sigmoid`, `softmax` over the last axis, or `none`."""
    if function == "sigmoid":
        return logits.sigmoid()
    return logits.softmax(dim=-1) if function == "softmax" else logits
