"""`heedmap simultaneous`: words on standard input to a translation that is printed while they come in."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import typer

from heedmap.app.options import Device, place

CLOSING = re.compile(r"[.!?…。！？][\"'»«“”’)\]]*$")
OPEN = re.compile(r"\d+\.|\w\.", re.UNICODE)  # an ordinal number, or a letter that stands for a word


class Kind(StrEnum):
    """What decides whether a word is written."""

    alignatt = "alignatt"
    wait_k = "wait-k"


def simultaneous(
    model: Annotated[
        str | None,
        typer.Option(help="One of our own translation models: a name, or a checkpoint folder. [default: de-en]"),
    ] = None,
    policy: Annotated[Kind, typer.Option(help="By what the model attends to, or by counting words.")] = Kind.alignatt,
    frames: Annotated[int, typer.Option(min=1, max=100, help="alignatt: the last words, which are not trusted.")] = 2,
    k: Annotated[int, typer.Option("--k", min=1, max=100, help="wait-k: words before the first is written.")] = 3,
    lines: Annotated[bool, typer.Option("--lines", help="A line is a sentence, whatever it ends with.")] = False,
    decisions: Annotated[bool, typer.Option("--decisions", help="Print each decision on stderr.")] = False,
    url: Annotated[str | None, typer.Option(help="Ask the service there instead of loading the model here.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="HEEDMAP_API_KEY", help="For a service that wants one.")] = None,
    device: Annotated[Device, typer.Option(help="Where to run; auto takes CUDA where there is one.")] = Device.auto,
) -> None:
    """Translate the words of standard input while they come in, and print each word as soon as it is sure to stay.

    A sentence ends with a word that ends in . ! ? or …, with an empty line, or with the input.
    """
    from heedmap.app.client.interpreters import here, there

    chosen = {"kind": "alignatt", "frames": frames} if policy is Kind.alignatt else {"kind": "wait-k", "k": k}
    interpreter = (
        there(url, api_key, model, chosen) if url is not None else here(model or "de-en", place(device), chosen)
    )
    with interpreter as translate:
        for text in spoken(iter(partial(sys.stdin.read, 1), ""), translate, lines, _told if decisions else None):
            sys.stdout.write(text)
            sys.stdout.flush()


def spoken(
    characters: Iterable[str],
    translate: Callable[..., Any],
    lines: bool = False,
    told: Callable[[Any], None] | None = None,
) -> Iterator[str]:
    """What is to be printed, as soon as it is committed: each sentence's translation ends with a line feed.

    translate: of the words so far, what is committed, and whether they are all, what a client answers. told: hears it.
    """
    committed: list[int] = []
    written = ""
    for text, final in heard(characters, lines):
        answer = translate(text, committed, final=final)
        if told is not None:
            told(answer)
        yield answer.text[len(written) :] + ("\n" if final else "")
        committed, written = ([], "") if final else (answer.committed, answer.text)


def heard(characters: Iterable[str], lines: bool = False) -> Iterator[tuple[str, bool]]:
    """Each sentence as far as it has come in, after each of its words, and whether it is complete."""
    words: list[str] = []
    word = ""
    for character in characters:
        if not character.isspace():
            word += character
            continue
        ends = character == "\n" and (lines or not word)
        if word:
            words.append(word)
            ends = ends or (not lines and closes(word))
        if words and (word or ends):
            yield " ".join(words), ends
            words = [] if ends else words
        word = ""
    if words or word:
        yield " ".join([*words, *([word] if word else [])]), True


def closes(word: str) -> bool:
    """Whether a sentence ends with this word."""
    return CLOSING.search(word) is not None and OPEN.fullmatch(word) is None


def _told(answer: Any) -> None:
    for decision in answer.decisions:
        looks = ""
        if decision.weight is not None:
            seen = "the end" if decision.position is None else answer.source[decision.position]
            looks = f" -> {seen} {decision.weight:.2f}"
        verdict = "committed" if decision.committed else "held back"
        typer.echo(f"{decision.token}{looks}  {verdict}: {decision.why}", err=True)
