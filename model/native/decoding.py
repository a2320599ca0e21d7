"""Greedy, beam and sampled decoding over a key/value cache, batched, each sequence with its own stop.

A decoder only needs `decode` (logits of the next token, the state moving on) and a state that can `reorder` its rows;
finished sequences leave the batch, so that a long sentence never makes short ones wait for nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.attention.multihead import AttentionRecorder
from heedmap.model.contract import Parameters
from heedmap.model.errors import ParameterError
from heedmap.model.generated import Generated
from heedmap.model.native.tokenizer import END, PAD
from heedmap.model.sampling import Sampler
from heedmap.model.stops import StopStrings
from heedmap.model.trace.writing import Writing
from heedmap.model.watch import Stop, never, raise_if_cancelled

CHUNK = 64  # logits whose best is found at once
COMPACT = 8  # finished sequences leave the batch when they are one in so many: moving the rest costs as much as a step


@runtime_checkable
class State(Protocol):
    """All that a decoding step needs from before it."""

    def reorder(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""


@runtime_checkable
class Decoder(Protocol):
    """A network that predicts the next token."""

    def decode(self, ids: Tensor, state: Any, recorder: AttentionRecorder | None = None) -> Tensor:
        """Logits (B Q V) of the token after each of `ids` (B Q); the state moves on."""


@runtime_checkable
class GreedyDecoder(Decoder, Protocol):
    """A decoder whose step chooses the likeliest token by itself."""

    def greedy(self, tokens: Tensor, state: Any) -> tuple[Tensor, list[int], list[float]]:
        """The likeliest token after each of `tokens` (B), on the device and on the host, and its log-probability.

        The first holds until the next step.
        """


def generate(
    decoder: Decoder,
    state: State,
    batch: int,
    parameters: Parameters,
    limit: int,
    device: torch.device,
    cancelled: Stop = never,
    first: Int[Tensor, "B"] | None = None,
    writing: Writing | None = None,
    place: int = 0,
    decode: Callable[[list[int]], str] | None = None,
    prefix: Sequence[int] = (),
) -> list[Generated]:
    """Generate one output per sequence of the batch.

    Args:
        state: the decoder's state before `first`, one row per sequence.
        limit: the longest output, in tokens.
        first: what each sequence reads first; the end token, which opens a translation, unless given.
        writing: is told every token of a single sequence that has one hypothesis.
        place: of `first` among all that the decoder reads.
        decode: ids to their text, for the stop strings of the parameters.
        prefix: what every output begins with; scored and told like what follows it.

    Raises:
        ParameterError: beams with stop strings.
        Cancelled: `cancelled` became true between two steps.
    """
    opening = torch.full((batch,), END, device=device) if first is None else first.to(device)
    stops = StopStrings(parameters.stop, decode) if parameters.stop and decode is not None else None
    with torch.inference_mode():
        if parameters.do_sample or parameters.beam_size == 1:
            choose = Sampler(parameters, batch) if parameters.do_sample else greedy
            return _stepwise(decoder, state, opening, limit, cancelled, choose, writing, place, stops, prefix)
        if stops is not None:
            raise ParameterError(
                "stop strings are looked for in one hypothesis: take beam_size 1", field="parameters.stop"
            )
        assert writing is None, "hypotheses of a beam are not written one after the other"
        return _beam(decoder, state, opening, parameters, limit, cancelled, prefix)


def greedy(logits: Float[Tensor, "N V"], _rows: Sequence[int]) -> Int[Tensor, "N"]:
    """The likeliest token of each row.

    On the CPU `amax` is vectorised and `argmax` is not: the best of each chunk first, then its place, halves the time.
    """
    rows, vocabulary = logits.shape
    if rows < 4 or vocabulary % CHUNK or logits.device.type != "cpu":
        return logits.argmax(dim=-1)
    chunks = logits.view(rows, -1, CHUNK)
    best = chunks.amax(dim=-1).argmax(dim=-1)
    return best * CHUNK + chunks[torch.arange(rows), best].argmax(dim=-1)


def given(token: int) -> Callable[[Tensor, Sequence[int]], Tensor]:
    """Chooses the same token for every row, whatever its logits are."""
    return lambda logits, _rows: torch.full((len(logits),), token, dtype=torch.long, device=logits.device)


def advance(
    decoder: Decoder,
    tokens: Int[Tensor, "N"],
    state: Any,
    choose: Callable[[Tensor, Sequence[int]], Tensor],
    rows: Sequence[int] = (),
    recorder: AttentionRecorder | None = None,
) -> tuple[Tensor, list[int], list[float]]:
    """One token more for every row: on the device and on the host, and its log-probability.

    choose: of logits (N V), and of `rows`, the sequence that each is of, the token of each.
    """
    if choose is greedy and recorder is None and isinstance(decoder, GreedyDecoder):
        return decoder.greedy(tokens, state)
    listening = () if recorder is None else (recorder,)
    logits = decoder.decode(tokens[:, None], state, *listening)[:, -1]
    logits[:, PAD] = -torch.inf
    chosen = choose(logits, rows)
    parts = logits.float().log_softmax(dim=-1).gather(1, chosen[:, None])[:, 0]
    return chosen, chosen.tolist(), parts.tolist()


def _generated(ids: list[int], score: float, stopped: bool = False) -> Generated:
    return Generated(ids, score, "stop" if stopped or ids[-1] == END else "length")


def _stepwise(
    decoder: Decoder,
    state: State,
    opening: Tensor,
    limit: int,
    cancelled: Stop,
    choose: Callable[[Tensor, Sequence[int]], Tensor],
    writing: Writing | None,
    place: int,
    stops: StopStrings | None,
    prefix: Sequence[int],
) -> list[Generated]:
    """One token per sequence and step, until each has met its end."""
    batch, device = len(opening), opening.device
    assert writing is None or batch == 1, "one output is watched at a time"
    recorder = None if writing is None else writing.recorder
    outputs: list[list[int]] = [[] for _ in range(batch)]
    scores, ended = [0.0] * batch, [False] * batch
    rows = list(range(batch))  # of the decoder's batch: finished ones stay until it pays to move the others
    tokens = opening
    for step in range(limit):
        raise_if_cancelled(cancelled)
        chosen = given(prefix[step]) if step < len(prefix) else choose
        tokens, ids, parts = advance(decoder, tokens, state, chosen, rows, recorder)
        for row, token, part in zip(rows, ids, parts, strict=True):
            if not ended[row]:
                outputs[row].append(token)
                scores[row] += part
                ended[row] = token == END or (stops is not None and stops(outputs[row]))
                if writing is not None:
                    writing.step(token, part, place + step, last=ended[row] or step == limit - 1)
        alive = [at for at, row in enumerate(rows) if not ended[row]]
        if not alive:
            break
        if (len(rows) - len(alive)) * COMPACT >= len(rows):
            kept = torch.tensor(alive, device=device)
            state.reorder(kept)
            tokens, rows = tokens[kept], [rows[at] for at in alive]
    return [_generated(*output) for output in zip(outputs, scores, ended, strict=True)]


def _beam(
    decoder: Decoder,
    state: State,
    opening: Tensor,
    parameters: Parameters,
    limit: int,
    cancelled: Stop,
    prefix: Sequence[int],
) -> list[Generated]:
    """Beam search: a sequence stops when none of its open hypotheses can still beat its best finished one.

    Hypotheses are ranked by log-probability / length^length_penalty (Wu et al. 2016, without its constants).
    """
    width, penalty = parameters.beam_size, parameters.length_penalty
    batch, device = len(opening), opening.device
    finished: list[list[tuple[float, Generated]]] = [[] for _ in range(batch)]
    running = list(range(batch))
    state.reorder(torch.arange(batch, device=device).repeat_interleave(width))
    tokens = opening.repeat_interleave(width)[:, None]
    scores = torch.full((batch, width), -torch.inf, device=device)
    scores[:, 0] = 0  # all beams start equal: only the first may speak
    outputs: list[list[list[int]]] = [[[] for _ in range(width)] for _ in range(batch)]
    for step in range(1, limit + 1):
        raise_if_cancelled(cancelled)
        logits = decoder.decode(tokens, state)[:, -1].float()
        logits[:, PAD] = -torch.inf
        vocabulary = logits.shape[-1]
        totals = scores[..., None] + logits.log_softmax(dim=-1).view(len(running), width, vocabulary)
        if step <= len(prefix):
            kept = totals[..., prefix[step - 1]].clone()
            totals.fill_(-torch.inf)[..., prefix[step - 1]] = kept
        best, flat = totals.flatten(1).topk(2 * width, dim=-1)  # at most `width` of these can end
        rows: list[int] = []
        next_tokens: list[int] = []
        next_scores: list[list[float]] = []
        survivors: list[int] = []
        for place, row in enumerate(running):
            open_hypotheses: list[tuple[float, int, int]] = []
            for rank, (total, index) in enumerate(zip(best[place].tolist(), flat[place].tolist(), strict=True)):
                beam, token = divmod(index, vocabulary)
                if token == END:
                    if rank < width and total > -torch.inf:
                        ended = _generated([*outputs[row][beam], END], total)
                        finished[row].append((total / step**penalty, ended))
                elif len(open_hypotheses) < width:
                    open_hypotheses.append((total, beam, token))
            top = max((score for score, _ in finished[row]), default=-torch.inf)
            # With a penalty, a longer output can still rise to its total over the longest length allowed.
            reachable = open_hypotheses[0][0] / (limit if penalty else 1) ** penalty
            if step == limit or (len(finished[row]) >= width and top >= reachable) or top >= reachable:
                if not finished[row]:
                    total, beam, token = open_hypotheses[0]
                    finished[row].append((total, _generated([*outputs[row][beam], token], total)))
                continue
            survivors.append(row)
            rows += [place * width + beam for _, beam, _ in open_hypotheses]
            next_tokens += [token for _, _, token in open_hypotheses]
            next_scores.append([total for total, _, _ in open_hypotheses])
            outputs[row] = [[*outputs[row][beam], token] for _, beam, token in open_hypotheses]
        if not survivors:
            break
        running = survivors
        state.reorder(torch.tensor(rows, device=device))
        tokens = torch.tensor(next_tokens, device=device)[:, None]
        scores = torch.tensor(next_scores, device=device)
    return [max(hypotheses, key=lambda pair: pair[0])[1] for hypotheses in finished]
