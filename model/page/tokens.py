"""JavaScript cut into tokens: far enough to tell code from comments, strings, templates and regular expressions.

This is no parser. What it cannot tell for sure it refuses, so that nothing is joined wrongly without a word.
https://tc39.es/ecma262/#sec-ecmascript-language-lexical-grammar
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from heedmap.model.page.errors import LinkError

PIECE = re.compile(
    r"""
    (?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<name>[\w$]+)
    |(?P<space>\s+)
    |(?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(`|\$\{)", re.DOTALL)  # up to its end, or to what is put into it
EXPRESSION = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
# After these a slash begins a regular expression; after any other name, a number, `)` or `]` it divides.
BEFORE_EXPRESSION = {*"(,=:[!&|?{;+-*%<>~^"}
WORDS_BEFORE_EXPRESSION = {"return", "typeof", "case", "in", "of", "delete", "void", "throw", "else", "await", "yield"}


@dataclass(frozen=True)
class Token:
    """kind: comment, string, name (numbers and keywords too), space, sign, template (a part of one) or regex."""

    kind: str
    text: str


def tokens(source: str) -> Iterator[Token]:
    """The tokens of a module; joined they are the source again.

    Raises:
        LinkError: something does not end, or it cannot be told whether a slash divides.
    """
    at, before = 0, ""  # the last token that is neither space nor comment
    braces: list[int] = []  # of each template that is being filled: how many braces are open inside
    while at < len(source):
        match = PIECE.match(source, at)
        if match is None or match.lastgroup is None:
            raise LinkError(f"cannot be read from {_near(source, at)}")
        kind, text = match.lastgroup, match.group()
        if text in ('"', "'") or (text == "/" and source.startswith("/*", at)):
            raise LinkError(f"does not end: {_near(source, at)}")
        if text == "/":
            if before == "}":
                raise LinkError(f"a slash after a brace may divide or not: {_near(source, at)}")
            if before in BEFORE_EXPRESSION | WORDS_BEFORE_EXPRESSION or not before:
                expression = EXPRESSION.match(source, at)
                if expression is None:
                    raise LinkError(f"does not end: {_near(source, at)}")
                kind, text = "regex", expression.group()
        elif text == "{" and braces:
            braces[-1] += 1
        elif text == "}" and braces and braces[-1]:
            braces[-1] -= 1
        elif text == "`" or (text == "}" and braces):
            if text == "}":
                braces.pop()
            rest = TEMPLATE.match(source, at + 1)
            if rest is None:
                raise LinkError(f"does not end: {_near(source, at)}")
            kind, text = "template", source[at : rest.end()]
            if rest.group(1) == "${":
                braces.append(0)
        at += len(text)
        if kind not in ("space", "comment"):
            # What ends a template is a value, as a name is; what is put into one begins anew.
            before = {"template": "(" if text.endswith("${") else "a", "string": "a", "regex": "a"}.get(kind, text)
        yield Token(kind, text)


def stripped(source: str) -> list[Token]:
    """The tokens without comments and indentation; where there was a line's end there is one still."""
    kept: list[Token] = []
    for token in tokens(source):
        if token.kind not in ("space", "comment"):
            kept.append(token)
            continue
        blank = "\n" if "\n" in token.text else " "
        if kept and kept[-1].kind == "space":
            if kept[-1].text == " ":
                kept[-1] = Token("space", blank)
        elif kept:
            kept.append(Token("space", blank))
    return kept


def _near(source: str, at: int) -> str:
    return f"line {source.count(chr(10), 0, at) + 1}, {source[at : at + 40]!r}"
