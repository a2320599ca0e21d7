"""What becomes of each setting of a checkpoint's generation_config.json: followed, ignored and told, or refused.

How an output is searched for (greedy, beams, draws) and how long it may be is the request's to say; what may stand in
it is the checkpoint's. A setting that asks for code, for words that must come, or for passes that no trace shows, is
refused when the checkpoint is loaded, rather than in every answer. One table decides; a field that it does not know,
of a release of transformers newer than it, is refused where it is set.
"""

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from heedmap.model.errors import CheckpointError
from heedmap.model.generated import WRITTEN

FILE = "generation_config.json"
FORMER_MAX_LENGTH = 20  # transformers' default until 5.0, which whole configs were saved with: nobody's purpose

FOLLOWED = (
    # What may stand in an output, and where it ends.
    *("bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "sequence_bias", "stop_strings"),
    *("forced_bos_token_id", "forced_eos_token_id", "exponential_decay_length_penalty", "min_length", "min_new_tokens"),
    *("repetition_penalty", "encoder_repetition_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size"),
    *("remove_invalid_values", "renormalize_logits", "early_stopping"),
    # Its length where the request leaves that open.
    *("max_length", "max_new_tokens"),
    # Special tokens.
    *("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"),
    # Whisper's, which no GenerationConfig of others has.
    *("alignment_heads", "median_filter_width", "is_multilingual", "lang_to_id", "task_to_id", "language", "task"),
    *("no_timestamps_token_id", "prev_sot_token_id", "max_initial_timestamp_index", "forced_decoder_ids"),
)

_SEARCH = "outputs are written greedily, by beams (beam_size) or drawn (do_sample), as the request says"
_DRAWS = "draws follow the request's temperature, top_k and top_p"
_DRAFTS = "drafts only save time; every token here is the model's own choice"
_CACHE = "keys and values are kept whole and exact, in a cache that grows"
_SHAPE = "it is about what transformers returns; there is one answer, with its score"
_LONG_FORM = "a recording is read once, in one pass, whatever comes out"

IGNORED: Mapping[str, str] = {
    **dict.fromkeys(("do_sample", "num_beams", "num_beam_groups", "diversity_penalty"), _SEARCH),
    **dict.fromkeys(("penalty_alpha", "dola_layers", "low_memory"), _SEARCH),
    "length_penalty": "beams are ranked by the request's length_penalty",
    **dict.fromkeys(("temperature", "top_k", "top_p"), _DRAWS),
    **dict.fromkeys(("min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"), _DRAWS),
    **dict.fromkeys(("use_mtp", "is_assistant", "num_assistant_tokens", "num_assistant_tokens_schedule"), _DRAFTS),
    **dict.fromkeys(("assistant_confidence_threshold", "assistant_early_exit", "assistant_lookbehind"), _DRAFTS),
    **dict.fromkeys(("assistant_ensemble_weight", "target_lookbehind", "speculation_type"), _DRAFTS),
    **dict.fromkeys(("prompt_lookup_num_tokens", "max_matching_ngram_size"), _DRAFTS),
    **dict.fromkeys(("use_cache", "cache_implementation", "cache_config", "max_cache_len"), _CACHE),
    **dict.fromkeys(("prefill_chunk_size", "continuous_batching_config"), _CACHE),
    **dict.fromkeys(("compile_config", "disable_compile"), "nothing is compiled while it answers"),
    **dict.fromkeys(("num_return_sequences", "return_dict_in_generate", "output_scores", "output_logits"), _SHAPE),
    **dict.fromkeys(("output_attentions", "output_hidden_states"), _SHAPE),
    "max_time": "an answer does not depend on how fast the machine is; the service has a deadline of its own",
    "token_healing": "the prompt is read as it was given, so that the map's tokens are its tokens",
    # Whisper's.
    "return_timestamps": "the request's return_timestamps decides",
    "return_token_timestamps": "the request's return_timestamps decides",
    **dict.fromkeys(("no_speech_threshold", "logprob_threshold", "compression_ratio_threshold"), _LONG_FORM),
    **dict.fromkeys(("condition_on_prev_tokens", "prompt_condition_type", "num_frames"), _LONG_FORM),
}

REFUSED: Mapping[str, str] = {
    "guidance_scale": "it asks for a second pass for each token, without the prompt, which no trace would show",
    "watermarking_config": "it changes every distribution by a secret mark, and draws here would lose the mark",
    "constraints": "words that must come need a search that is no longer a part of transformers",
    "force_words_ids": "words that must come need a search that is no longer a part of transformers",
    "custom_generate": "it asks for code, and no code of a checkpoint is ever run",
}

# What a setting is when it changes nothing; None, False, and what is empty change nothing anywhere.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    **dict.fromkeys(("num_beams", "num_beam_groups", "num_return_sequences"), (1,)),
    **dict.fromkeys(("temperature", "top_p", "typical_p", "length_penalty", "guidance_scale"), (1,)),
    **dict.fromkeys(("repetition_penalty", "encoder_repetition_penalty"), (1,)),
    **dict.fromkeys(("epsilon_cutoff", "eta_cutoff", "diversity_penalty", "penalty_alpha"), (0,)),
    **dict.fromkeys(("min_length", "min_new_tokens", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size"), (0,)),
    "top_k": (0, 50),
    "max_length": (FORMER_MAX_LENGTH,),
    "use_cache": (True,),
    "disable_compile": (True, False),
    "num_assistant_tokens": (20,),
    "num_assistant_tokens_schedule": ("constant",),
    "assistant_confidence_threshold": (0.4,),
    **dict.fromkeys(("assistant_lookbehind", "target_lookbehind"), (10,)),
}
SPECIAL = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
METADATA = ("transformers_version",)

# Rules that look at what was read as well, padding and all: texts that need padding are answered one by one under them.
LOOKS_BACK = (
    *("repetition_penalty", "encoder_repetition_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size"),
    *("bad_words_ids", "sequence_bias", "min_length"),
)

log = logging.getLogger("heedmap")


@dataclass(frozen=True)
class GenerationSettings:
    """A checkpoint's settings, decided upon.

    followed: by name, those that change an output. ignored: by name, the value and the reason. stop_strings: which end
    an output once they stand in it, the last of them a part of it. max_new_tokens, max_length: of an output, and of all
    that its decoder reads with it; None where the checkpoint sets none.
    """

    followed: dict[str, Any] = field(default_factory=dict)
    ignored: dict[str, dict[str, Any]] = field(default_factory=dict)
    stop_strings: tuple[str, ...] = ()
    max_new_tokens: int | None = None
    max_length: int | None = None

    def limit(self, requested: int | None, room: int | None, read: int, most: int = WRITTEN) -> int:
        """The longest output, in tokens: as asked for, or else the model's own limit; never more than there is room.

        Args:
            requested: by the request.
            room: positions that are left; None where nothing but memory bounds them.
            read: what the decoder has read before, prompt or start tokens, which max_length counts too.
            most: where neither the request nor the checkpoint's max_new_tokens names a number.
        """
        if requested is None:
            requested = self.max_new_tokens
        if requested is None:
            left = None if self.max_length is None else self.max_length - read
            requested = most if left is None or left < 1 else min(left, most)
        return requested if room is None else min(requested, room)

    def to_json(self) -> dict[str, Any]:
        """What was decided, as JSON."""
        return {"followed": self.followed, "ignored": self.ignored}


def settle(model: Any, tokenizer: Any) -> GenerationSettings:
    """Decide upon a model's generation config, and leave in it what is to be followed.

    Raises:
        CheckpointError: it has a setting that is refused, or one whose value makes no sense.
    """
    config = copy.deepcopy(model.generation_config)
    fields = set(vars(type(config)()))
    followed, ignored = dict[str, Any](), dict[str, dict[str, Any]]()
    for name, value in list(vars(config).items()):
        if name.startswith("_") or name in METADATA:
            continue
        if _neutral(name, value):
            if name in IGNORED or not (value is None or isinstance(value, bool | int | float | str)):
                setattr(config, name, None)  # an empty list, which transformers itself refuses
        elif name in FOLLOWED:
            followed[name] = value
        elif name in IGNORED:
            ignored[name] = {"value": _json(value), "reason": IGNORED[name]}
            setattr(config, name, None)
        elif name in REFUSED or name in fields:
            reason = REFUSED.get(name, "this release of Heedmap does not know what it does")
            raise CheckpointError(
                f"{FILE} sets {name} to {_json(value)}, which is not followed: {reason}; take {name} out of the file"
            )
        else:
            reason = "neither transformers nor Heedmap has a setting of this name"
            ignored[name] = {"value": _json(value), "reason": reason}
    strings = _strings(followed, tokenizer)
    config.stop_strings = None  # watched for here: transformers would want the tokenizer with every call
    reported = {name: _json(value) for name, value in followed.items() if name not in SPECIAL}
    for name in ("max_length", "max_new_tokens"):
        setattr(config, name, None)
    model.generation_config = config
    if ignored:
        log.warning("%s: ignored %s", FILE, "; ".join(f"{name} ({entry['reason']})" for name, entry in ignored.items()))
    longest = {name: _whole(name, followed.get(name)) for name in ("max_new_tokens", "max_length")}
    return GenerationSettings(reported, ignored, strings, **longest)


def culprits(model: Any) -> list[str]:
    """The followed settings without which each alone the model would have its defaults: suspects where it fails."""
    settings = vars(model.generation_config)
    return [
        name for name in FOLLOWED if name in settings and name not in SPECIAL and not _neutral(name, settings[name])
    ]


def looks_back(config: Any) -> bool:
    """Whether a rule is followed that also looks at the text before the output."""
    return any(not _neutral(name, getattr(config, name, None)) for name in LOOKS_BACK)


def _neutral(name: str, value: Any) -> bool:
    """Whether this value changes nothing."""
    if value is None or (value is False and name != "use_cache"):
        return True
    if isinstance(value, str | list | tuple | dict) and not value:
        return True
    return any(
        value == neutral and isinstance(value, bool) == isinstance(neutral, bool) for neutral in NEUTRAL.get(name, ())
    )


def _strings(followed: Mapping[str, Any], tokenizer: Any) -> tuple[str, ...]:
    """Raises:
    CheckpointError: there are stop strings that are none, or none to find them in.
    """
    value = followed.get("stop_strings")
    strings = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()
    if value is not None and not (strings and all(isinstance(text, str) and text for text in strings)):
        raise CheckpointError(f"{FILE}: stop_strings must be a text or a list of texts, and is {_json(value)}")
    if strings and tokenizer is None:
        raise CheckpointError(
            f"{FILE} sets stop_strings, and the checkpoint has no tokenizer to find them with: add it"
        )
    return strings


def _whole(name: str, value: Any) -> int | None:
    """Raises:
    CheckpointError: it is no length.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise CheckpointError(f"{FILE}: {name} must be a whole number of at least 1, and is {_json(value)}")
    return value


def _json(value: Any) -> Any:
    """A value as JSON can hold it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | set):
        return [_json(part) for part in value]
    if isinstance(value, dict):
        return {str(name): _json(part) for name, part in value.items()}
    return _json(value.to_dict()) if hasattr(value, "to_dict") else str(value)
