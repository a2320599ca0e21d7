"""Feature-extraction and sentence-similarity: hidden states, embeddings of sentences, and how near these are."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from heedmap.model.contract import Objective, Prediction, Request, taken
from heedmap.model.errors import ParameterError
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, SinglePass
from heedmap.model.hub.tasks.pooling import SentenceHead, sentence_head
from heedmap.model.hub.tasks.text import Texts, encode, filled, positions, the_texts
from heedmap.model.kinds import wrong_kind
from heedmap.model.trace.gradient import of_label

READS = 'a text, {"text", "text_pair"} or {"source_sentence", "sentences"}'


class FeatureExtraction(SinglePass):
    """Of a sentence encoder the embedding of a text; of any other the hidden states of all its tokens.

    Asked with a sentence and others to compare it with, it answers as sentence-similarity does. Of an encoder-decoder
    the encoder is used.
    """

    name = "feature-extraction"
    auto_class = "AutoModel"
    example: Any = "The weather is lovely today."

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.head = sentence_head(loaded.folder)
        limits = [limit for limit in (positions(loaded), self.head and self.head.limit) if limit]
        self.limit = min(limits, default=None)
        self.pooling = self.head or SentenceHead()  # the mean of a plain encoder's tokens, as sentence encoders begin

    def prepare(self, request: Request) -> Item:
        """Tokenize a text, or a sentence and those to compare it with; the axis is of the first."""
        inputs = request.inputs
        if isinstance(inputs, str) or "text_pair" in inputs:
            return self._item(request, the_texts(inputs, self.name, READS))
        source, sentences = inputs.get("source_sentence"), inputs.get("sentences")
        if not isinstance(source, str) or not isinstance(sentences, Sequence) or isinstance(sentences, str):
            raise wrong_kind(inputs, self.name, READS)
        if not sentences or not all(isinstance(sentence, str) for sentence in sentences):
            raise ParameterError("sentences must be a list of at least one text", field="inputs.sentences")
        fields = [f"inputs.sentences.{at}" for at in range(len(sentences))]
        others = [
            self._item(request, Texts(text, fields=(field, field)))
            for text, field in zip(sentences, fields, strict=True)
        ]
        item = self._item(request, Texts(source, fields=("inputs.source_sentence",) * 2))
        return item.with_(facts={**item.facts, "others": others})

    def takes(self) -> dict[str, dict[str, Any]]:
        """Whether to scale to unit length."""
        return taken(normalize=self.pooling.normalize)

    def _item(self, request: Request, texts: Texts) -> Item:
        field, pair_field = texts.fields
        read = [filled(text, field) for text in texts.all]
        read = [text.lower() for text in read] if self.pooling.lower else read
        options: dict[str, Any] = {"limit": self.limit, "field": field, "pair_field": pair_field}
        encoded = encode(self.loaded, *read, before=self.pooling.prompt, **options)
        return Item(request, {"tokens": encoded.axis}, encoded.tensors, {"prompt": encoded.ours})

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        """The pass to record: of an encoder-decoder that of the encoder."""
        model = self.loaded.model
        return model.get_encoder()(**inputs) if model.config.is_encoder_decoder else model(**inputs)

    def collate(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """One batch of all sentences: the items' own first, then those that they are compared with."""
        return super().collate([*items, *_others(items)])

    def read(self, outputs: Any, items: Sequence[Item]) -> list[Prediction]:
        """Embeddings, hidden states or similarities."""
        hidden = self._hidden(outputs, [*items, *_others(items)])
        compared = iter(hidden[len(items) :])
        return [
            self._prediction(item, [states, *(next(compared) for _ in item.facts.get("others", ()))])
            for item, states in zip(items, hidden, strict=False)
        ]

    def _hidden(self, outputs: Any, rows: Sequence[Item]) -> list[Tensor]:
        """The hidden states of each row's own tokens."""
        return [states[: len(row.axes["tokens"])] for states, row in zip(outputs[0], rows, strict=True)]

    def value(self, objective: Objective, outputs: Any, item: Item, prediction: Prediction) -> Tensor:
        """The cosine to one of the sentences that it is compared with, which is the label, by its text or number.

        Raises:
            InputError: there are no others, or the objective is of none of them.
        """
        if "others" not in item.facts:
            return super().value(objective, outputs, item, prediction)
        hidden = self._hidden(outputs, [item, *item.facts["others"]])
        inputs = item.request.inputs
        assert not isinstance(inputs, str), "who has others has sentences"
        return of_label(objective, self._similarities(item, hidden), inputs["sentences"])

    def _similarities(self, item: Item, hidden: list[Tensor]) -> Tensor:
        embeddings = [
            self.pooling(states, row.facts["prompt"], normalize=True)
            for states, row in zip(hidden, [item, *item.facts["others"]], strict=True)
        ]
        return torch.stack(embeddings[1:]) @ embeddings[0]

    def _prediction(self, item: Item, hidden: list[Tensor]) -> Prediction:
        normalize = item.request.parameters.normalize
        if "others" in item.facts:
            return Prediction.from_json(self._similarities(item, hidden).tolist(), item.axes)
        if self.head is not None:
            embedding = self.head(hidden[0], item.facts["prompt"], normalize)
            return Prediction.from_json(embedding.tolist(), item.axes)
        states = hidden[0].float()
        states = torch.nn.functional.normalize(states, dim=-1) if normalize else states
        return Prediction.from_json([states.tolist()], item.axes)


def _others(items: Sequence[Item]) -> list[Item]:
    return [other for item in items for other in item.facts.get("others", ())]


class SentenceSimilarity(FeatureExtraction):
    """The cosine between the embeddings of one sentence and of each of several others.

    An encoder without a head of its own is pooled by the mean of its tokens.
    """

    name = "sentence-similarity"
    example: Any = {  # noqa: RUF012
        "source_sentence": "The weather is lovely today.",
        "sentences": ["It is sunny outside.", "He drove to the stadium."],
    }
