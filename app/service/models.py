"""The models of a service: loaded at the start or when they are first asked for, and let go under a budget of memory.

Everything here runs on the event loop but the reading itself: one model at a time is read in a thread of its own, while
the worker answers for the others. Whoever holds a model that is let go keeps it until the answer is out.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import structlog

from heedmap.app.errors import DeadlineExceeded, ModelUnavailable, NotFound
from heedmap.app.problems import brief
from heedmap.app.service import garbage
from heedmap.app.service.engine import Engine
from heedmap.app.service.metrics import Metrics
from heedmap.app.service.places import public_message, public_source
from heedmap.app.service.threads import in_thread
from heedmap.model.contract import Served
from heedmap.model.errors import CheckpointError, HeedmapError, ParameterError, detached, stack_of
from heedmap.model.hub.load.sources import Source
from heedmap.model.load import card_of, load, peek
from heedmap.model.trace.trace import Trace

if TYPE_CHECKING:
    from torch import nn

AGAIN = 30.0  # seconds until a model that could not be loaded is tried again: a repaired folder is found, a hub spared
THREAD = "heedmap-load"
State = Literal["loaded", "loading", "unloaded", "failed"]

log = structlog.get_logger("heedmap")


@dataclass(eq=False)
class _Entry:
    """One configured model and what is known of it."""

    source: str
    facts: dict[str, Any] = field(default_factory=dict)  # what it says of itself; kept when it is let go
    model: Served[Trace] | None = None
    size: int = 0  # bytes of its weights, once they have been in memory
    used: int = 0  # a count that grows with every use of any model
    task: "asyncio.Task[Served[Trace] | Exception] | None" = None  # the load that is under way
    error: str | None = None  # why the last load failed
    failed: float = -math.inf

    @property
    def state(self) -> State:
        """Where it is in its life."""
        if self.model is not None:
            return "loaded"
        if self.task is not None:
            return "loading"
        return "unloaded" if self.error is None else "failed"


class Models:
    """Named models, each loaded or not, and the loading of them.

    Args:
        sources: what to load, by name: PATH_OR_HUB_ID[@REVISION][?task=...&dtype=...].
        engine: the worker, whose deadline holds for whoever waits for a load.
        metrics: where loads are counted.
        device: auto, cpu or cuda.
        budget: bytes of weights that are kept; 0 is without a limit.
        trace_limit: bytes of one trace; 0 is without a limit.
        read: what makes a model of a source on a device.
    """

    def __init__(
        self,
        sources: Mapping[str, str],
        engine: Engine,
        metrics: Metrics,
        *,
        device: str = "auto",
        budget: int = 0,
        trace_limit: int = 0,
        read: Callable[[str, str], Served[Trace]] | None = None,
    ) -> None:
        self.engine, self.metrics, self.device, self.budget = engine, metrics, device, budget
        self.read, self.trace_limit = read or load, trace_limit
        self._entries = {name: _Entry(source) for name, source in sources.items()}
        self._uses = count(1)
        self._turn = asyncio.Lock()  # one load at a time
        self._background: set[asyncio.Task[Any]] = set()

    def name(self, name: str | None) -> str:
        """The name of a model, or of the only one.

        Raises:
            NotFound: there is none of that name. ParameterError: several are served and none is named.
        """
        names = ", ".join(self._entries)
        if name is None:
            if len(self._entries) > 1:
                raise ParameterError(f"several models are served, name one of {names}", field="model")
            return next(iter(self._entries))
        if name not in self._entries:
            raise NotFound(f"there is no model {name[:100]!r} here; there is {names}", field="model")
        return name

    async def get(self, model: str | None) -> tuple[str, Served[Trace]]:
        """A model, loaded first where it is not; whoever asks meanwhile waits for the same load.

        Raises:
            NotFound: there is none of that name. ParameterError: several are served and none is named.
            ModelUnavailable: it cannot be loaded. DeadlineExceeded: it is still being loaded.
        """
        name = self.name(model)
        entry = self._entries[name]
        entry.used = next(self._uses)
        if entry.model is not None:
            return name, entry.model
        wait = entry.failed + AGAIN - time.monotonic()
        if entry.error is not None and entry.task is None and wait > 0:
            raise _unavailable(name, entry.error, wait)
        seconds = self.engine.deadline
        try:
            async with asyncio.timeout(seconds):
                outcome = await asyncio.shield(entry.task or self._begin(name, entry))
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"the model {name} is still being loaded after {seconds:g} s; ask again in a while", field="model"
            ) from error
        if isinstance(outcome, Exception):
            raise _unavailable(name, entry.error or public_message(str(outcome), entry.source), AGAIN) from outcome
        return name, outcome

    async def start(self) -> None:
        """Load all of them; under a budget the first of them are those that stay.

        Raises:
            CheckpointError: one cannot be loaded; its message names it.
        """
        for name, entry in reversed(self._entries.items()):
            entry.used = next(self._uses)
            outcome = await self._begin(name, entry)
            if isinstance(outcome, CheckpointError):
                raise type(outcome)(f"the model {name} cannot be served from {entry.source}: {outcome}") from outcome
            if isinstance(outcome, Exception):
                raise outcome

    def look(self) -> None:
        """Find out in the background what can be known of each without loading it."""

        async def look() -> None:
            for entry in self._entries.values():
                async with self._turn:  # also because transformers cannot be imported by two threads at once
                    facts = await in_thread(THREAD, partial(peek, entry.source))
                entry.facts = entry.facts or facts

        self._background.add(asyncio.create_task(look()))

    async def stop(self) -> None:
        """Stop waiting for loads; a thread that reads one ends with the process."""
        tasks = [*self._background, *(entry.task for entry in self._entries.values() if entry.task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def facts(self, name: str) -> dict[str, Any]:
        """What a model says of itself; nothing until it has been loaded once."""
        return self._entries[name].facts

    def describe(self, name: str) -> dict[str, Any]:
        """Its name, source and state, why it failed where it did, and what it says of itself."""
        entry = self._entries[name]
        description: dict[str, Any] = {"name": name, "source": public_source(entry.source), "state": entry.state}
        if entry.state == "failed":
            description["error"] = entry.error
        return {**description, **entry.facts}

    async def card(self, name: str) -> str | None:
        """What its card says, in Markdown; None where there is none."""
        return await in_thread(THREAD, partial(card_of, self._entries[name].source))

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def in_state(self, *states: State) -> list[str]:
        """The names of the models in one of these states."""
        return [name for name, entry in self._entries.items() if entry.state in states]

    @property
    def bytes(self) -> int:
        """Of the weights in memory."""
        return sum(entry.size for entry in self._entries.values() if entry.model is not None)

    def _begin(self, name: str, entry: _Entry) -> "asyncio.Task[Served[Trace] | Exception]":
        entry.task = asyncio.create_task(self._load(name, entry))
        return entry.task

    async def _load(self, name: str, entry: _Entry) -> Served[Trace] | Exception:
        """The model, or what went wrong: nobody may be waiting for it any more."""
        try:
            async with self._turn:
                started = time.perf_counter()
                self._make_room(entry, entry.size or _estimate(entry.source))
                model, size = await in_thread(THREAD, lambda: self._read(entry.source))
                if self.budget and size > self.budget:
                    raise CheckpointError(
                        f"its weights take {size:,} bytes, and the budget (HEEDMAP_MODEL_BYTES) is {self.budget:,}"
                    )
                facts = await self.engine.run(model.describe, patient=True)
                if self._make_room(entry, size):
                    await in_thread(THREAD, garbage.sweep)
                garbage.keep_new()
                entry.model, entry.size, entry.error = model, size, None
                entry.facts = {**facts, "bytes": size}
        except Exception as error:
            expected = isinstance(error, HeedmapError)
            said = str(error) if expected else "it failed unexpectedly; the service's log says how"
            entry.error = public_message(said, entry.source)
            entry.failed = time.monotonic()
            self.metrics.load_failures.labels(name).inc()
            log.error("model_failed", model=name, cause=brief(error), stack=None if expected else stack_of(error))
            return detached(error)  # it is handed to everybody who waits, and its frames hold a model
        finally:
            entry.task = None
        seconds = time.perf_counter() - started
        self.metrics.loads.labels(name).observe(seconds)
        log.info(
            "model_loaded",
            model=name,
            device=facts.get("device"),
            revision=model.revision,
            bytes=size,
            seconds=round(seconds, 2),
            **({"unused": facts["unused"]} if facts.get("unused") else {}),  # weights that this task does not run
        )
        return model

    def _read(self, source: str) -> tuple[Served[Trace], int]:
        """Read a model in a thread of its own, after what was let go has left the memory."""
        import torch

        from heedmap.model.hub.load import placement

        garbage.sweep()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        model = self.read(source, device)
        model.trace_limit = self.trace_limit
        if device.startswith("cuda"):  # what does not fit there beside the weights cannot be made
            room = torch.cuda.get_device_properties(device).total_memory - torch.cuda.memory_allocated(device)
            model.trace_limit = min(self.trace_limit or room, room)
        return model, placement.weight_bytes(_network(model))

    def _make_room(self, newcomer: _Entry, needed: int) -> bool:
        """Let go of the least recently used until there is room for so many bytes; whether any had to go."""
        gone = False
        others = [(n, e) for n, e in self._entries.items() if e.model is not None and e is not newcomer]
        for name, entry in sorted(others, key=lambda pair: pair[1].used):
            if not self.budget or self.bytes + needed <= self.budget:
                break
            entry.model, gone = None, True
            log.info("model_unloaded", model=name, bytes=entry.size)
        return gone


def _network(model: Any) -> "nn.Module":
    """The network of a model: our own families have one, transformers' lies in what was loaded."""
    network: nn.Module = model.network if hasattr(model, "network") else model.loaded.model
    return network


def _estimate(text: str) -> int:
    """What a model that has never been loaded may take: what its files take, where they lie here.

    Those of an adapter and of its base, which are both in memory until they are merged.
    """
    from heedmap.model.hub.load.adapters import base_of

    try:
        source = Source.parse(text)
        places = {source.location, source.adapter, base_of(source).location} - {None, ""}
    except CheckpointError:  # loading says what is wrong with it
        return 0
    folders = {Path(str(place)).expanduser() for place in places}
    return sum(path.stat().st_size for folder in folders if folder.is_dir() for path in folder.glob("*.safetensors"))


def _unavailable(name: str, reason: str, seconds: float) -> ModelUnavailable:
    headers = {"Retry-After": str(max(1, math.ceil(seconds)))}
    return ModelUnavailable(f"the model {name} cannot be loaded: {reason}", field="model", headers=headers)
