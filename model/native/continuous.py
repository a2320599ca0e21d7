"""A translator's running batch: sentences join it between two steps, and leave it when they are done.

Nobody waits for a batch to end, and the batch stays full: a step costs little more for many rows than for few. What
each sentence becomes is what it becomes alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.errors import HeedmapError, InputError
from heedmap.model.generated import Generated
from heedmap.model.isolation import failure
from heedmap.model.native.decoding import COMPACT, advance, greedy
from heedmap.model.native.inference import InferenceState, InferenceTransformer
from heedmap.model.native.static_decoding import Lease, Reserve
from heedmap.model.native.static_transformer import StaticTransformer
from heedmap.model.native.tokenizer import END, Encoding
from heedmap.model.observer import stage, together
from heedmap.model.sampling import Sampler

ROWS = 64  # sentences that are decoded together: more are hardly faster a sentence
PATIENCE = 4  # steps that a sentence waits at most for others to join with it
UNSEEN = 16  # columns of the caches that every row computes with for nothing: a copy of the caches is cheaper then


@dataclass(eq=False)
class _Row:
    ticket: int
    request: Request
    source: Encoding
    limit: int
    sampler: Sampler | None
    ids: list[int] = field(default_factory=list)
    score: float = 0.0
    done: bool = False


@runtime_checkable
class Translates(Protocol):
    """What a running batch needs of its translator."""

    device: torch.device

    def encode(self, request: Request) -> Encoding:
        """The tokens of a request's input, or an InputError."""

    def output_limit(self, parameters: Parameters) -> int:
        """The longest output, in tokens."""

    def started(self, sources: list[list[int]]) -> InferenceState:
        """The state of the inference engine before the first token of each."""

    def prediction(self, request: Request, source: Encoding, output: Generated) -> Prediction:
        """The answer that an output is."""


class TranslatorSession:
    """A running batch of one translator; a `Session`. All of it is called on one thread.

    Args:
        rows: sentences that are decoded together.
        reserve: of buffers that a batch is decoded over, where that is faster.
    """

    def __init__(
        self,
        translator: Translates,
        engine: InferenceTransformer,
        rows: int = ROWS,
        reserve: Reserve[StaticTransformer] | None = None,
    ) -> None:
        self.translator, self.engine, self.size, self._reserve = translator, engine, rows, reserve
        self._lease: Lease[StaticTransformer] | None = None
        self._tickets = count()
        self._waiting: list[_Row] = []
        self._rows: list[_Row] = []  # as they stand in the state; some are done and have not left yet
        self._failed: list[tuple[int, HeedmapError]] = []
        self._state: InferenceState | StaticTransformer | None = None
        self._tokens = torch.empty(0, dtype=torch.long)
        self._steps = 0  # since the last one joined

    @staticmethod
    def takes(request: Request) -> bool:
        """Whether a request can join: one hypothesis, nothing given, begun or edited, and no text that ends it."""
        parameters = request.parameters
        if request.edits or parameters.prefix is not None:
            return False
        return request.target is None and (parameters.beam_size == 1 or parameters.do_sample) and not parameters.stop

    @property
    def running(self) -> int:
        """Sentences that are not done."""
        return len(self._waiting) + sum(not row.done for row in self._rows)

    @property
    def room(self) -> int:
        """How many more may join."""
        return max(0, self.size - self.running)

    @property
    def busy(self) -> bool:
        """Whether a step has something to do."""
        return bool(self.running or self._failed)

    def add(self, request: Request) -> int:
        """Let a request join; `step` hands its outcome out under this ticket."""
        ticket = next(self._tickets)
        try:
            with stage("tokenize"):
                source = self.translator.encode(request)
        except InputError as error:
            self._failed.append((ticket, error))
            return ticket
        except Exception as error:  # whatever a tokenizer raises at what a caller sent
            self._failed.append((ticket, failure(error)))
            return ticket
        parameters = request.parameters
        limit = self.translator.output_limit(parameters)
        sampler = Sampler(parameters, 1) if parameters.do_sample else None
        self._waiting.append(_Row(ticket, request, source, limit, sampler))
        return ticket

    def drop(self, ticket: int) -> None:
        """Nobody waits for this one any more."""
        self._waiting = [row for row in self._waiting if row.ticket != ticket]
        self._failed = [(other, error) for other, error in self._failed if other != ticket]
        for row in self._rows:
            row.done = row.done or row.ticket == ticket

    @torch.inference_mode()
    def step(self) -> list[tuple[int, Prediction | HeedmapError]]:
        """One token for every sentence; the outcomes of those that are done with it."""
        outcomes: list[tuple[int, Prediction | HeedmapError]] = list(self._failed)
        self._failed = []
        self._join()
        self._leave()
        if self._state is None:
            return outcomes
        decoder = self._state if isinstance(self._state, StaticTransformer) else self.engine
        drawn = any(row.sampler is not None and not row.done for row in self._rows)
        choose = self._choose if drawn else greedy
        self._tokens, ids, parts = advance(decoder, self._tokens, self._state, choose)
        for row, token, part in zip(self._rows, ids, parts, strict=True):
            if row.done:
                continue
            row.ids.append(token)
            row.score += part
            if token == END or len(row.ids) == row.limit:
                row.done = True
                outcomes.append((row.ticket, self._outcome(row)))
        self._steps += 1
        return outcomes

    def _choose(self, logits: Tensor, _rows: Sequence[int]) -> Tensor:
        """What each row asked for: the likeliest, or a draw."""
        chosen = greedy(logits, ())
        for place, row in enumerate(self._rows):
            if row.sampler is not None and not row.done:
                chosen[place] = row.sampler(logits[place : place + 1], [0])[0]
        return chosen

    def _outcome(self, row: _Row) -> Prediction:
        output = Generated(row.ids, row.score, "stop" if row.ids[-1] == END else "length")
        return self.translator.prediction(row.request, row.source, output)

    def _join(self) -> None:
        """Those who wait take the rows of those who are done; several at once, because encoding one takes a pass."""
        few = len(self._waiting) * COMPACT < len(self._rows) and self._steps < PATIENCE
        if not self._waiting or few:
            return
        free = [place for place, row in enumerate(self._rows) if row.done]
        if len(free) == len(self._rows):
            free, self._rows, self._state = [], [], None
        space = self.size - len(self._rows) + len(free)
        joining, self._waiting = self._waiting[:space], self._waiting[space:]
        if not joining:
            return
        together([len(row.source.ids) for row in joining])
        ready = self.translator.started([row.source.ids for row in joining])
        opening = torch.full((len(joining),), END, device=self.translator.device)
        if self._state is None:
            self._state, self._tokens, self._rows = self._begun(ready), opening, joining
        else:
            places = self._state.join(ready, free)
            self._rows += joining[len(free) :]
            self._tokens = torch.cat([self._tokens, opening[len(free) :]])
            self._tokens[places] = END
            for place, row in zip(places, joining, strict=True):
                self._rows[place] = row
        self._steps = 0

    def _begun(self, ready: InferenceState) -> InferenceState | StaticTransformer:
        """A batch of its own: over static buffers where there are any."""
        if self._reserve is not None and self._lease is None:
            self._lease = self._reserve.lend(self.size, self.engine.steps)
        static = None if self._lease is None else self._lease.decoding
        return ready if static is None else static.begin(ready)

    def _leave(self) -> None:
        """Rows that are done leave when it pays to move the others, and columns of the caches that nobody sees."""
        alive = [place for place, row in enumerate(self._rows) if not row.done]
        if not alive or self._state is None:
            self._rows, self._state, self._lease = [], None, None
            return
        done = len(self._rows) - len(alive)
        unseen = 0 if self._state.joined is None else min(self._state.joined[alive].tolist())
        if done * COMPACT >= len(self._rows) or unseen >= UNSEEN:
            kept = torch.tensor(alive, device=self.translator.device)
            self._state.reorder(kept)
            self._tokens, self._rows = self._tokens[kept], [self._rows[place] for place in alive]
