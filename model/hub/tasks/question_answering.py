"""Question-answering: the span of a context that answers a question."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.contract import Axis, Objective, Prediction, Request, taken, unanswered
from heedmap.model.errors import EmptyInput, InputError, ParameterError
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, SinglePass
from heedmap.model.hub.tasks.text import Encoded, Texts, encode_texts, filled, parts, positions, the_texts
from heedmap.model.kinds import wrong_kind
from heedmap.model.trace.gradient import of_tokens

READS = "a question with its context"


class QuestionAnswering(SinglePass):
    """The likeliest span of the context (Devlin et al. 2019): start and end are two distributions over its tokens.

    The score is the product of their probabilities; the class token takes part in both, as "no answer here", and is
    never the answer. The span is widened to whole words. Segment 0 of the axis is the question, 1 the context.
    A given `target` is an answer in the words of the context: its score is that of the likeliest place where it stands.
    """

    name = "question-answering"
    auto_class = "AutoModelForQuestionAnswering"
    example = {"question": "Where does Angela live?", "context": "Angela Smith lives in New York."}  # noqa: RUF012

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.limit = positions(loaded)

    def takes(self) -> dict[str, dict[str, Any]]:
        """How long an answer may be."""
        return taken("max_answer_len")

    def prepare(self, request: Request) -> Item:
        """Tokenize question and context as one sequence; a text that asks nothing has no answer, but can be traced."""
        inputs = request.inputs
        if isinstance(inputs, str) or "text_pair" in inputs:
            encoded = encode_texts(self.loaded, the_texts(inputs, self.name, READS), self.limit)
            refusal: InputError | None = wrong_kind(inputs, self.name, READS)
            return Item(request, {"tokens": encoded.axis}, encoded.tensors, refusal=refusal)
        question, context = parts(inputs, self.name, READS, "question", "context")
        texts = Texts(question, context, ("inputs.question", "inputs.context"))
        encoded = encode_texts(self.loaded, texts, self.limit)
        answers = _words(encoded)
        refusal = None
        if not answers:
            refusal = EmptyInput("nothing of the context is left after tokenization", field="inputs.context")
        given = None if request.target is None or not answers else _given(request.target, context, encoded.axis)
        facts = {"answers": answers, "context": context, "given": given}
        return Item(request, {"tokens": encoded.axis}, encoded.tensors, facts, refusal)

    def read(self, outputs: Any, items: Sequence[Item]) -> list[Prediction]:
        """The best span of each."""
        rows = zip(outputs.start_logits.float(), outputs.end_logits.float(), items, strict=True)
        return [self._read(start, end, item) for start, end, item in rows]

    def value(self, objective: Objective, outputs: Any, item: Item, prediction: Prediction) -> Tensor:
        """The log-probability of the answer's first token as its beginning (0), and of its last as its end (1).

        Raises:
            InputError: there is no question, or the objective is not of these two.
        """
        if item.refusal is not None:
            raise item.refusal
        sides = (outputs.start_logits[0], outputs.end_logits[0])
        ids = item.facts.get("answer") or self._span(outputs, item)
        return of_tokens(objective, torch.stack(sides), ids, lambda place, field: _place(place, field, len(sides[0])))

    def settled(self, outputs: Any, item: Item) -> Item:
        """With the places where the answer begins and ends."""
        return item if item.refusal else item.with_(facts={**item.facts, "answer": self._span(outputs, item)})

    def _span(self, outputs: Any, item: Item) -> list[int]:
        """The places of the first and last tokens of the best answer, or of the given one where it stands best."""
        places = list(item.facts["answers"])
        first, last = (side[0].detach().float()[places] for side in (outputs.start_logits, outputs.end_logits))
        if (given := item.facts["given"]) is None:
            longest = item.request.parameters.max_answer_len
            _, *span = best_span(first.softmax(dim=0), last.softmax(dim=0), longest)
        else:
            _, *span = likeliest(first, last, _inner(given, places))
        return [places[at] for at in span]

    def _read(self, start: Tensor, end: Tensor, item: Item) -> Prediction:
        if item.refusal is not None:
            return unanswered(item.axes, item.refusal)
        answers, context = item.facts["answers"], item.facts["context"]
        places = list(answers)
        if item.axes["tokens"].ids[0] == self.loaded.tokenizer.cls_token_id:
            places = [0, *places]
        if (given := item.facts["given"]) is None:
            first, last = (logits[places].softmax(dim=0)[-len(answers) :] for logits in (start, end))
            score, begin, stop = best_span(first, last, item.request.parameters.max_answer_len)
        else:
            first, last = (logits[places].double().log_softmax(dim=0)[-len(answers) :] for logits in (start, end))
            score, begin, stop = likeliest(first, last, _inner(given, list(answers)))
            score = math.exp(score)
        spans = list(answers.values())
        left, right = spans[begin][0], spans[stop][1]
        answer = {"score": score, "start": left, "end": right, "answer": context[left:right]}
        return Prediction.from_json(answer, item.axes)


def _place(place: int | str, field: str, length: int) -> int:
    """Another token that an answer might begin or end with.

    Raises:
        ParameterError: it is none of the text's.
    """
    if isinstance(place, int) and 0 <= place < length:
        return place
    raise ParameterError(f"an answer's end is a token of the text, by its number from 0 to {length - 1}", field=field)


def best_span(start: Float[Tensor, "N"], end: Float[Tensor, "N"], longest: int) -> tuple[float, int, int]:
    """The likeliest span of at most so many tokens: its probability, its first and its last token."""
    products = torch.outer(start, end).triu().tril(longest - 1)
    begin, stop = divmod(int(products.argmax()), len(end))
    return float(products[begin, stop]), begin, stop


def likeliest(
    start: Float[Tensor, "N"], end: Float[Tensor, "N"], spans: Sequence[tuple[int, int]]
) -> tuple[float, int, int]:
    """The likeliest of some spans: the sum of its logits, or log-probabilities, its first and its last token."""
    firsts, lasts = zip(*spans, strict=True)
    scores = start[list(firsts)] + end[list(lasts)]
    best = int(scores.argmax())
    return float(scores[best]), *spans[best]


def _inner(given: Sequence[tuple[int, int]], places: Sequence[int]) -> list[tuple[int, int]]:
    """Tokens of the text as places among those that an answer may be."""
    at = {place: index for index, place in enumerate(places)}
    return [(at[first], at[last]) for first, last in given]


def _given(answer: str, context: str, axis: Axis) -> list[tuple[int, int]]:
    """Wherever a given answer stands in the context: its first and its last token.

    Raises:
        EmptyInput: it is empty. ParameterError: it stands nowhere.
    """
    words = filled(answer, "target").strip()
    segments = axis.segments or []
    places = [at for at, segment in enumerate(segments) if segment == 1 and not axis.special[at]]
    starts, stops = ([axis.spans[at][side] for at in places] for side in (0, 1))
    spans = []
    for mark in re.finditer(re.escape(words), context):
        first, last = bisect_right(stops, mark.start()), bisect_left(starts, mark.end()) - 1
        if first <= last:
            spans.append((places[first], places[last]))
    if not spans:
        raise ParameterError(
            "this answer does not stand in the context, letter by letter: the model can only point at what does",
            field="target",
        )
    return spans


def _words(encoded: Encoded) -> dict[int, tuple[int, int]]:
    """The tokens of the context, and of each the characters of its whole word."""
    axis = encoded.axis
    segments = axis.segments or []
    context = [at for at, segment in enumerate(segments) if segment == 1 and not axis.special[at]]
    if encoded.words is None:
        return {at: axis.spans[at] for at in context}
    words: dict[int | None, tuple[int, int]] = {}
    for at in context:
        start, stop = axis.spans[at]
        before = words.get(encoded.words[at], (start, stop))
        words[encoded.words[at]] = (min(before[0], start), max(before[1], stop))
    return {at: words[encoded.words[at]] for at in context}
