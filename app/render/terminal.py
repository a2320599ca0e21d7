"""An alignment in the terminal: target words down, source words across, each cell's background its weight.

Tokens are joined to words: a word's weight is the sum over its key tokens and the mean over its query tokens, so that
a row still sums to what its tokens' rows sum to.
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from heedmap.app.render.colours import palette
from heedmap.app.render.isolate import isolated
from heedmap.model.contract import Axis, Prediction
from heedmap.model.words import SPACE, Word, merge_words, words

LISTED = 10  # entries of a prediction that has many
ATTENDED = 5  # keys that are named, of those most looked at
NUMBERS = 4  # of an embedding, so that it is seen to be one
NARROWEST = 3  # cells of a column: room for two digits and a space


def print_prediction(console: Console, prediction: Prediction) -> None:
    """Print a text, or each entry of an answer of another shape on a line of its own, its score first."""
    for line in prediction_lines(prediction):
        console.print(line, style="bold", markup=False, soft_wrap=True)
    if prediction.finish_reason == "length":
        console.print(f"(cut at {len(prediction.tokens)} tokens)", style="dim", markup=False)


def prediction_lines(prediction: Prediction) -> list[str]:
    """What there is to say of a prediction, a line each."""
    if prediction.output is None or prediction.tokens:
        return [prediction.text]
    return _lines(prediction.output)


def _lines(output: Any) -> list[str]:
    if isinstance(output, dict):
        rest = {name: value for name, value in output.items() if name != "score"}
        fields = [f"{value}" if isinstance(value, str) else f"{name} {_brief(value)}" for name, value in rest.items()]
        return ["  ".join(([f"{output['score']:.4f}"] if output.get("score") is not None else []) + fields)]
    if not isinstance(output, list):
        return [_brief(output)]
    if output and all(isinstance(entry, dict) for entry in output):
        more = [f"... and {len(output) - LISTED} more"] if len(output) > LISTED else []
        return [line for entry in output[:LISTED] for line in _lines(entry)] + more
    if output and all(isinstance(entry, list) and entry and isinstance(entry[0], dict) for entry in output):
        return [line for entry in output for line in _lines(entry)]
    return [_brief(output)]


def _brief(value: Any) -> str:
    """A value in a few words; of nested lists of numbers their shape and the first of them."""
    shape, inner = [], value
    while isinstance(inner, list) and inner and isinstance(inner[0], list):
        shape.append(len(inner))
        inner = inner[0]
    if not isinstance(inner, list):
        return f"{value:.4g}" if isinstance(value, float) else str(value)
    numbers = ", ".join(_brief(number) for number in inner[:NUMBERS]) + (", ..." if len(inner) > NUMBERS else "")
    return f"[{numbers}]" + (f" ({' x '.join(map(str, [*shape, len(inner)]))})" if len(inner) > NUMBERS else "")


def print_attended(console: Console, weights: Float[np.ndarray, "Q K"], queries: Axis, keys: Axis) -> None:
    """Print the keys that most of the attention goes to: for each word of an output, or over all queries."""
    targets, sources = words(queries), words(keys)
    if keys.kind != "text":
        sources = [Word(_place(keys, i), [i], special) for i, special in enumerate(keys.special)]
    if queries.kind != "text":
        targets = [
            Word(label, [i], special)
            for i, (label, special) in enumerate(zip(queries.labels, queries.special, strict=True))
        ]
    table = merge_words(weights, targets, sources)
    if queries is keys or queries == keys:
        rows = [("all", table.mean(axis=0))]
    else:
        rows = [(word.text, table[index]) for index, word in enumerate(targets) if not word.special]
    left = max((cell_len(name) for name, _ in rows), default=0)
    for name, row in rows:
        best = [int(index) for index in np.argsort(-row, kind="stable")[:ATTENDED]]
        line = Text(_justified(name, left), style="bold")
        line.append(
            " ← " + ", ".join(f"{isolated(sources[i].text)} {_percent(float(row[i]))}" for i in best), style="not bold"
        )
        console.print(line, soft_wrap=True)


def _place(axis: Axis, index: int) -> str:
    """What a patch or a frame is called: where it lies in the picture, or when it is heard."""
    if axis.seconds is not None:
        start, stop = axis.seconds[index]
        return f"{start:.2f}-{stop:.2f} s"
    return axis.labels[index].replace(SPACE, "")


def print_alignment(console: Console, weights: Float[np.ndarray, "Q K"], queries: Axis, keys: Axis) -> None:
    """Print each target word with its best source word, and the matrix in percent, folded to the console's width."""
    targets, sources = words(queries), words(keys)
    table = merge_words(weights, targets, sources)
    rows = [index for index, word in enumerate(targets) if not word.special] or list(range(len(targets)))
    content = [index for index, word in enumerate(sources) if not word.special] or list(range(len(sources)))
    best = {row: content[int(table[row, content].argmax())] for row in rows}
    left = max(cell_len(targets[row].text) for row in rows)
    middle = max(cell_len(sources[best[row]].text) for row in rows)
    widths = [max(NARROWEST, cell_len(word.text) + 1) for word in sources]
    for columns in _folded(widths, console.width - left - middle - 12):
        heading = Text(" " * (left + middle + 10))
        for column in columns:
            heading.append(
                _justified(sources[column].text, widths[column]),
                style="dim" if sources[column].special else "bold",
            )
        console.print(heading, no_wrap=True, overflow="crop")
        for row in rows:
            line = Text(_justified(targets[row].text, left), style="bold")
            line.append(
                f" ← {_justified(sources[best[row]].text, middle)} {_percent(table[row, best[row]]):>4}  ",
                style="not bold",
            )
            for column in columns:
                line.append_text(_cell(float(table[row, column]), widths[column]))
            console.print(line, no_wrap=True, overflow="crop")


def _folded(widths: list[int], room: int) -> list[list[int]]:
    """Columns in blocks that fit the room; a column wider than it stands alone."""
    blocks: list[list[int]] = [[]]
    used = 0
    for column, width in enumerate(widths):
        if blocks[-1] and used + width > room:
            blocks.append([])
            used = 0
        blocks[-1].append(column)
        used += width
    return blocks


def _justified(text: str, width: int) -> str:
    """A label on its left in so many cells, whatever its direction."""
    return isolated(text) + " " * (width - cell_len(isolated(text)))


def _percent(weight: float) -> str:
    return f"{100 * weight:.0f}%"


def _cell(weight: float, width: int) -> Text:
    number = f"{min(99, 100 * weight):.0f}" if weight >= 0.01 else ""
    code = 1 + round(254 * min(1.0, max(0.0, weight)))
    red, green, blue = palette()[3 * code : 3 * code + 3]
    ink = "black" if weight > 0.5 else "white"
    return Text(number.center(width), style=f"{ink} on rgb({red},{green},{blue})")
