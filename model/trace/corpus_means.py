"""The mean output of each head over a corpus: what `silence` by the mean puts in the place of a head's output."""

from collections.abc import Callable, Sequence

from torch import Tensor

from heedmap.model.attention.editor import Means
from heedmap.model.errors import InputError
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.records import AttentionRecord
from heedmap.model.watch import Stop, raise_if_cancelled


class CorpusMeans:
    """Takes the means of a model, pass by pass, so that no two of them are in memory.

    Those of the last corpus are kept: a trace asks for them twice, a sweep of all heads once for each.

    Args:
        recorded: a recorded pass over one text and what the model makes of it, without padding.
    """

    def __init__(self, recorded: Callable[[str, Stop], Recorder]) -> None:
        self.recorded = recorded
        self._last: tuple[tuple[str, ...], Means] = ((), {})

    def __call__(self, corpus: Sequence[str], field: str, cancelled: Stop) -> Means:
        """Of each site and layer the mean output of its heads (H E), in float32, over all queries of all texts.

        Raises:
            InputError: a text cannot be used; `field` with its place says which. Cancelled: `cancelled` became true.
        """
        kept, means = self._last
        if kept != tuple(corpus):
            means = self._means(corpus, field, cancelled)
            self._last = tuple(corpus), means
        return means

    def _means(self, corpus: Sequence[str], field: str, cancelled: Stop) -> Means:
        sums: dict[tuple[str, int], Tensor] = {}
        counts: dict[tuple[str, int], int] = {}
        for place, text in enumerate(corpus):
            raise_if_cancelled(cancelled)
            try:
                recorder = self.recorded(text, cancelled)
            except InputError as error:
                raise InputError(f"a text of the corpus cannot be used: {error}", field=f"{field}.{place}") from error
            for site, records in recorder.records.items():
                for layer, record in enumerate(records):
                    assert isinstance(record, AttentionRecord), "who has means of outputs has outputs"
                    key, (batch, _, queries, _) = (site, layer), record.output.shape
                    total = record.output.float().sum(dim=(0, 2))
                    sums[key] = sums[key] + total if key in sums else total
                    counts[key] = counts.get(key, 0) + batch * queries
        return {key: total / counts[key] for key, total in sums.items()}
