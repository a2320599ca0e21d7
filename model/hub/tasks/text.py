"""What the tasks that read text share: what an input is, its tokens with their axis, and whether it fits the model."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from heedmap.model.beginnings import tokens_over
from heedmap.model.contract import Axis, Inputs
from heedmap.model.errors import CheckpointError, EmptyInput, InputTooLong, ParameterError
from heedmap.model.hub.axes.text import text_axis
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import embeddings, padding
from heedmap.model.kinds import wrong_kind

LIMITS = ("max_position_embeddings", "max_seq_len")
SOURCE_LIMITS = ("max_encoder_position_embeddings", *LIMITS)
PAIRED = 'a text, or two as {"text", "text_pair"}'
TARGET_LIMITS = ("max_decoder_position_embeddings", *LIMITS)


@dataclass(frozen=True)
class Encoded:
    """A text as a model reads it.

    tensors: `input_ids`, `attention_mask` and, where the model knows them, `token_type_ids`, each (1, tokens).
    offsets: as a fast tokenizer tells them, None of a slow one. words: which word of its text each token is of, as a
    fast tokenizer tells. inserted: tokens that the tokenizer added. ours: how many at the beginning are a prefix's.
    """

    ids: list[int]
    tensors: dict[str, Tensor]
    axis: Axis
    offsets: list[tuple[int, int]] | None
    words: list[int | None] | None
    inserted: list[bool]
    ours: int = 0


def the_text(inputs: Inputs, task: str, reads: str = "a text") -> str:
    """The text of an input that must be one.

    Raises:
        ParameterError: it is something else.
        EmptyInput: there is nothing in it.
    """
    if not isinstance(inputs, str):
        raise wrong_kind(inputs, task, reads)
    return filled(inputs, "inputs")


def parts(inputs: Inputs, task: str, reads: str, *names: str) -> list[str]:
    """The texts under these names of an input that must have them.

    Raises:
        ParameterError: it is something else.
        EmptyInput: one of them is empty.
    """
    if isinstance(inputs, str) or any(not isinstance(inputs.get(name), str) for name in names):
        raise wrong_kind(inputs, task, reads)
    return [filled(inputs[name], f"inputs.{name}") for name in names]


@dataclass(frozen=True)
class Texts:
    """One text, or a pair, and the fields of the request that they stand in."""

    text: str
    pair: str | None = None
    fields: tuple[str, str] = ("inputs", "inputs")

    @property
    def all(self) -> tuple[str, ...]:
        """The text, and its pair if there is one: a token's segment is its text's place here."""
        return (self.text,) if self.pair is None else (self.text, self.pair)


def the_texts(inputs: Inputs, task: str, reads: str = PAIRED) -> Texts:
    """The text of an input, or its two, as {"text", "text_pair"}.

    Raises:
        ParameterError: it is something else.
        EmptyInput: there is nothing in one of them.
    """
    if isinstance(inputs, str) or "text_pair" not in inputs:
        return Texts(the_text(inputs, task, reads))
    text, pair = parts(inputs, task, reads, "text", "text_pair")
    return Texts(text, pair, ("inputs.text", "inputs.text_pair"))


def filled(text: str, field: str) -> str:
    """The text, which must not be empty.

    Raises:
        EmptyInput: it is.
    """
    if not text.strip():
        raise EmptyInput("the text is empty; give at least one word", field=field)
    return text


def encode(
    loaded: Loaded,
    text: str,
    pair: str | None = None,
    *,
    before: str = "",
    limit: int | None = None,
    field: str = "inputs",
    pair_field: str | None = None,
    **options: Any,
) -> Encoded:
    """A text, or two, as tokens.

    Args:
        before: what the model wants to read first: a task's prefix. Its tokens are marked as special.
        limit: the most tokens that fit the model; None where it has no limit.
        field, pair_field: of the request, where the text and its pair stand: the longer one is at fault for both.
        options: of the tokenizer: add_special_tokens.

    Raises:
        InputTooLong: there are more tokens than the model has positions for.
        ParameterError: the tokenizer knows a token that the model has no embedding for, or two texts are given to a
            model that knows one segment.
        CheckpointError: the checkpoint came without a tokenizer.
    """
    tokenizer = loaded.tokenizer
    if tokenizer is None:
        raise CheckpointError(
            "the checkpoint has no tokenizer files (tokenizer.json or its kin): it cannot read a text"
        )
    fast = bool(tokenizer.is_fast)
    texts = (before + text,) if pair is None else (before + text, pair)
    for each, place in sorted(zip(texts, (field, pair_field or field), strict=False), key=lambda two: -len(two[0])):
        check_beginning(loaded, each, limit, place)
    returns = {"return_offsets_mapping": fast, "return_special_tokens_mask": True, "verbose": False}
    encoding = tokenizer(*texts, **returns, **options)
    ids = [int(number) for number in encoding["input_ids"]]
    segments = _segments(encoding, ids, fast) if pair is not None else None
    longer = field if segments is None or 2 * sum(segments) <= len(ids) else pair_field or field
    fits(len(ids), limit, longer)
    embedded(loaded, ids, field if segments is None else (field, pair_field or field), segments)
    offsets = [(int(start), int(stop)) for start, stop in encoding["offset_mapping"]] if fast else None
    axis = text_axis(tokenizer, ids, texts if pair is not None else texts[0], offsets, segments)
    inserted = [bool(value) for value in encoding["special_tokens_mask"]]
    ours = 0
    if before:
        axis, ours = _without(axis, len(before))
    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in encoding]
    accepted = inspect.signature(loaded.model.forward).parameters
    tensors = {name: torch.tensor([list(encoding[name])]) for name in names if name in accepted or name == "input_ids"}
    if "token_type_ids" in tensors:
        _check_segments(loaded, tensors["token_type_ids"], pair_field or field)
    words = list(encoding.word_ids()) if fast else None
    return Encoded(ids, tensors, axis, offsets, words, inserted, ours)


def check_beginning(loaded: Loaded, text: str, limit: int | None, field: str) -> None:
    """Refuse a text that is plainly too long, before it is tokenized whole.

    Raises:
        InputTooLong: its beginning alone is.
    """

    def count(part: str) -> int:
        return len(loaded.tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"])

    over = tokens_over(text, limit, count)
    if over is not None:
        raise _too_long(f"over {over:,}", limit, field)


def _too_long(tokens: str, limit: int | None, field: str) -> InputTooLong:
    return InputTooLong(
        f"the text has {tokens} tokens, the model has positions for {limit:,}: shorten it or split it", field=field
    )


def encode_texts(loaded: Loaded, texts: Texts, limit: int | None) -> Encoded:
    """A text or a pair as tokens; see `encode`."""
    return encode(loaded, *texts.all, limit=limit, field=texts.fields[0], pair_field=texts.fields[1])


def fits(tokens: int, limit: int | None, field: str) -> None:
    """Refuse what the model has no positions for.

    Raises:
        InputTooLong: with both numbers.
    """
    if limit is not None and tokens > limit:
        raise _too_long(f"{tokens:,}", limit, field)


def embedded(
    loaded: Loaded, ids: Sequence[int], fields: str | Sequence[str], segments: Sequence[int] | None = None
) -> None:
    """Refuse tokens that the tokenizer knows and the model has no embedding for.

    Raises:
        ParameterError: names the first of them.
    """
    size = embeddings(loaded)
    if size is None or not ids or max(ids) < size:
        return
    at = next(at for at, number in enumerate(ids) if number >= size)
    name = loaded.tokenizer.convert_ids_to_tokens(ids[at])
    raise ParameterError(
        f"the tokenizer makes the token {name!r}, number {ids[at]:,}, of this, and the model has embeddings for "
        f"{size:,}: write it without",
        field=fields if isinstance(fields, str) else fields[0 if segments is None else segments[at]],
    )


def positions(loaded: Loaded, names: Sequence[str] = SOURCE_LIMITS) -> int | None:
    """How many tokens a model can read at once; None where nothing but memory bounds it (T5, ALiBi)."""
    config = loaded.config.get_text_config()
    if getattr(config, "alibi", False) or getattr(config, "position_biased_input", True) is False:
        return None
    length = next((value for value in (getattr(config, name, None) for name in names) if value), None)
    if not isinstance(length, int) or length <= 0:
        return None
    rope = getattr(config, "rope_parameters", None)
    if isinstance(rope, dict) and rope.get("rope_type") == "dynamic":  # the limit is where its stretching begins
        return int(length * float(rope.get("factor", 1)))
    return length - position_offset(loaded)


def position_offset(loaded: Loaded) -> int:
    """The position of a text's first token: 0, but for RoBERTa and its kin, which count from behind the padding's."""
    for module in loaded.model.modules():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, nn.Embedding) and table.padding_idx is not None:
            return table.padding_idx + 1
    return 0


def pad_token(loaded: Loaded) -> int:
    """What fills a batch; see `padding`."""
    return padding(loaded)


def labels_of(config: Any) -> Mapping[int, str]:
    """The names of a classifier's classes."""
    return {int(index): str(name) for index, name in config.id2label.items()}


def _check_segments(loaded: Loaded, types: Tensor, field: str) -> None:
    """Raises:
    ParameterError: the tokenizer numbers more segments than the model has embeddings for.
    """
    size = getattr(loaded.config.get_text_config(), "type_vocab_size", None)
    if isinstance(size, int) and 0 < size <= int(types.max()):
        raise ParameterError("this model was made for one text at a time: leave the second one out", field=field)


def _segments(encoding: Any, ids: Sequence[int], fast: bool) -> list[int]:
    """Which of two texts each token is of; a separator belongs to the text that it ends."""
    numbers = list(encoding.sequence_ids()) if fast else list(encoding.get("token_type_ids", [0] * len(ids)))
    segments, last = [], 0
    for number in numbers:
        last = last if number is None else int(number)
        segments.append(last)
    return segments


def _without(axis: Axis, length: int) -> tuple[Axis, int]:
    """An axis whose text began with so many characters of our own, and how many tokens those took."""
    ours = [not special and stop <= length for special, (_, stop) in zip(axis.special, axis.spans, strict=True)]
    last = max((at for at, is_ours in enumerate(ours) if is_ours), default=-1)
    spans = [
        (0, 0) if at <= last or (start, stop) == (0, 0) else (max(start - length, 0), stop - length)
        for at, (start, stop) in enumerate(axis.spans)
    ]
    special = [special or at <= last for at, special in enumerate(axis.special)]
    return replace(axis, spans=spans, special=special), last + 1
