"""How a context and a question become an input, and where in the tokens of its trace the context and the answer are."""

from dataclasses import dataclass
from typing import Any

from heedmap.model.contract import Axis, Inputs, Prediction
from heedmap.model.errors import ParameterError

GENERATION, EXTRACTION = "text-generation", "question-answering"
TASKS = (GENERATION, EXTRACTION)
CONTEXT, QUESTION = "{context}", "{question}"


@dataclass(frozen=True)
class Prompt:
    """A question about a context, as a model of this task reads it.

    template: with {context} and {question}; of question answering there is none. chat: whether a user says it.
    """

    task: str
    question: str
    template: str
    chat: bool

    def inputs(self, context: str) -> Inputs:
        """The input with this context."""
        if self.task == EXTRACTION:
            return {"question": self.question, "context": context}
        text = self._text(context)
        return {"messages": [{"role": "user", "content": text}]} if self.chat else text

    def characters(self, first: int, last: int) -> tuple[int, int]:
        """Characters of the context as those of the text that token spans count in."""
        return first + self._offset, last + self._offset

    def context_tokens(self, prediction: Prediction, context: str) -> list[int]:
        """The tokens of the text that the context is in, in order.

        Raises:
            ParameterError: the tokenizer changes the text, so that characters are not to be found again.
        """
        axis = _axis(prediction)
        if self.task == EXTRACTION:
            return [at for at, part in enumerate(axis.segments or []) if part == 1 and not axis.special[at]]
        prompt = self.read(prediction)
        if axis.segments is None:
            text = self._text(context)
            if max((stop for _, stop in axis.spans[:prompt]), default=0) != len(text):
                raise ParameterError(
                    "this model's tokenizer changes blanks or letters of the prompt, so that the context's spans "
                    "are not to be found among its tokens: give a text with single blanks, and a template without line "
                    "ends",
                    field="template",
                )
            return list(range(prompt))
        return [at for at in range(prompt) if axis.segments[at] == 0 and not axis.special[at]]

    def read(self, prediction: Prediction) -> int:
        """How many tokens were read before the answer; all of question answering."""
        written = 0 if self.task == EXTRACTION else len(prediction.tokens)
        return len(_axis(prediction)) - written

    def answer_rows(self, prediction: Prediction) -> list[int]:
        """The queries that the answer's tokens are written at, or that it is pointed at."""
        axis = _axis(prediction)
        if self.task == GENERATION:
            return list(range(self.read(prediction) - 1, len(axis) - 1))
        output: Any = prediction.output
        return [
            at
            for at in self.context_tokens(prediction, "")
            if axis.spans[at][0] < output["end"] and output["start"] < axis.spans[at][1]
        ]

    @property
    def _offset(self) -> int:
        if self.task == EXTRACTION:
            return 0
        before = self.template.partition(CONTEXT)[0]
        return len(before.replace(QUESTION, self.question))

    def _text(self, context: str) -> str:
        before, _, after = self.template.partition(CONTEXT)
        return before.replace(QUESTION, self.question) + context + after.replace(QUESTION, self.question)


def _axis(prediction: Prediction) -> Axis:
    return prediction.axes["tokens"]
