"""Translation, summarization and text2text-generation: an encoder reads a text, a decoder writes another."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from heedmap.model.contract import Axis, Prediction, Request
from heedmap.model.generated import Generated
from heedmap.model.hub.axes.text import output_axis, prefix_axis, text_axis
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item
from heedmap.model.hub.tasks.generative import GenerativeTask
from heedmap.model.hub.tasks.languages import Languages, codes, languages, offered, sample, speaking
from heedmap.model.hub.tasks.text import (
    TARGET_LIMITS,
    check_beginning,
    embedded,
    encode,
    filled,
    fits,
    positions,
    the_text,
)
from heedmap.model.hub.tasks.transformers_generate import end_tokens, start_tokens
from heedmap.model.prefix import FIELD as PREFIX


class TextToText(GenerativeTask):
    """What an encoder-decoder writes, as `generated_text`.

    Axes: `source`, `target`, and `prefix`, what the decoder had read at each position of the target. A given `target`
    is closed by the end token.
    """

    name = "text2text-generation"
    auto_class = "AutoModelForSeq2SeqLM"
    begins = True
    key: ClassVar[str] = "generated_text"  # of the text in the prediction, as model hubs name it
    example = "Where is the station?"
    probe_target = "Wo ist der Bahnhof?"

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.limit = positions(loaded)
        self.longest = positions(loaded, TARGET_LIMITS)
        self.probe_parameters = sample(loaded)

    @property
    def capacity(self) -> int | None:
        """Of the output."""
        return self.longest

    def instruction(self, request: Request) -> Languages:
        """What the model has to be told besides the text: its task, as T5 wants it, or languages."""
        if codes(self.loaded.tokenizer):
            return languages(self.loaded, request.parameters)
        tasks = getattr(self.loaded.config, "task_specific_params", None) or {}
        params = tasks.get(self.name)
        return Languages(before=str(params.get("prefix") or "") if isinstance(params, dict) else "")

    def takes(self) -> dict[str, dict[str, Any]]:
        """How to decode, and the languages where there are several."""
        return {**super().takes(), **offered(self.loaded, self.name == "translation")}

    def prepare(self, request: Request) -> Item:
        """Tokenize a text, and the target if there is one."""
        text = the_text(request.inputs, self.name)
        instruction = self.instruction(request)
        start = (
            [instruction.settings["decoder_start_token_id"]]
            if "decoder_start_token_id" in instruction.settings
            else None
        )
        facts: dict[str, Any] = {"start": start or start_tokens(self.loaded.model), "settings": instruction.settings}
        with speaking(self.loaded, instruction):
            encoded = encode(self.loaded, text, before=instruction.before, limit=self.limit)
            facts |= (
                self._target_facts(request.target, facts["start"]) if request.target is not None else {"given": None}
            )
            facts["prefix"] = begun = self.begun(request, lambda text: self._beginning(text, facts), self.longest)
        if facts["given"] is None:
            left = None if self.longest is None else self.longest - len(begun)
            facts["limit"] = self.output_limit(request.parameters, left, len(facts["start"]) + len(begun))
        tensors = {name: encoded.tensors[name] for name in ("input_ids", "attention_mask")}
        return Item(request, {"source": encoded.axis}, tensors, facts)

    def _beginning(self, text: str, facts: dict[str, Any]) -> list[int]:
        """The tokens of a text that an output begins with, the language before it where the decoder writes that."""
        ids: list[int] = self._target_facts(text, facts["start"], PREFIX)["given"]
        return ids[:-1] if ids[-1:] in [[end] for end in end_tokens(self.loaded.model)] else ids

    def _target_facts(self, target: str, start: list[int], field: str = "target") -> dict[str, Any]:
        """A given output, as the decoder would write it."""
        tokenizer = self.loaded.tokenizer
        text, fast = filled(target, field), bool(tokenizer.is_fast)
        check_beginning(self.loaded, text, self.longest, field)
        encoding = tokenizer(text_target=text, return_offsets_mapping=fast, verbose=False)
        ids = [int(number) for number in encoding["input_ids"]]
        offsets = [tuple(pair) for pair in encoding["offset_mapping"]] if fast else [(0, 0)] * len(ids)
        ends = end_tokens(self.loaded.model)
        stop = next((at + 1 for at in reversed(range(len(ids))) if ids[at] in ends), len(ids))
        first = int(ids[0] == start[-1] and len(ids) > 1)  # what the decoder starts with is no output
        ids, offsets = ids[first:stop], offsets[first:stop]
        if ends and ids[-1] not in ends:
            ids, offsets = [*ids, ends[0]], [*offsets, (0, 0)]
        fits(len(ids), self.longest, field)
        embedded(self.loaded, ids, field)
        axis = text_axis(tokenizer, ids, text, offsets if fast else None)
        return {"given": ids, "limit": len(ids), "target": axis}

    def batch(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """The texts, padded on the right."""
        ids, mask = self.right_padded([item.axes["source"].ids for item in items])
        return {"input_ids": ids, "attention_mask": mask}

    def starts(self, items: Sequence[Item], inputs: dict[str, Tensor]) -> Tensor:
        """The decoder's start tokens."""
        return torch.tensor([item.facts["start"] for item in items], device=self.loaded.device)

    def prediction(self, item: Item, output: Generated) -> Prediction:
        """The text and its three axes."""
        target: Axis
        if item.facts["given"] is None:
            text, target = output_axis(self.loaded.tokenizer, output.ids)
        else:
            text, target = str(item.request.target), item.facts["target"]
        prefix = prefix_axis(self.loaded.tokenizer, item.facts["start"], target)
        axes = {**item.axes, "target": target, "prefix": prefix}
        return Prediction(text, target.labels, output.score, axes, {self.key: text}, output.finish_reason)

    def taught(self, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """The recorded pass reads the source and, in the decoder, what came before each token of the output."""
        read, _ = self.right_padded([prediction.axes["prefix"].ids for prediction in predictions])
        return {**self.batch(items), "decoder_input_ids": read, **self.lean()}


class Translation(TextToText):
    """A translation, as `translation_text`; `src_lang` and `tgt_lang` tell a multilingual model from what into what."""

    name = "translation"
    key = "translation_text"

    def instruction(self, request: Request) -> Languages:
        """The languages."""
        return languages(self.loaded, request.parameters)


class Summarization(TextToText):
    """A summary, as `summary_text`."""

    name = "summarization"
    key = "summary_text"
    example = "The girl is reading a beautiful book about Cologne. She likes the chapter on the station best."
    probe_target = "A girl reads about Cologne."
