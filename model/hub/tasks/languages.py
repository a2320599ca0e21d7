"""Languages of multilingual translation models: how each family is told what to translate from and into."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from heedmap.model.contract import Parameters, taken
from heedmap.model.errors import ParameterError
from heedmap.model.hub.loaded import Loaded

CODE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}")  # eng_Latn, de_DE
LISTED = 12  # codes that a message lists
_LOCK = threading.Lock()  # a tokenizer is told its languages by setting them


@dataclass(frozen=True)
class Languages:
    """What a pair of languages means to a model.

    before: what stands before the text. source, target: codes of the tokenizer, where it has them. settings: of the
    generation.
    """

    before: str = ""
    source: str | None = None
    target: str | None = None
    settings: dict[str, int] = field(default_factory=dict)


def languages(loaded: Loaded, parameters: Parameters) -> Languages:
    """How to ask for a translation between these languages.

    M2M100, NLLB and mBART have a token for each language, Marian's models into several languages want one before the
    text, T5 a sentence. A model of one pair takes no language.

    Raises:
        ParameterError: there is no such language, or none was named where one must be.
    """
    source, target = parameters.src_lang, parameters.tgt_lang
    tokens = codes(loaded.tokenizer)
    if tokens:
        return _by_code(loaded, tokens, source, target)
    marian = [code.strip("><") for code in getattr(loaded.tokenizer, "supported_language_codes", None) or []]
    prefixes = _prefixes(loaded.config)
    if source is None and target is None:
        return Languages()
    if marian and source is None:
        return Languages(before=f">>{_one_of(marian, str(target).strip('><'), 'tgt_lang')}<< ")
    if prefixes:
        return Languages(before=prefixes[_one_of(sorted(prefixes), f"{source}_to_{target}", "tgt_lang")])
    name = "src_lang" if source is not None else "tgt_lang"
    raise ParameterError(f"this model translates one pair of languages: leave {name} out", field=f"parameters.{name}")


def codes(tokenizer: Any) -> dict[str, int]:
    """The languages that a tokenizer has tokens for, by code; empty if it has none."""
    by_code = getattr(tokenizer, "lang_code_to_id", None)
    if by_code:
        return {str(code): int(number) for code, number in dict(by_code).items()}
    if not hasattr(tokenizer, "src_lang"):
        return {}
    names = [str(token) for token in tokenizer.all_special_tokens if CODE.fullmatch(str(token))]
    return {name: int(tokenizer.convert_tokens_to_ids(name)) for name in names}


def sample(loaded: Loaded) -> Parameters:
    """Parameters that name a pair of languages, where the model needs one: English into another, if it has it."""
    available = list(codes(loaded.tokenizer))
    if len(available) < 2:
        return Parameters()
    source = next((code for code in available if code.startswith("en")), available[0])
    target = next((code for code in available if code.startswith("de") and code != source), None)
    return Parameters(src_lang=source, tgt_lang=target or next(code for code in available if code != source))


def offered(loaded: Loaded, translates: bool) -> dict[str, dict[str, Any]]:
    """What `Task.takes` says of the languages that `languages` knows: nothing of a model of one pair.

    translates: whether the task is translation; other tasks know a tokenizer's languages alone.
    """
    if tokens := codes(loaded.tokenizer):
        source, target = _defaults(loaded, tokens)
        parameters = taken(src_lang=source, tgt_lang=target)
        parameters["src_lang"]["choices"] = parameters["tgt_lang"]["choices"] = list(tokens)
        return parameters
    if not translates:
        return {}
    if marian := [code.strip("><") for code in getattr(loaded.tokenizer, "supported_language_codes", None) or []]:
        return {"tgt_lang": {"default": None, "choices": marian}}
    pairs = [name.partition("_to_") for name in _prefixes(loaded.config)]
    if not pairs:
        return {}
    sides = {"src_lang": sorted({pair[0] for pair in pairs}), "tgt_lang": sorted({pair[2] for pair in pairs})}
    return {name: {"default": None, "choices": choices} for name, choices in sides.items()}


@contextmanager
def speaking(loaded: Loaded, chosen: Languages) -> Iterator[None]:
    """Tokenize between these languages inside; the tokenizer is as it was afterwards."""
    if chosen.source is None or chosen.target is None:
        yield
        return
    tokenizer = loaded.tokenizer
    with _LOCK:
        before = tokenizer.src_lang, tokenizer.tgt_lang
        try:
            tokenizer.tgt_lang, tokenizer.src_lang = chosen.target, chosen.source
            yield
        finally:
            tokenizer.tgt_lang, tokenizer.src_lang = before[1], before[0]


def _by_code(loaded: Loaded, tokens: dict[str, int], source: str | None, target: str | None) -> Languages:
    usual = _defaults(loaded, tokens)
    source, target = source or usual[0], target or usual[1]
    for name, code in (("src_lang", source), ("tgt_lang", target)):
        if code is None:
            raise ParameterError(
                f"this model translates between {len(tokens)} languages: name {name}, {_listed(list(tokens))}",
                field=f"parameters.{name}",
            )
    source = _one_of(list(tokens), str(source), "src_lang")
    target = _one_of(list(tokens), str(target), "tgt_lang")
    name = "decoder_start_token_id" if _starts(loaded) else "forced_bos_token_id"
    return Languages(source=source, target=target, settings={name: tokens[target]})


def _defaults(loaded: Loaded, tokens: dict[str, int]) -> tuple[str | None, str | None]:
    """The languages of a tokenizer's that the checkpoint itself names, source and target."""
    settings = loaded.model.generation_config
    fixed = settings.decoder_start_token_id if _starts(loaded) else settings.forced_bos_token_id
    by_id = {number: code for code, number in tokens.items()}
    settings_of_tokenizer = getattr(loaded.tokenizer, "init_kwargs", {})
    return settings_of_tokenizer.get("src_lang"), by_id.get(fixed) or settings_of_tokenizer.get("tgt_lang")


def _starts(loaded: Loaded) -> bool:
    """Whether the decoder starts with the language."""
    return type(loaded.tokenizer).__name__.startswith("MBartTokenizer")


def _prefixes(config: Any) -> dict[str, str]:
    """T5's sentences before a translation, by "en_to_de"."""
    tasks = getattr(config, "task_specific_params", None) or {}
    return {
        str(name).removeprefix("translation_"): str(params["prefix"])
        for name, params in tasks.items()
        if str(name).startswith("translation_") and isinstance(params, dict) and params.get("prefix")
    }


def _one_of(available: list[str], code: str, name: str) -> str:
    if code not in available:
        raise ParameterError(f"the model knows no language {code!r}: {_listed(available)}", field=f"parameters.{name}")
    return code


def _listed(available: list[str]) -> str:
    more = f" and {len(available) - LISTED} more" if len(available) > LISTED else ""
    return f"one of {', '.join(available[:LISTED])}{more}"
