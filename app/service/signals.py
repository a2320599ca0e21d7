"""What the heads of served traffic do, as metrics: how much they rest on key 0, and how spread their rows are.

A sample of the traces that were recorded is looked at, one at a time, a layer a turn, and only while nobody waits: what
would keep anybody from an answer is passed over.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from heedmap.app import ticket
from heedmap.app.problems import brief
from heedmap.app.service import maps
from heedmap.app.service.engine import Engine
from heedmap.app.service.metrics import Metrics
from heedmap.model.trace.trace import Trace

ROWS = 128  # of a map: their mean is that of all to a few percent
PAUSE = 0.1  # seconds until a trace is looked at: its own answer, and what is asked about it at once, come first
HEADS = 2_000  # of all models together, whose series are kept: a large model's, or a few small ones'

log = structlog.get_logger("heedmap")


class HeadSignals:
    """Measures a share of the traces that it is offered.

    Args:
        share: of all, from 0 to 1.
        lines: all workers; `reading` does the work.
    """

    def __init__(
        self,
        share: float,
        lines: Mapping[str, Engine],
        metrics: Metrics,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.share, self.lines, self.metrics, self.chance = share, lines, metrics, chance
        self._task: asyncio.Task[None] | None = None
        self._known: set[tuple[str, ...]] = set()

    def offer(self, model: str, outcome: object) -> None:
        """Look at what a model recorded, perhaps, later."""
        if not self.share or not isinstance(outcome, Trace) or self.chance() >= self.share:
            return
        if self._task is not None and not self._task.done():
            self._note("busy")
            return
        with ticket.bearing(None):
            self._task = asyncio.create_task(self._measure(model, outcome))

    def stop(self) -> None:
        """Look at nothing more."""
        if self._task is not None:
            self._task.cancel()

    async def _measure(self, model: str, trace: Trace) -> None:
        layers = maps.heads(trace, ROWS)
        reading = self.lines["reading"]
        try:
            await asyncio.sleep(PAUSE)
            while True:
                if any(line.waiting or (line.busy and line is not reading) for line in self.lines.values()):
                    self._note("busy")
                    return
                rows = await reading.run(lambda: next(layers, None), turn=True)
                if rows is None:
                    break
                for row in rows:
                    self._keep(model, row)
        except Exception as error:  # nobody asked for it: a trace that cannot be read says so to who reads it
            log.info("heads_not_measured", model=model, cause=brief(error))
            self._note("failed")
        else:
            self._note("measured")

    def _keep(self, model: str, row: Mapping[str, Any]) -> None:
        place = model, str(row["site"]), str(row["layer"]), str(row["head"])
        if place not in self._known:
            if len(self._known) >= HEADS:
                return
            self._known.add(place)
        self.metrics.sink.labels(*place).observe(float(row["sink"]))
        self.metrics.entropy.labels(*place).observe(float(row["entropy"]))

    def _note(self, outcome: str) -> None:
        self.metrics.signals.labels(outcome).inc()
