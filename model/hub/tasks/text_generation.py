"""Text-generation: a decoder goes on from a prompt, or answers a chat."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from heedmap.model.contract import Axis, Prediction, Request
from heedmap.model.detokenizer import UNFINISHED
from heedmap.model.errors import GeneratorFailure, InputTooLong
from heedmap.model.generated import CONTINUATION, Generated
from heedmap.model.generator import Continuation, Generator
from heedmap.model.hub.axes.text import output_axis
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item
from heedmap.model.hub.tasks.chat import encode_chat
from heedmap.model.hub.tasks.generative import GenerativeTask
from heedmap.model.hub.tasks.text import (
    TARGET_LIMITS,
    check_beginning,
    encode,
    filled,
    fits,
    pad_token,
    position_offset,
    positions,
    the_text,
)
from heedmap.model.hub.tasks.transformers_generate import end_tokens, score
from heedmap.model.padding import padded
from heedmap.model.prefix import FIELD as PREFIX
from heedmap.model.stops import before_stop
from heedmap.model.watch import Stop


class TextGeneration(GenerativeTask):
    """What a decoder writes after a prompt; `generated_text` is the new text alone.

    Its one axis holds prompt and output. `segments` say which text a token's span counts in: 0 is the prompt and 1 the
    output; of a chat each message has its number, and the output comes after the last. A given `target` is scored as it
    is: no end token is put behind it, because a text may go on.
    """

    name = "text-generation"
    auto_class = "AutoModelForCausalLM"
    example = "The girl is reading"
    probe_target = " a book."
    most = CONTINUATION
    begins = True
    generator: Generator | None = None  # who writes, where that is not this model

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        self.limit = positions(loaded, TARGET_LIMITS)
        self.offset = position_offset(loaded)

    @property
    def capacity(self) -> int | None:
        """Of prompt and output together."""
        return self.limit

    def describe_generation(self) -> dict[str, Any]:
        """As ever, and who writes, where that is not this model."""
        described = super().describe_generation()
        return described if self.generator is None else {**described, "generator": self.generator.describe()}

    def prepare(self, request: Request) -> Item:
        """Tokenize a prompt or a chat, and the target if there is one."""
        inputs = request.inputs
        if not isinstance(inputs, str) and "messages" in inputs:
            encoded = encode_chat(self.loaded, inputs["messages"], self.limit)
        else:
            text = the_text(inputs, self.name, 'a text, or a chat as {"messages": [{"role", "content"}]}')
            encoded = encode(self.loaded, text, limit=self.limit)
        room = None if self.limit is None else self.limit - len(encoded.ids)
        facts: dict[str, Any] = {"given": None, "settings": {}}
        facts["prefix"] = begun = self.begun(request, self._beginning, room)
        if request.target is not None:
            check_beginning(self.loaded, filled(request.target, "target"), self.limit, "target")
            target = encode(self.loaded, request.target, field="target", add_special_tokens=False)
            fits(len(encoded.ids) + len(target.ids), self.limit, "target")
            facts |= {"given": target.ids, "limit": len(target.ids), "output": target.axis}
        elif room is not None and room < 1:
            raise InputTooLong(
                f"the text has {len(encoded.ids):,} tokens and the model positions for {self.limit:,}: that leaves no "
                "room for an output, shorten the text",
                field="inputs",
            )
        else:
            left = None if room is None else room - len(begun)
            facts["limit"] = self.output_limit(request.parameters, left, len(encoded.ids) + len(begun))
        tensors = {name: encoded.tensors[name] for name in ("input_ids", "attention_mask")}
        return Item(request, {"tokens": encoded.axis}, tensors, facts)

    def _beginning(self, text: str) -> list[int]:
        """The tokens of a text that an output begins with."""
        check_beginning(self.loaded, text, self.limit, PREFIX)
        return encode(self.loaded, text, field=PREFIX, add_special_tokens=False).ids

    def batch(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """Prompts padded on the left, so that every output begins at the same place."""
        rows = [item.axes["tokens"].ids for item in items]
        ids, mask = padded(rows, pad_token(self.loaded), left=True)
        return self._placed(ids.to(self.loaded.device), mask.to(self.loaded.device))

    def _placed(self, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Ids with their mask, and with their positions where transformers' `generate` would count them from 0."""
        batch = {"input_ids": ids, "attention_mask": mask}
        return batch | ({"position_ids": (mask.cumsum(dim=1) - 1).clamp(min=0) + self.offset} if self.offset else {})

    def starts(self, items: Sequence[Item], inputs: dict[str, Tensor]) -> Tensor:
        """The padded prompts."""
        return inputs["input_ids"]

    def prediction(self, item: Item, output: Generated) -> Prediction:
        """The new text, and the axis of prompt and output."""
        if item.facts["given"] is None:
            text, axis = output_axis(self.loaded.tokenizer, output.ids)
        else:
            text, axis = str(item.request.target), item.facts["output"]
        axes = {"tokens": joined(item.axes["tokens"], axis)}
        return Prediction(text, axis.labels, output.score, axes, {"generated_text": text}, output.finish_reason)

    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """Generate here, or have it generated, and score what was given."""
        if self.generator is None:
            return super().predict(items, cancelled)
        outputs = [self._written(item, self.generator, cancelled) for item in items]
        return [self.prediction(item, output) for item, output in zip(items, outputs, strict=True)]

    def _written(self, item: Item, generator: Generator, cancelled: Stop) -> Generated:
        """What the generator wrote, in this model's tokens and with this model's score."""
        inputs, reason = self.batch([item]), None
        ids = item.facts["given"]
        writing = None if ids is not None else self._writing(item, cancelled)
        if ids is None:
            prompt, limit, begun = item.axes["tokens"].ids, item.facts["limit"], item.facts["prefix"]
            continuation = generator.write([*prompt, *begun], item.request.parameters, limit, cancelled)
            ids, reason = self._checked(continuation, item.request.parameters.stop), continuation.finish_reason
            ids = [*begun, *ids]
        [total] = score(self.writer, inputs, self.starts([item], inputs), [ids], self.chunk)
        for index, token in enumerate(ids if writing is not None else ()):
            assert writing is not None
            place = len(item.axes["tokens"]) - 1 + index
            writing.step(token, None, place, last=index == len(ids) - 1)
        return Generated(ids, total, reason)

    def _checked(self, continuation: Continuation, stops: Sequence[str]) -> list[int]:
        """The ids of what was written, with the end token unless one of `stops` ended it.

        Raises:
            GeneratorFailure: they make another text.
        """
        tokenizer, ends = self.loaded.tokenizer, end_tokens(self.loaded.model)
        if continuation.ids is None and UNFINISHED in continuation.text:
            raise GeneratorFailure("the generator tells no ids, and wrote a part of a character: only ids say which")
        ids = continuation.ids or encode(self.loaded, continuation.text, add_special_tokens=False).ids
        text, _ = output_axis(tokenizer, ids)
        if text != continuation.text:
            raise GeneratorFailure(
                f"the generator's tokens make {text[:100]!r} here, and it wrote {continuation.text[:100]!r}: it must "
                "serve the same checkpoint"
            )
        ended = continuation.finish_reason == "stop" and before_stop(text, stops) == text
        if ended and ends and ids[-1] not in ends:
            ids = [*ids, ends[0]]  # which the protocol keeps to itself
        return ids

    def taught(self, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """The recorded pass reads prompt and output."""
        ids, mask = self.right_padded([prediction.axes["tokens"].ids for prediction in predictions])
        return {**self._placed(ids, mask), **self.lean()}


def joined(prompt: Axis, output: Axis) -> Axis:
    """One axis of two texts."""
    first = prompt.segments or [0] * len(prompt)
    return Axis(
        prompt.kind,
        [*prompt.labels, *output.labels],
        [*prompt.ids, *output.ids],
        [*prompt.spans, *output.spans],
        [*prompt.special, *output.special],
        [*first, *[max(first, default=0) + 1] * len(output)],
    )
