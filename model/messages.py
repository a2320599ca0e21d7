"""What a library says, made fit for a caller: one line, without addresses in memory or paths; quantities told apart."""

import re

LONGEST = 400  # characters: the first sentences of a library say what is wrong, the rest is advice to programmers

# A Python object's repr (<_io.BytesIO object at 0x7f..>, <_io.BufferedReader name='/tmp/x'>), and a file's place.
REPR = re.compile(r"<[\w.]+(?:\.\w+)*(?: [^<>]*)?(?: at 0x[0-9a-fA-F]+| name=[^<>]*)[^<>]*>")
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
FOLDERS = re.compile(r"(?<![\w.:/<])(?:[A-Za-z]:)?(?:[/\\][\w.@+~-]+)+[/\\](?=[\w.@+~-])")


def library_message(error: Exception) -> str:
    """What a library says, in one line; its kind, where it says nothing. A path keeps its last part."""
    said = REPR.sub("the file", " ".join(str(error).split()))
    said = FOLDERS.sub("", ADDRESS.sub("an object", said))[:LONGEST].rstrip(". ")
    return said or type(error).__name__


def apart(first: float, second: float) -> tuple[str, str]:
    """Two quantities with as few digits, one at least, as tell them apart: 30.0001 and 30, not 30.0 and 30."""
    for digits in range(1, 10):
        one, other = (f"{value:,.{digits}f}".rstrip("0").rstrip(".") for value in (first, second))
        if one != other:
            break
    return one, other
