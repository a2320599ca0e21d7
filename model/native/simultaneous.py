"""Simultaneous translation by our own encoder-decoders: greedily on from what is committed, until a token must wait.

Requests share a batch: each has its own source, its own beginning and its own policy, and leaves when it is decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor

from heedmap.model.contract import Axis
from heedmap.model.errors import HeedmapError, InputError, InputTooLong, ParameterError
from heedmap.model.isolation import failure, isolated
from heedmap.model.native.cross_rows import CrossRows
from heedmap.model.native.decoding import COMPACT, greedy
from heedmap.model.native.inference import InferenceTransformer
from heedmap.model.native.passes import begun, padded_ids
from heedmap.model.native.recurrent import Recurrent
from heedmap.model.native.tokenizer import END, PAD, SPACE, SPECIAL, Encoding, Tokenizer
from heedmap.model.native.transformer import AlignmentHead, Transformer
from heedmap.model.observer import stage
from heedmap.model.simultaneous import GOES_ON, Decision, LiveAnswer, LiveRequest, Reason, SourceWord
from heedmap.model.taught_head import Reading, TaughtHead
from heedmap.model.watch import Stop, never, raise_if_cancelled
from heedmap.model.words import Word, goes_on, words

FIELD = "committed"


@dataclass
class Line:
    """One request on its way: its output so far, where each token looks, and which is the first that must wait.

    words: of the source, without its end mark, whose place is `end`. labels: of the vocabulary.
    """

    request: LiveRequest
    words: list[Word]
    end: int
    prefix: list[int]
    reading: Reading
    room: int
    labels: Sequence[str]
    ids: list[int] = field(default_factory=list)
    begins: list[bool] = field(default_factory=list)  # whether a token begins a word
    looks: list[tuple[int | None, float]] = field(default_factory=list)  # at which source word, and how much
    held: int | None = None
    why: Reason = "late"  # the first that waits does
    ended: bool = False

    def given(self, step: int) -> int | None:
        """The token that is committed at a step."""
        return self.prefix[step] if step < len(self.prefix) else None

    def take(self, token: int, row: NDArray[np.float64]) -> None:
        """A step wrote a token and looked by a row (K,): by the reading that of its own, or that of the one before."""
        if self.reading == "output" or self.ids:
            self.looks.append(self._look(row))
        self._write(token)
        before = len(self.ids) - 2
        if before >= len(self.prefix) and self.held is None and not self.request.final:
            self._judge(before)
        last = len(self.ids) - 1
        if token == END:
            self.ended = True
            if self.held is None and not self.request.final:
                self.held, self.why = self._end(last), "end"
        elif len(self.ids) >= self.room or (self.held is not None and self.held < last and self.begins[last]):
            self.ended = True  # there is no room, or the word that must wait is whole

    def _end(self, last: int) -> int:
        """Where the output begins to end: a mark before the end token, such as a full stop, belongs to it."""
        mark = last > len(self.prefix) and not any(sign.isalnum() for sign in self.labels[self.ids[last - 1]])
        return last - mark

    def _look(self, row: NDArray[np.float64]) -> tuple[int | None, float]:
        """The source word that a row looks at most, which has what its tokens have together; None: its end mark."""
        shares = [float(row[word.tokens].sum()) for word in self.words]
        best = int(np.argmax(shares)) if shares else None
        end = float(row[self.end])
        return (None, end) if best is None or end > shares[best] else (best, shares[best])

    def _write(self, token: int) -> None:
        before, label = (self.labels[self.ids[-1]] if self.ids else ""), self.labels[token]
        inside = not label.startswith(SPACE) and (before == SPACE or goes_on(before, label))
        self.begins.append(token == END or not inside)
        self.ids.append(token)

    def _judge(self, place: int) -> None:
        why = self.request.policy.judge(self.word(place), self.looks[place][0], len(self.words))
        if why not in GOES_ON:
            self.held, self.why = place, why

    def word(self, place: int) -> int:
        """Which word of the output a token is in, from 0."""
        return max(sum(self.begins[: place + 1]), 1) - 1

    def told(self) -> int:
        """How many tokens are told of: without one that only showed that the word before it is whole."""
        last = len(self.ids) - 1
        peeked = self.held is not None and self.held < last and self.ids[last] != END and self.begins[last]
        return last if peeked else last + 1

    def cut(self) -> int:
        """How many tokens are committed: all of a source that is complete, else the whole words before what waits."""
        if self.request.final:
            return len(self.ids) - (self.ids[-1:] == [END])
        last = len(self.ids) - 1 if self.held is None else self.held
        return max(
            (place for place in range(len(self.prefix), last + 1) if self.begins[place]), default=len(self.prefix)
        )


class SimultaneousTranslator:
    """The part of a translator; see `Simultaneous` in the contract."""

    network: Transformer | Recurrent
    engine: InferenceTransformer | None
    tokenizer: Tokenizer
    device: torch.device

    @property
    def alignment(self) -> AlignmentHead | None:
        """The cross head that was taught to align, if one was."""
        raise NotImplementedError

    def _encode(self, text: str, field: str) -> Encoding:
        raise NotImplementedError

    def simultaneous(self, requests: Sequence[LiveRequest], cancelled: Stop = never) -> list[LiveAnswer | HeedmapError]:
        """Answer one batch; each request has its own answer or its own error, in the same order."""
        return isolated(lambda some: self._live(some, cancelled), requests)

    def _live(self, requests: Sequence[LiveRequest], cancelled: Stop) -> list[LiveAnswer | HeedmapError]:
        results: dict[int, LiveAnswer | HeedmapError] = {}
        lines: dict[int, Line] = {}
        sources: dict[int, Encoding] = {}
        head = None if self.alignment is None else TaughtHead(**self.alignment.model_dump())
        with stage("tokenize"):
            for index, request in enumerate(requests):
                try:
                    sources[index] = self._encode(request.inputs, "inputs")
                    prefix = self._committed(request.committed)
                except InputError as error:
                    results[index] = failure(error)
                    continue
                reading: Reading = "output" if head is None else head.reading
                room = self.network.config.max_positions
                end = len(sources[index].ids) - 1
                lines[index] = Line(request, source_words(sources[index]), end, prefix, reading, room, self._labels)
        if lines:
            with stage("generate"), torch.inference_mode():
                self._decode(list(lines.values()), [sources[index].ids for index in lines], head, cancelled)
        for index, line in lines.items():
            results[index] = self._answer(line, sources[index], head)
        return [results[index] for index in range(len(requests))]

    def _decode(
        self, lines: list[Line], sources: Sequence[list[int]], head: TaughtHead | None, cancelled: Stop
    ) -> None:
        """Every line to where it ends, a token of each at a step."""
        ids, lengths = padded_ids(sources, self.device)
        if self.engine is None:
            state: Any = begun(self.network, ids, lengths)
            decoder: Any = self.network
        else:
            decoder, state = self.engine, self.engine.start(ids, lengths)
        tokens = torch.full((len(lines),), END, device=self.device)
        step = 0
        while True:
            raise_if_cancelled(cancelled)
            rows = CrossRows(head)
            logits = decoder.decode(tokens[:, None], state, rows)[:, -1]
            logits[:, PAD] = -torch.inf
            for place, line in enumerate(lines):
                if step == len(line.prefix) > 0 and self._joins(line.prefix[-1]):  # its last word is whole
                    logits[place] = logits[place].masked_fill(self._joining, -torch.inf)
            tokens = greedy(logits, ())
            for place, line in enumerate(lines):
                given = line.given(step)
                if given is not None:
                    tokens[place] = given
            for line, token, row in zip(lines, tokens.tolist(), rows.weights(), strict=True):
                if not line.ended:
                    line.take(token, row)
            step += 1
            alive = [place for place, line in enumerate(lines) if not line.ended]
            if not alive:
                return
            if (len(lines) - len(alive)) * COMPACT >= len(lines):
                kept = torch.tensor(alive, device=self.device)
                state.reorder(kept)
                tokens, lines = tokens[kept], [lines[place] for place in alive]

    def _answer(self, line: Line, source: Encoding, head: TaughtHead | None) -> LiveAnswer:
        cut, told, final = line.cut(), line.told(), line.request.final
        described = self.tokenizer.describe(line.ids[:told])
        decisions = []
        for place in range(len(line.prefix), told):
            token, committed = line.ids[place], place < cut or final
            position, weight = line.looks[place] if place < len(line.looks) and token != END else (None, None)
            why: Reason = "complete" if final else "end" if token == END else "word"
            if not final and committed:
                why = GOES_ON[line.request.policy.kind == "wait-k"]
            elif place == line.held:
                why = line.why
            label, span = described.labels[place], described.spans[place]
            decisions.append(Decision(label, token, span, line.word(place), position, weight, committed, why))
        ids = line.ids[:cut]
        return LiveAnswer(
            ids,
            self.tokenizer.decode(ids),
            self.tokenizer.decode(line.ids[:told]),
            [_source_word(word, source) for word in line.words],
            decisions,
            head,
            final and line.ids[-1:] == [END],
        )

    def _committed(self, committed: str | Sequence[int]) -> list[int]:
        """The ids of what is committed.

        Raises:
            InputError: they are none of an output, or leave no room.
        """
        room = self.network.config.max_positions
        if isinstance(committed, str):
            over = self.tokenizer.tokens_over(committed, room)
            ids = [] if over is not None else self.tokenizer.encode(committed).ids
            ids, count = ids[:-1] if ids[-1:] == [END] else ids, len(ids) if over is None else over
        else:
            ids, count = list(committed), len(committed)
            for place, token in enumerate(ids):
                if not 0 <= token < len(self.tokenizer) or token in (PAD, END):
                    raise ParameterError(
                        f"there is no token {token:,} within an output: the vocabulary has {len(self.tokenizer):,}",
                        field=f"{FIELD}.{place}",
                    )
        if count >= room:
            raise InputTooLong(
                f"{count:,} tokens are committed, and an output has at most {room:,}: begin another sentence",
                field=FIELD,
            )
        return ids

    @cached_property
    def _labels(self) -> list[str]:
        return self.tokenizer.describe(list(range(len(self.tokenizer)))).labels

    @cached_property
    def _joining(self) -> Bool[Tensor, "V"]:
        """Which tokens go on with the word before them."""
        return torch.tensor([goes_on("a", label) for label in self._labels], device=self.device)

    def _joins(self, token: int) -> bool:
        return goes_on(self._labels[token], "a")


def source_words(source: Encoding) -> list[Word]:
    """The words of a source, without its end mark."""
    special = [token < len(SPECIAL) for token in source.ids]
    axis = Axis("text", source.labels, source.ids, source.spans, special)
    return [word for word in words(axis) if any(stop > start for start, stop in _spans(word, source))]


def _source_word(word: Word, source: Encoding) -> SourceWord:
    spans = [span for span in _spans(word, source) if span[1] > span[0]]
    return SourceWord(word.text, (min(start for start, _ in spans), max(stop for _, stop in spans)))


def _spans(word: Word, source: Encoding) -> list[tuple[int, int]]:
    return [source.spans[token] for token in word.tokens]
