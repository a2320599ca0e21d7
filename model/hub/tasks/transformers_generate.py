"""Outputs of transformers' own `generate`, under our parameters, each with its summed log-probability."""

import contextlib
import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from heedmap.model.contract import Parameters
from heedmap.model.generated import Generated
from heedmap.model.hub.attention import chunks
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.draw import Begin, Draw
from heedmap.model.hub.tasks.generation_settings import looks_back
from heedmap.model.hub.tasks.static_cache import StaticCache
from heedmap.model.hub.tasks.stop_criteria import Criterion, stop_criterion
from heedmap.model.trace.writing import Writing
from heedmap.model.watch import Stop, never, raise_if_cancelled


def generate(
    loaded: Loaded,
    inputs: Mapping[str, Tensor],
    parameters: Parameters,
    limit: int,
    cancelled: Stop = never,
    chunk: int | None = None,
    stop_strings: Sequence[str] = (),
    writing: Writing | None = None,
    cache: StaticCache | None = None,
    prefix: Sequence[int] = (),
    **settings: Any,
) -> list[Generated]:
    """One output per row of a batch: greedy, by beams, or drawn.

    What the checkpoint's generation_config forces, suppresses or forbids holds; its beams, sampling and lengths are
    those of the parameters. The score is the sum of the model's own log-probabilities, in nats, of all tokens of the
    output, its end included, before anything is forced or suppressed, as a teacher-forced pass would have it.

    An output ends with its end token or with the token that completes a stop string, which both stay in it: "stop". One
    that reaches the limit is "length", also where the checkpoint forces an end token there.

    Args:
        inputs: of the model's `generate`. A decoder-only model's prompts are padded on the left.
        limit: the longest output, in tokens.
        chunk: tokens of a long prompt that go in at once; all of them if None.
        stop_strings: texts that end an output, besides those of the parameters.
        writing: is told every token of a batch of one without beams.
        cache: for a single output without beams that fits and that nobody watches.
        prefix: what every output begins with; scored and told like what follows it.
        settings: more of a GenerationConfig: forced_bos_token_id.

    Raises:
        Cancelled: `cancelled` became true between two steps.
    """
    model = loaded.model
    if looks_back(model.generation_config) and len(rows := _unpadded(inputs)) > 1:
        more = {"chunk": chunk, "stop_strings": stop_strings, "prefix": prefix, **settings}
        return [output for row in rows for output in generate(loaded, row, parameters, limit, cancelled, **more)]
    ends = end_tokens(model)
    if chunk is not None and inputs["input_ids"].shape[1] > chunk:
        settings = {**settings, "prefill_chunk_size": chunk}
    width = 1 if parameters.do_sample else parameters.beam_size
    batch, began = next(iter(inputs.values())).shape[0], _start_length(model, inputs)
    stops = stop_criterion(loaded, stop_strings, parameters.stop, began)
    assert writing is None or (width == 1 and batch == 1), "one output is watched at a time, and no beams"
    static = cache if width == batch == 1 and writing is None and "prefill_chunk_size" not in settings else None
    if static is not None and began + limit <= static.length:
        settings = {**settings, **static.settings()}
    else:
        static = None
    tally = _Tally(batch, ends, stops, cancelled, None if writing is None else _told(writing, limit))
    raise_if_cancelled(cancelled)
    with contextlib.ExitStack() as hooks:
        if width == 1 and static is None:  # a compiled step calls no hooks
            hooks.callback(model.register_forward_hook(tally.keep).remove)
        if writing is not None:  # Whisper's generate runs its encoder more than once before the first step
            for part in (model, model.get_encoder()) if model.config.is_encoder_decoder else (model,):
                hooks.callback(part.register_forward_pre_hook(lambda *_: writing.forget()).remove)
        with torch.inference_mode():
            rows = model.generate(
                **inputs,
                generation_config=_config(model, parameters, limit, width, began, settings),
                stopping_criteria=[tally],
                logits_processor=[
                    *([Begin(prefix, began)] if prefix else []),
                    *([Draw(parameters, batch)] if parameters.do_sample else []),
                ],
            )
    lengths = [_length(row, began, ends, stops) for row in rows]
    outputs = [row[began : began + length] for row, (length, _) in zip(rows.tolist(), lengths, strict=True)]
    if width > 1 or not tally.steps:  # not heard at all: a compiled step, or a model within the model generates
        totals = score(loaded, inputs, rows[:, :began], outputs, chunk)
    else:
        totals = [float(total) for total in tally.totals]
    forced = model.generation_config.forced_eos_token_id is not None
    return [
        Generated(ids, total, "stop" if ended and not (forced and length == limit) else "length")
        for ids, total, (length, ended) in zip(outputs, totals, lengths, strict=True)
    ]


def end_tokens(model: Any) -> list[int]:
    """The tokens that end an output; none, where the checkpoint names none."""
    ids = model.generation_config.eos_token_id
    if ids is None:
        ids = getattr(model.config, "eos_token_id", None)
    return [] if ids is None else [ids] if isinstance(ids, int) else list(ids)


def start_tokens(model: Any) -> list[int]:
    """What an encoder-decoder's decoder reads before its first output."""
    settings = model.generation_config
    for name in ("decoder_start_token_id", "bos_token_id"):
        for source in (settings, model.config):
            ids = getattr(source, name, None)
            if ids is not None:
                return [ids] if isinstance(ids, int) else list(ids)
    raise AssertionError("an encoder-decoder without decoder_start_token_id")


def score(
    loaded: Loaded,
    inputs: Mapping[str, Tensor],
    start: Int[Tensor, "B Q"],
    outputs: Sequence[Sequence[int]],
    chunk: int | None = None,
) -> list[float]:
    """The log-probability of given outputs under the model, in nats, by one teacher-forced pass.

    Args:
        inputs: as for `generate`; prompts may be padded on either side.
        start: what each output follows: the prompt, or the decoder's start tokens.
        chunk: tokens of a long prompt that go in at once; all of them if None.
    """
    model = loaded.model
    longest = max(len(output) for output in outputs)
    target = torch.tensor([[*output, *[0] * (longest - len(output))] for output in outputs], device=start.device)
    real = torch.tensor([[at < len(output) for at in range(longest)] for output in outputs], device=start.device)
    read = torch.cat([start, target[:, :-1]], dim=1)
    with torch.inference_mode():
        if model.config.is_encoder_decoder:
            encoder_inputs = {k: v for k, v in inputs.items() if not k.startswith("decoder_")}
            logits = model(**encoder_inputs, decoder_input_ids=read).logits
        else:
            more: dict[str, Any] = {**_prolonged(model, inputs, real[:, :-1])}
            accepted = set(inspect.signature(model.forward).parameters)
            more |= {"logits_to_keep": longest} if "logits_to_keep" in accepted else {}
            more |= {"input_ids": read, "use_cache": False}
            if chunk is not None and read.shape[1] > chunk and chunks.can_be_cut(more, model.config):
                logits = chunks.read(model, more, chunk=chunk, kept=longest).logits
            else:
                logits = model(**more).logits
    scores = log_probabilities(logits[:, -longest:], target)
    return [float(total) for total in (scores * real).sum(dim=1)]


def _prolonged(model: Any, inputs: Mapping[str, Tensor], real: Bool[Tensor, "B Q"]) -> dict[str, Tensor]:
    """A prompt's inputs, but for its ids, with room for what follows it; `real` says which of that there is."""
    more = {name: tensor for name, tensor in inputs.items() if name not in ("input_ids", "position_ids")}
    for name, tensor in more.items():
        if tensor.shape == inputs["input_ids"].shape:  # what each token is: text goes on as text
            after = real.to(tensor.dtype) if name == "attention_mask" else torch.zeros_like(real, dtype=tensor.dtype)
            more[name] = torch.cat([tensor, after], dim=1)
    if set(inputs) <= {"input_ids", "attention_mask", "position_ids"}:  # with a picture, places are the model's affair
        places = (more["attention_mask"].cumsum(dim=1) - 1).clamp(min=0)  # padding on the left takes none
        if "position_ids" in inputs:
            places += inputs["position_ids"][0, 0] - places[0, 0]
        if "position_ids" in inspect.signature(model.forward).parameters:
            more["position_ids"] = places
    return more


def log_probabilities(logits: Float[Tensor, "B Q V"], chosen: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q"]:
    """Of each chosen token under the distribution at its place, summed up in float64."""
    rows = [row.float() for row in logits]  # a row at a time: the batch in float32 may be large
    parts = [row.gather(1, ids[:, None])[:, 0] - row.logsumexp(dim=1) for row, ids in zip(rows, chosen, strict=True)]
    return torch.stack(parts).double()


class _Tally:
    """Watches a generation: adds up the chosen tokens' log-probabilities and stops it when nobody waits any more.

    `keep` is a forward hook and `__call__` a stopping criterion of transformers. Only the last position's logits are
    held, where `generate` itself would keep those of every step.
    """

    def __init__(
        self,
        batch: int,
        ends: Sequence[int],
        stops: Criterion | None,
        cancelled: Stop,
        told: Callable[[int, float | None, int, bool], None] | None = None,
    ) -> None:
        self.told = told
        self.totals = torch.zeros(batch, dtype=torch.float64)
        self.finished = torch.zeros(batch, dtype=torch.bool)
        self.ends = torch.tensor(list(ends), dtype=torch.long)
        self.stops, self.cancelled = stops, cancelled
        self.logits: Tensor | None = None
        self.steps = 0

    def keep(self, _model: Any, _inputs: Any, outputs: Any) -> None:
        """Remember what the next token will be chosen from."""
        self.logits = outputs.logits[:, -1:].clone()

    def __call__(self, ids: Tensor, _scores: Any, **_: Any) -> Tensor:
        """Note which token was chosen; true of the rows that a stop string ends."""
        raise_if_cancelled(self.cancelled)
        nothing = torch.zeros(ids.shape[0], dtype=torch.bool, device=ids.device)
        stopped = nothing if self.stops is None else self.stops(ids, None)
        part = None
        if self.logits is not None:
            chosen = ids[:, -1:]
            parts = log_probabilities(self.logits, chosen)[:, 0]
            self.totals = self.totals.to(parts.device) + parts.masked_fill(self.finished.to(parts.device), 0)
            ended = torch.isin(chosen[:, 0], self.ends.to(parts.device)) | stopped.to(parts.device)
            self.finished = self.finished.to(parts.device) | ended
            part = float(parts[0]) if self.told is not None else None
            self.logits = None
            self.steps += 1
        if self.told is not None:
            token = int(ids[0, -1])
            self.told(token, part, ids.shape[1] - 2, token in self.ends or bool(stopped[0]))
        return stopped


def _told(writing: Writing, limit: int) -> Callable[[int, float | None, int, bool], None]:
    """What a tally calls with each token, its log-probability, its query's place and whether it ends the output."""

    def step(token: int, log_probability: float | None, query: int, ended: bool) -> None:
        writing.step(token, log_probability, query, last=ended or writing.written == limit - 1)

    return step


def _config(model: Any, parameters: Parameters, limit: int, width: int, read: int, settings: Mapping[str, Any]) -> Any:
    """The checkpoint's generation config, as it was settled, with our parameters in it."""
    config = copy.deepcopy(model.generation_config)
    ends = end_tokens(model)
    pad = config.pad_token_id
    if pad is None:
        pad = getattr(model.config, "pad_token_id", None)
    ours: dict[str, Any] = {
        "max_new_tokens": limit,
        "max_length": None,
        "min_length": min(config.min_length or 0, read + limit),
        "min_new_tokens": None if config.min_new_tokens is None else min(config.min_new_tokens, limit),
        "num_beams": width,
        "length_penalty": parameters.length_penalty,
        # Drawing is done by `Draw`; to transformers it is greedy decoding.
        "do_sample": False,
        "temperature": 1.0,
        "top_k": 50,
        "top_p": 1.0,
        "num_return_sequences": 1,
        "use_cache": True,
        "return_dict_in_generate": False,
        "output_attentions": False,
        "output_hidden_states": False,
        "output_scores": False,
        "output_logits": False,
        "eos_token_id": ends or None,
        "pad_token_id": pad if pad is not None else (ends[0] if ends else 0),
        **settings,
    }
    for name, value in ours.items():
        setattr(config, name, value)
    return config


def _start_length(model: Any, inputs: Mapping[str, Tensor]) -> int:
    """How many tokens of a row of `generate` are not of its making."""
    name = "decoder_input_ids" if model.config.is_encoder_decoder else "input_ids"
    if name in inputs:
        return inputs[name].shape[1]
    return len(start_tokens(model)) if model.config.is_encoder_decoder else 0


def _length(row: Int[Tensor, "Q"], began: int, ends: Sequence[int], stops: Criterion | None) -> tuple[int, bool]:
    """How many tokens of a row, after those that it began with, are its output, and whether it ended by itself."""
    for at, token in enumerate(row[began:].tolist(), began + 1):
        if token in ends or (stops is not None and bool(stops(row[None, :at], None)[0])):
            return at - began, True
    return len(row) - began, False


def _unpadded(inputs: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Each row of a batch by itself, without padding; nothing where no row has any."""
    mask = inputs.get("attention_mask")
    if mask is None or mask.dim() != 2 or bool(mask.all()):
        return []
    rows = []
    for at, row in enumerate(mask.bool()):
        alone = {name: tensor[at : at + 1] for name, tensor in inputs.items()}
        rows.append({name: t[:, row] if inputs[name].shape == mask.shape else t for name, t in alone.items()})
    return rows
