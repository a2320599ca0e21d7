"""Axes of text with a picture inside: what a vision-language model's decoder reads."""

from dataclasses import replace

from heedmap.model.contract import Axis


def illustrated(text: Axis, place: int, patches: Axis) -> Axis:
    """A text's axis with a picture in the place of one of its tokens.

    The picture's positions repeat that token's id; their labels are in brackets, "[12,3]".
    """
    count = len(patches)
    return Axis(
        "mixed",
        [*text.labels[:place], *(f"[{label.strip('[]')}]" for label in patches.labels), *text.labels[place + 1 :]],
        [*text.ids[:place], *[text.ids[place]] * count, *text.ids[place + 1 :]],
        [*text.spans[:place], *[(0, 0)] * count, *text.spans[place + 1 :]],
        [*text.special[:place], *patches.special, *text.special[place + 1 :]],
        boxes=[*[None] * place, *(patches.boxes or [None] * count), *[None] * (len(text) - place - 1)],
        size=patches.size,
    )


def followed(prompt: Axis, output: Axis) -> Axis:
    """A prompt's axis and that of the text that comes after it; `segments` are 0 and 1."""
    boxes = None if prompt.boxes is None else [*prompt.boxes, *[None] * len(output)]
    return replace(
        prompt,
        labels=[*prompt.labels, *output.labels],
        ids=[*prompt.ids, *output.ids],
        spans=[*prompt.spans, *output.spans],
        special=[*prompt.special, *output.special],
        segments=[*[0] * len(prompt), *[1] * len(output)],
        boxes=boxes,
    )


def within(axis: Axis, start: int, stop: int) -> Axis:
    """The axis of a longer text, with spans counted in one stretch of it; tokens outside of that are special."""
    inside = [
        not special and start <= first and last <= stop and (first < last or start < first)
        for special, (first, last) in zip(axis.special, axis.spans, strict=True)
    ]
    spans = [
        (first - start, last - start) if kept else (0, 0)
        for kept, (first, last) in zip(inside, axis.spans, strict=True)
    ]
    return replace(axis, spans=spans, special=[not kept for kept in inside])
