"""What an input is, in words: for whoever wanted another one."""

from heedmap.model.errors import ParameterError
from heedmap.model.prediction import Inputs

KINDS = {
    "text_pair": "a pair of texts",
    "messages": "a chat (messages)",
    "question": "a question with its context",
    "source_sentence": "a sentence with others to compare it with",
    "image": "an image",
    "audio": "a recording",
}


def kind_of(inputs: Inputs) -> str:
    """What an input is, in words for a message."""
    if isinstance(inputs, str):
        return "a text"
    return next((name for key, name in KINDS.items() if key in inputs), "something else")


def wrong_kind(inputs: Inputs, task: str, reads: str) -> ParameterError:
    """The error that says what the task reads."""
    return ParameterError(f"{task} reads {reads}, and this is {kind_of(inputs)}", field="inputs")
