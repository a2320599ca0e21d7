"""Between a decoder, which knows ids, and a watch, which wants text and rows of maps."""

from collections.abc import Callable, Mapping

from heedmap.model.detokenizer import Detokenizer
from heedmap.model.prediction import Axis
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.step import rows
from heedmap.model.watch import Stop, Token, Watch


class Recorded(Watch):
    """A watch together with the recorder that listens to the model while it decodes."""

    def __init__(self, watch: Watch, recorder: Recorder) -> None:
        self.watch, self.recorder, self.maps = watch, recorder, watch.maps

    def __call__(self) -> bool:
        return self.watch()

    def start(self, axes: Mapping[str, Axis]) -> None:
        self.watch.start(axes)

    def token(self, token: Token) -> None:
        self.watch.token(token)


class Writing:
    """One output while it is written, told to a watch token by token.

    recorder: listens to every step, where rows are asked for; else None.
    """

    def __init__(self, watch: Watch, detokenizer: Detokenizer, label: Callable[[int], str]) -> None:
        self.watch, self.detokenizer, self.label = watch, detokenizer, label
        self.recorder: Recorder | None = None
        if isinstance(watch, Recorded):
            self.recorder = watch.recorder
        elif watch.maps:
            self.recorder = Recorder()
        self.written = 0

    @classmethod
    def to(
        cls, stop: Stop, axes: Mapping[str, Axis], detokenizer: Detokenizer, label: Callable[[int], str]
    ) -> "Writing | None":
        """The writing of an output about an input with these axes; None where nobody watches."""
        if not isinstance(stop, Watch):
            return None
        stop.start(axes)
        return cls(stop, detokenizer, label)

    def step(self, token: int, log_probability: float | None, query: int, *, last: bool) -> None:
        """A token was chosen, at this query of the decoder's maps."""
        recorded = [] if self.recorder is None else rows(self.recorder, self.watch.maps, query)
        self.forget()
        text = self.detokenizer.add(token, last=last)
        self.watch.token(Token(self.written, token, self.label(token), text, log_probability, recorded))
        self.written += 1

    def forget(self) -> None:
        """What was recorded so far belongs to no step to come."""
        if self.recorder is not None:
            self.recorder.clear()
