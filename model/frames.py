"""Axes of recordings in frames: which seconds each position of an encoder stands for."""

from heedmap.model.prediction import Axis


def frame_axis(length: int, step: float, duration: float) -> Axis:
    """The axis of `length` positions of `step` seconds each; those that begin after the recording's end are special."""
    seconds = [(round(index * step, 6), round((index + 1) * step, 6)) for index in range(length)]
    return Axis(
        "audio",
        [f"{start:.2f} s" for start, _ in seconds],
        [-1] * length,
        [(0, 0)] * length,
        [start >= duration for start, _ in seconds],
        seconds=seconds,
        duration=duration,
    )
