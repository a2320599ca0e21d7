"""Word alignments of a translation and its source, out of the trace of it: which head, which rows, which words.

The head is the one that was taught to, where the model says so. Without one it is the mean of all heads of all layers
in the row that writes a token: on the hand-aligned pairs that ship, `de-en` before it was taught has an error rate of
0.26 by it, 0.28 by the mean of its best layer, 0.36 by its best head and 0.32 by each pair's head of the best score; in
the row that reads a token its best head has 0.42. `python -m benchmarks.alignment` measures it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedmap.model.errors import InputTooLong, RangeError
from heedmap.model.measures.alignment import (
    CROSS,
    MOST_CELLS,
    too_many,
)
from heedmap.model.measures.alignment_error import Links, pharaoh
from heedmap.model.measures.word_alignment import (
    Symmetrisation,
    aligned_words,
    content_words,
    null_columns,
    reversed_links,
    shared_words,
    symmetrise,
    word_scores,
)
from heedmap.model.taught_head import Reading, TaughtHead
from heedmap.model.trace.trace import Trace

MEAN = "mean"


@dataclass(frozen=True)
class HeadChoice:
    """What is read as an alignment; what is None is left open.

    A head that was taught counts where neither layer nor head is named. Else a layer that is left open is the mean of
    all, and a head the mean of the layer's; the row is that which writes a token.
    """

    layer: int | None = None
    head: int | str | None = None  # a number, or "mean"
    reading: Reading | None = None


@dataclass(frozen=True)
class WordAlignment:
    """Words of both sides and the links between them, with the weight that each link has."""

    source: list[str]
    target: list[str]
    links: Links
    scores: NDArray[np.float64]  # (T, S): how much each target word looks at each source word
    layer: int | str
    head: int | str
    reading: Reading

    def to_json(self) -> dict[str, Any]:
        """The alignment as POST /v1/align answers it; scores stand in the order of the links."""
        return {
            "pharaoh": pharaoh(self.links),
            "source": self.source,
            "target": self.target,
            "scores": [float(self.scores[target, source]) for source, target in sorted(self.links)],
            "layer": self.layer,
            "head": self.head,
            "reading": self.reading,
        }


def align(trace: Trace, choice: HeadChoice = HeadChoice()) -> WordAlignment:
    """The words of a trace's target and source, linked where the chosen head looks.

    Raises:
        RangeError: the trace has no cross attention, or no such layer or head.
        InputTooLong: its maps are more than are looked through.
    """
    if CROSS not in trace.layers:
        raise RangeError("this model has no cross attention to align by: give a translation model", field="model")
    first = trace.layers[CROSS][0]
    if too_many(len(trace.layers[CROSS]), first.heads, first.shape):
        raise InputTooLong(f"its maps have over {MOST_CELLS:,} cells in all: align sentence by sentence")
    queries, keys = (trace.axes[name] for name in trace.site_axes[CROSS])
    layer, head, reading = _chosen(trace, choice)
    weights = _weights(trace, layer, head)
    target, source = content_words(queries), content_words(keys)
    taught = TaughtHead.of(trace.model, len(trace.layers[CROSS]), first.heads)
    if taught is not None and (taught.layer, taught.head, taught.reading) == (layer, head, reading):
        links = shared_words(weights, target, source, reading)
    else:
        # A head that rests on the end token has nothing to say of a word; in a mean of heads some always rest.
        null = [] if MEAN in (layer, head) else null_columns(keys)
        links = aligned_words(weights, target, source, reading, null)
    return WordAlignment(
        [word.text for word in source],
        [word.text for word in target],
        links,
        word_scores(weights, target, source, reading),
        layer,
        head,
        reading,
    )


def together(forward: WordAlignment, backward: WordAlignment, how: Symmetrisation) -> WordAlignment:
    """An alignment whose links are made of those of both directions; the rest is that of `forward`.

    backward: of the same words, with the sides exchanged.

    Raises:
        RangeError: the models see different words in the texts.
    """
    if (forward.source, forward.target) != (backward.target, backward.source):
        raise RangeError("the two models see different words in these texts: align without symmetrise", field="pairs")
    links = symmetrise(forward.links, reversed_links(backward.links), how)
    scores = np.sqrt(forward.scores * backward.scores.T)  # of both directions: their geometric mean
    return WordAlignment(forward.source, forward.target, links, scores, forward.layer, forward.head, forward.reading)


def _chosen(trace: Trace, choice: HeadChoice) -> tuple[int | str, int | str, Reading]:
    """Layer, head and reading: those that were chosen, and of what was left open those of the model."""
    layers, heads = len(trace.layers[CROSS]), trace.layers[CROSS][0].heads
    for name, value, count in (("layer", choice.layer, layers), ("head", choice.head, heads)):
        if isinstance(value, int) and not -count <= value < count:
            raise RangeError(f"there is no {name} {value}: cross has {name}s 0 to {count - 1}", field=name)
    taught = TaughtHead.of(trace.model, layers, heads)
    if taught is not None and choice.layer is None and choice.head is None:
        return taught.layer, taught.head, choice.reading or taught.reading
    layer = MEAN if choice.layer is None else choice.layer % layers
    head = choice.head % heads if isinstance(choice.head, int) else MEAN
    return layer, head, choice.reading or "output"


def _weights(trace: Trace, layer: int | str, head: int | str) -> NDArray[np.floating[Any]]:
    """The map of a head (Q, K), or a mean of them."""
    chosen = [layer] if isinstance(layer, int) else range(len(trace.layers[CROSS]))
    maps = np.stack([_maps(trace, index) for index in chosen])  # L H Q K
    mean: NDArray[np.floating[Any]] = (maps[:, head] if isinstance(head, int) else maps.mean(axis=1)).mean(axis=0)
    return mean


def _maps(trace: Trace, layer: int) -> NDArray[np.floating[Any]]:
    maps: NDArray[np.floating[Any]] = trace.map(CROSS, layer).dense().float().cpu().numpy()
    return maps


def both_ways(facts: Sequence[tuple[str, Any]], name: str) -> str | None:
    """Of named facts of models the first that translates what this one does, the other way round."""
    languages = dict(facts)[name].get("languages") or {}
    wanted = {"source": languages.get("target"), "target": languages.get("source")}
    if None in wanted.values():
        return None
    return next((other for other, said in facts if said.get("languages") == wanted), None)
