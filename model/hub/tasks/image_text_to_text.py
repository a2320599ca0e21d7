"""image-text-to-text: a decoder that reads a picture's pieces among its tokens, and writes (LLaVA, Qwen2-VL)."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from torch import Tensor

from heedmap.model.contract import Axis, Prediction, Request
from heedmap.model.errors import CheckpointError, ParameterError
from heedmap.model.generated import CONTINUATION, Generated
from heedmap.model.hub.axes.image import Geometry, before, patch_axis, patch_size
from heedmap.model.hub.axes.mixed import followed, illustrated, within
from heedmap.model.hub.axes.text import output_axis
from heedmap.model.hub.families import family_of, supported
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, collate
from heedmap.model.hub.tasks.generative import GenerativeTask
from heedmap.model.hub.tasks.pictures import one_shape, picture_of, preprocess, tower_of
from heedmap.model.hub.tasks.text import (
    TARGET_LIMITS,
    check_beginning,
    encode,
    filled,
    fits,
    pad_token,
    positions,
)
from heedmap.model.kinds import wrong_kind
from heedmap.model.media import example_image
from heedmap.model.padding import padded
from heedmap.model.watch import Stop

READS = 'an image with a text: {"image", "text"}'
PLACE = "\ue000"  # a character that no template has: it shows where in the prompt the text stands


class ImageTextToText(GenerativeTask):
    """What a vision-language model answers to a text about a picture; `generated_text` is the new text alone.

    Axes: `tokens`, prompt and output, with the picture's pieces and their boxes among them: `segments` are 0 in the
    prompt, whose spans count the caller's text, and 1 in the output; and `vision`, the patches of the vision tower. In
    Qwen2-VL four patches make one piece.
    """

    name = "image-text-to-text"
    auto_class = "AutoModelForImageTextToText"
    example: Any = {"image": example_image(), "text": "What is in the picture?"}  # noqa: RUF012
    probe_target = "A red ball."
    most = CONTINUATION

    def __init__(self, loaded: Loaded) -> None:
        """Raises:
        CheckpointError: how the family mixes pictures and text is not known, or it has no image processor.
        """
        family = family_of(loaded.config)
        if family.picture_prompt is None:
            raise CheckpointError(
                f"how {loaded.config.model_type} reads pictures among text is not known; "
                f"known are {supported('picture_prompt')}"
            )
        super().__init__(loaded)
        self.tower, self.limit = tower_of(loaded), positions(loaded, TARGET_LIMITS)
        self.prompt, self.merged = family.picture_prompt, family.merged_patches
        self.mark = int(loaded.config.image_token_id)
        self.template = _template(loaded)
        try:
            self._prompt("?")
        except ParameterError as error:
            raise CheckpointError(
                f"the tokenizer does not know the token of a picture, {self.mark}: {error}"
            ) from error

    @property
    def batchable(self) -> bool:
        """Pictures of one shape can share a pass; Qwen2-VL's patches of several pictures have no batch."""
        return not self.merged and one_shape(self.loaded.image_processor)

    @property
    def capacity(self) -> int | None:
        """Of prompt and output together."""
        return self.limit

    def prepare(self, request: Request) -> Item:
        """Decode the picture, put the text into the model's prompt, and make room in it for the picture's pieces."""
        inputs = request.inputs
        picture = picture_of(inputs, self.name, READS)
        if not isinstance(inputs, Mapping) or not isinstance(inputs.get("text"), str):
            raise wrong_kind(inputs, self.name, READS)
        template = self._prompt(filled(inputs["text"], "inputs.text"))
        tensors, geometry = preprocess(self.loaded, picture)
        vision, pieces = self._pictured(geometry)
        prompt = illustrated(template, template.ids.index(self.mark), pieces)
        fits(len(prompt), None if self.limit is None else self.limit - 1, "inputs.text")
        facts: dict[str, Any] = {"given": None, "settings": {}}
        if request.target is not None:
            check_beginning(self.loaded, filled(request.target, "target"), self.limit, "target")
            target = encode(self.loaded, request.target, field="target", add_special_tokens=False)
            fits(len(prompt) + len(target.ids), self.limit, "target")
            facts |= {"given": target.ids, "limit": len(target.ids), "output": target.axis}
        else:
            room = None if self.limit is None else self.limit - len(prompt)
            facts["limit"] = self.output_limit(request.parameters, room, len(prompt))
        names = ("pixel_values", "image_grid_thw")
        kept = {name: tensors[name] for name in names if name in tensors}
        return Item(request, {"tokens": prompt, "vision": vision}, kept, facts)

    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """The batch at once, or one after the other where pictures cannot share one."""
        batches = [items] if self.batchable else [[item] for item in items]
        return [
            prediction for batch in batches for prediction in super(ImageTextToText, self).predict(batch, cancelled)
        ]

    def batch(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """Prompts padded on the left, so that every output begins at the same place, and pictures."""
        ids, mask = padded([item.axes["tokens"].ids for item in items], pad_token(self.loaded), left=True)
        return self._inputs(items, ids, mask)

    def starts(self, items: Sequence[Item], inputs: dict[str, Tensor]) -> Tensor:
        """The padded prompts."""
        return inputs["input_ids"]

    def prediction(self, item: Item, output: Generated) -> Prediction:
        """The new text, the axis of prompt and output, and that of the vision tower."""
        if item.facts["given"] is None:
            text, axis = output_axis(self.loaded.tokenizer, output.ids)
        else:
            text, axis = str(item.request.target), item.facts["output"]
        axes = {"tokens": followed(item.axes["tokens"], axis), "vision": item.axes["vision"]}
        return Prediction(text, axis.labels, output.score, axes, {"generated_text": text}, output.finish_reason)

    def taught(self, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """The recorded pass sees the picture and reads prompt and output."""
        rows = [prediction.axes["tokens"].ids for prediction in predictions]
        return {**self._inputs(items, *padded(rows, pad_token(self.loaded))), **self.lean()}

    def site_axes(self, site: str, axes: Mapping[str, Axis]) -> tuple[str, str]:
        """The vision tower attends over the patches, the decoder over the tokens."""
        name = "vision" if site == "vision" else "tokens"
        return name, name

    def _inputs(self, items: Sequence[Item], ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        device = self.loaded.device
        inputs = {"input_ids": ids.to(device), "attention_mask": mask.to(device), **collate(items, self.loaded)}
        if self.merged:
            inputs["mm_token_type_ids"] = (inputs["input_ids"] == self.mark).long()
        return inputs

    def _prompt(self, text: str) -> Axis:
        """The prompt around a text, with one token where the picture goes; spans count in the text.

        Raises:
            ParameterError: the text itself holds the model's mark for a picture.
        """
        tokenizer = self.loaded.tokenizer
        mark = str(tokenizer.convert_ids_to_tokens(self.mark))
        if mark in text:
            raise ParameterError(f"{mark} stands for the picture, and cannot be in the text", field="inputs.text")
        prompt = self._rendered(mark, text)
        begun = bool(tokenizer.bos_token) and prompt.startswith(tokenizer.bos_token)
        check_beginning(self.loaded, prompt, self.limit, "inputs.text")
        encoded = encode(self.loaded, prompt, field="inputs.text", add_special_tokens=not begun)
        if encoded.ids.count(self.mark) != 1:
            raise ParameterError(f"the prompt should hold one {mark}, for the picture", field="inputs.text")
        start = self._rendered(mark, PLACE).find(PLACE)
        if not prompt.startswith(text, start):  # a template may drop the blanks around it
            start -= len(text) - len(text.lstrip())
        return within(encoded.axis, start, start + len(text))

    def _rendered(self, mark: str, text: str) -> str:
        """The text in the checkpoint's chat template, or in the family's usual prompt where none takes pictures."""
        content = [{"type": "image"}, {"type": "text", "text": text}]
        if self.template is not None:
            # One for texts alone chokes on parts, or writes them out.
            with suppress(Exception):  # a template is a program that somebody else wrote
                rendered: str = self.loaded.tokenizer.apply_chat_template(
                    [{"role": "user", "content": content}],
                    chat_template=self.template,
                    tokenize=False,
                    add_generation_prompt=True,
                )
                if rendered.count(mark) == 1 and text.strip() in rendered:  # some drop the words of parts
                    return rendered
        return self.prompt.replace("{image}", mark).replace("{text}", text)

    def _pictured(self, geometry: Geometry) -> tuple[Axis, Axis]:
        """The axis of the vision tower, and that of the pieces that the decoder reads of it."""
        config, (high, wide) = self.loaded.config, patch_size(self.tower)
        labels = before(self.tower)
        if self.merged:
            side = int(self.tower.spatial_merge_size)
            return patch_axis(geometry, (high, wide), labels, side), patch_axis(
                geometry, (high * side, wide * side), ()
            )
        vision = patch_axis(geometry, (high, wide), labels)
        kept = labels[1:] if config.vision_feature_select_strategy == "default" else labels  # it drops the first
        return vision, patch_axis(geometry, (high, wide), kept)


def _template(loaded: Loaded) -> str | None:
    """The checkpoint's chat template: its tokenizer's, or the one that older checkpoints keep in a file of its own."""
    chat_template = getattr(loaded.tokenizer, "chat_template", None)
    if isinstance(chat_template, str):
        return chat_template
    file = None if loaded.folder is None else loaded.folder / "chat_template.json"
    if file is None or not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"chat_template.json is no JSON: {error}") from error
    template = content.get("chat_template") if isinstance(content, dict) else None
    return template if isinstance(template, str) else None
