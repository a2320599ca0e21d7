"""image-to-text: what a model writes about a picture, with cross-attention onto its patches."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from heedmap.model.contract import Axis, Prediction, Request
from heedmap.model.errors import CheckpointError, ParameterError
from heedmap.model.generated import Generated
from heedmap.model.hub.axes.image import Geometry, halves, patch_axis, patch_size, picture_axes, stage_grid
from heedmap.model.hub.axes.text import output_axis, prefix_axis, text_axis
from heedmap.model.hub.families import family_of, supported
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, Task, collate
from heedmap.model.hub.tasks.generative import GenerativeTask
from heedmap.model.hub.tasks.pictures import one_shape, picture_of, preprocess, tower_of
from heedmap.model.hub.tasks.text import check_beginning, encode, filled, fits
from heedmap.model.hub.tasks.transformers_generate import start_tokens
from heedmap.model.hub.tasks.translation import TextToText
from heedmap.model.media import example_image
from heedmap.model.watch import Stop


class ImageToText(TextToText):
    """What a decoder writes about a picture that an encoder saw (VisionEncoderDecoder), as `generated_text`.

    Axes: `source`, the patches that the decoder attends to; `target`; `prefix`, what the decoder had read at each
    position of the target. An encoder that halves its grid at each stage has an axis for each stage besides.
    """

    name = "image-to-text"
    auto_class = "AutoModelForImageTextToText"
    example: Any = {"image": example_image()}  # noqa: RUF012
    probe_target = "A red ball."

    def __init__(self, loaded: Loaded) -> None:
        """Raises:
        CheckpointError: the family is no captioner that is known, or the checkpoint has no image processor.
        """
        if family_of(loaded.config).captions is None:
            raise CheckpointError(
                f"how {loaded.config.model_type} writes about a picture is not known; known are {supported('captions')}"
            )
        super().__init__(loaded)
        self.tower = tower_of(loaded)

    @classmethod
    def for_config(cls, config: Any) -> type[Task]:
        """BLIP's decoder is a language model of its own, which goes on from a prompt."""
        return BlipImageToText if family_of(config).captions == "prompt" else cls

    @property
    def batchable(self) -> bool:
        """Pictures that are resized to one shape can share a pass."""
        return one_shape(self.loaded.image_processor)

    def prepare(self, request: Request) -> Item:
        """Decode and preprocess the picture; tokenize the target if there is one."""
        picture = picture_of(request.inputs, self.name)
        start = self.start(request)
        tensors, geometry = preprocess(self.loaded, picture)
        facts: dict[str, Any] = {"start": start, "settings": {}, "given": None}
        if request.target is not None:
            facts |= self._target_facts(filled(request.target, "target"), start)
        room = None if self.longest is None else self.longest - len(start) + 1
        if facts["given"] is None:
            facts["limit"] = self.output_limit(request.parameters, room, len(start))
        else:
            fits(len(facts["given"]), room, "target")
        return Item(request, source_axes(geometry, self.tower), {"pixel_values": tensors["pixel_values"]}, facts)

    begins = False

    def takes(self) -> dict[str, dict[str, Any]]:
        """How to decode."""
        return GenerativeTask.takes(self)  # and no languages

    def start(self, request: Request) -> list[int]:
        """What the decoder begins with.

        Raises:
            ParameterError: there is a prompt, which this model does not read.
        """
        if isinstance(request.inputs, Mapping) and request.inputs.get("text") is not None:
            raise ParameterError("this model writes about a picture and reads no text beside it", field="inputs.text")
        return start_tokens(self.loaded.model)

    def batch(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """The pictures."""
        return collate(items, self.loaded)

    def site_axes(self, site: str, axes: Mapping[str, Axis]) -> tuple[str, str]:
        """A stage of the encoder has an axis of its own."""
        return (site, site) if site in axes else super().site_axes(site, axes)


class BlipImageToText(ImageToText):
    """What BLIP's decoder writes about a picture, going on from the text beside it if there is one.

    The text is a part of the output, as in Hugging Face's endpoint; the score is that of the rest.
    """

    def __init__(self, loaded: Loaded) -> None:
        """Raises:
        CheckpointError: the checkpoint has no image processor.
        """
        decoder, text = loaded.model.text_decoder, loaded.config.text_config
        for part in (loaded.model, decoder):  # BLIP's own `generate` ends there, whatever the configurations say
            part.generation_config.eos_token_id = text.sep_token_id
            part.generation_config.pad_token_id = text.pad_token_id
        super().__init__(loaded)
        decoder.generation_config = loaded.model.generation_config  # settled; transformers would leave it aside
        self._writer = replace(loaded, model=decoder, config=text)

    @property
    def writer(self) -> Loaded:
        """The decoder, which is a language model that reads what the encoder saw."""
        return self._writer

    @property
    def batchable(self) -> bool:
        """Each alone: prompts of several lengths would stand at other positions behind padding."""
        return False

    def start(self, request: Request) -> list[int]:
        """The token that begins a caption, and the prompt."""
        first = [int(self.loaded.config.text_config.bos_token_id)]
        inputs = request.inputs
        if not isinstance(inputs, Mapping) or inputs.get("text") is None:
            return first
        prompt = filled(str(inputs["text"]), "inputs.text")
        limit = None if self.longest is None else self.longest - 1
        return [*first, *encode(self.loaded, prompt, limit=limit, field="inputs.text", add_special_tokens=False).ids]

    def _target_facts(self, target: str, start: list[int], field: str = "target") -> dict[str, Any]:
        """A given output, and the token that ends it."""
        tokenizer = self.loaded.tokenizer
        check_beginning(self.loaded, target, self.longest, field)
        encoded = encode(self.loaded, target, field=field, add_special_tokens=False)
        ids = [*encoded.ids, int(self.loaded.config.text_config.sep_token_id)]
        offsets = None if encoded.offsets is None else [*encoded.offsets, (0, 0)]
        return {"given": ids, "limit": len(ids), "target": text_axis(tokenizer, ids, target, offsets)}

    def said(self, item: Item) -> list[int]:
        """What the decoder was told to begin with."""
        start: list[int] = item.facts["start"]
        return start[1:]

    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """One picture after the other."""
        return [prediction for item in items for prediction in super(BlipImageToText, self).predict([item], cancelled)]

    def batch(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """What the decoder goes on from, and what the encoder saw."""
        seen_by = self.loaded.model.vision_model(**collate(items, self.loaded))[0]
        starts = self.starts(items, {})
        return {
            "input_ids": starts,
            "attention_mask": torch.ones_like(starts),
            "encoder_hidden_states": seen_by,
            "encoder_attention_mask": torch.ones(seen_by.shape[:2], dtype=torch.long, device=seen_by.device),
        }

    def prediction(self, item: Item, output: Generated) -> Prediction:
        """The text, the prompt at its beginning, and its axes."""
        start = item.facts["start"]
        if len(start) == 1:
            return super().prediction(item, output)
        text, target = output_axis(self.loaded.tokenizer, [*start[1:], *output.ids])
        axes = {**item.axes, "target": target, "prefix": prefix_axis(self.loaded.tokenizer, start, target)}
        return Prediction(text, target.labels, output.score, axes, {self.key: text}, output.finish_reason)

    def taught(self, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """The recorded pass sees the picture and reads, in the decoder, what came before each token of the output."""
        read, mask = self.right_padded([prediction.axes["prefix"].ids for prediction in predictions])
        return {**collate(items, self.loaded), "input_ids": read, "attention_mask": mask, **self.lean()}


def source_axes(geometry: Geometry, tower: Any) -> dict[str, Axis]:
    """The patches that a decoder attends to, and those of each stage where an encoder has stages."""
    if not halves(tower):
        return picture_axes(geometry, tower, "source")
    high, wide = (side << (len(tower.depths) - 1) for side in patch_size(tower))
    last = patch_axis(geometry, (high, wide), (), grid=stage_grid(geometry, (high, wide), 1))
    return {"source": last, **picture_axes(geometry, tower, "source")}
