"""Token-classification: entities, from a label for each token to spans of text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.contract import Objective, Prediction, Request, taken
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, SinglePass
from heedmap.model.hub.tasks.text import encode_texts, labels_of, positions, the_texts
from heedmap.model.trace.gradient import label_index, of_tokens

OUTSIDE = "O"
STRATEGY = "simple"  # unless another is asked for, as in Hugging Face's endpoint


@dataclass(frozen=True, eq=False)
class Piece:
    """A token, or the tokens of a word: its label with the score, or the scores that are still to decide it."""

    names: list[str]
    scores: Float[Tensor, "N"]
    start: int
    stop: int
    place: int
    continues: bool = False  # the word before
    segment: int | None = None  # of a pair, which text it is of
    label: str = ""
    score: float = 0.0


class TokenClassification(SinglePass):
    """Named entities and the like: adjacent tokens of one label are one entity, as B- and I- marks say.

    `aggregation_strategy`: "none" gives each token, "simple" joins tokens as they are; "first", "average" and "max" let
    a word's tokens agree first, on the label of the first, of the mean of their scores, of the surest one. Labels "O"
    are left out.
    """

    name = "token-classification"
    auto_class = "AutoModelForTokenClassification"
    example = "Angela Smith lives in New York and works for Acme."

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.limit = positions(loaded)
        self.labels = labels_of(loaded.config)
        model = getattr(getattr(loaded.tokenizer, "backend_tokenizer", None), "model", None)
        self.marks_continuations = bool(getattr(model, "continuing_subword_prefix", None))

    def takes(self) -> dict[str, dict[str, Any]]:
        """How tokens make entities."""
        return taken(aggregation_strategy=STRATEGY)

    def prepare(self, request: Request) -> Item:
        """Tokenize a text, or a pair."""
        texts = the_texts(request.inputs, self.name)
        encoded = encode_texts(self.loaded, texts, self.limit)
        offsets = encoded.offsets or encoded.axis.spans
        facts = {"offsets": offsets, "inserted": encoded.inserted, "texts": texts.all}
        return Item(request, {"tokens": encoded.axis}, encoded.tensors, facts)

    def read(self, outputs: Any, items: Sequence[Item]) -> list[Prediction]:
        """The entities of each text."""
        return [
            self._read(logits.float().softmax(dim=-1), item) for logits, item in zip(outputs.logits, items, strict=True)
        ]

    def value(self, objective: Objective, outputs: Any, item: Item, prediction: Prediction) -> Tensor:
        """The log-probability of the label of chosen tokens of the text; less that of other labels, by name."""
        logits = outputs.logits[0]
        ids, names = item.facts.get("answer") or logits.argmax(dim=-1).tolist(), list(self.labels.values())
        return of_tokens(objective, logits, ids, lambda label, field: label_index(label, names, field))

    def settled(self, outputs: Any, item: Item) -> Item:
        """With the label of each token."""
        return item.with_(facts={**item.facts, "answer": outputs.logits[0].argmax(dim=-1).tolist()})

    def _read(self, scores: Tensor, item: Item) -> Prediction:
        strategy = item.request.parameters.aggregation_strategy or STRATEGY
        pieces = self._pieces(scores, item)
        if strategy in ("none", "simple"):
            decided = [self._decided(piece, piece.scores) for piece in pieces]
        else:
            decided = [self._word(word, strategy) for word in _words(pieces)]
        if strategy == "none":
            answer = [_entity(piece) for piece in decided if piece.label != OUTSIDE]
        else:
            answer = [self._group(group) for group in _groups(decided)]
            answer = [entity for entity in answer if entity["entity_group"] != OUTSIDE]
        return Prediction.from_json(answer, item.axes)

    def _pieces(self, scores: Tensor, item: Item) -> list[Piece]:
        texts, tokenizer = item.facts["texts"], self.loaded.tokenizer
        ids, segments = item.axes["tokens"].ids, item.axes["tokens"].segments
        pieces = []
        for place, name in enumerate(tokenizer.convert_ids_to_tokens(ids)):
            if item.facts["inserted"][place]:
                continue
            start, stop = item.facts["offsets"][place]
            segment = None if segments is None else segments[place]
            text = texts[segment or 0]
            covered = text[start:stop]
            if ids[place] == tokenizer.unk_token_id:
                name, continues = covered, False
            elif self.marks_continuations:
                continues = len(name) != len(covered)
            else:
                continues = start > 0 and " " not in text[start - 1 : start + 1]
            pieces.append(Piece([name], scores[place], start, stop, place, continues, segment))
        return pieces

    def _decided(self, piece: Piece, scores: Tensor) -> Piece:
        best = int(scores.argmax())
        return replace(piece, scores=scores, label=self.labels[best], score=float(scores[best]))

    def _word(self, word: list[Piece], strategy: str) -> Piece:
        if strategy == "first":
            scores = word[0].scores
        elif strategy == "max":
            scores = max(word, key=lambda piece: float(piece.scores.max())).scores
        else:
            scores = torch.stack([piece.scores for piece in word]).mean(dim=0)
        name = self.loaded.tokenizer.convert_tokens_to_string([name for piece in word for name in piece.names])
        whole = Piece([name], scores, word[0].start, word[-1].stop, word[0].place, segment=word[0].segment)
        return self._decided(whole, scores)

    def _group(self, group: list[Piece]) -> dict[str, Any]:
        return {
            "entity_group": group[0].label.split("-", 1)[-1],
            "score": sum(piece.score for piece in group) / len(group),
            "word": self.loaded.tokenizer.convert_tokens_to_string([name for piece in group for name in piece.names]),
            "start": group[0].start,
            "end": group[-1].stop,
            **_of_text(group[0]),
        }


def _entity(piece: Piece) -> dict[str, Any]:
    return {
        "entity": piece.label,
        "score": piece.score,
        "index": piece.place,
        "word": piece.names[0],
        "start": piece.start,
        "end": piece.stop,
        **_of_text(piece),
    }


def _of_text(piece: Piece) -> dict[str, int]:
    """Of a pair, which text the characters are counted in: 0 or 1."""
    return {} if piece.segment is None else {"segment": piece.segment}


def _words(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Pieces joined to words."""
    word: list[Piece] = []
    for piece in pieces:
        if word and (not piece.continues or piece.segment != word[-1].segment):
            yield word
            word = []
        word.append(piece)
    if word:
        yield word


def _groups(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Neighbours with the same label; B- begins another entity, and a label without a mark goes on."""
    group: list[Piece] = []
    for piece in pieces:
        apart = group and (piece.segment != group[-1].segment or _kind(piece.label) != _kind(group[-1].label))
        if group and (apart or piece.label.startswith("B-")):
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _kind(label: str) -> str:
    return label[2:] if label.startswith(("B-", "I-")) else label
