"""image-classification: a picture to labels with scores (ViT, DeiT, BEiT, Swin, DINOv2)."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from heedmap.model.contract import Axis, Objective, Prediction, Request, taken
from heedmap.model.hub.axes.image import picture_axes
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, SinglePass
from heedmap.model.hub.tasks.pictures import one_shape, picture_of, preprocess, ranked, tower_of
from heedmap.model.hub.tasks.text import labels_of
from heedmap.model.hub.tasks.text_classification import activated
from heedmap.model.media import example_image
from heedmap.model.trace.gradient import of_label
from heedmap.model.watch import Stop

TOP = 5  # labels, as Hugging Face's endpoint answers


class ImageClassification(SinglePass):
    """A picture to labels with scores, best first."""

    name = "image-classification"
    auto_class = "AutoModelForImageClassification"
    example: Any = {"image": example_image()}  # noqa: RUF012

    def __init__(self, loaded: Loaded) -> None:
        """Raises:
        CheckpointError: the checkpoint has no image processor, or the layout of its patches is not known.
        """
        super().__init__(loaded)
        self.tower = tower_of(loaded)
        self.labels = labels_of(loaded.config)

    @property
    def batchable(self) -> bool:
        """Pictures that are resized to one shape can share a pass."""
        return one_shape(self.loaded.image_processor)

    def takes(self) -> dict[str, dict[str, Any]]:
        """How many labels, and what makes scores of logits."""
        return taken(top_k=TOP, function_to_apply=self._function())

    def prepare(self, request: Request) -> Item:
        """Decode and preprocess the picture."""
        tensors, geometry = preprocess(self.loaded, picture_of(request.inputs, self.name))
        return Item(request, picture_axes(geometry, self.tower, "patches"), tensors)

    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """One forward pass, or one for each picture where their shapes differ."""
        if self.batchable:
            return super().predict(items, cancelled)
        return [
            prediction for item in items for prediction in super(ImageClassification, self).predict([item], cancelled)
        ]

    def read(self, outputs: Any, items: Sequence[Item]) -> list[Prediction]:
        """Labels with scores, as Hugging Face's endpoint has them."""
        return [self._answer(logits.float().cpu(), item) for logits, item in zip(outputs.logits, items, strict=True)]

    def site_axes(self, site: str, axes: Mapping[str, Axis]) -> tuple[str, str]:
        """A stage has an axis of its own; anything else attends over the patches."""
        name = site if site in axes else next(iter(axes))
        return name, name

    def _answer(self, logits: Tensor, item: Item) -> Prediction:
        parameters = item.request.parameters
        scores = activated(logits, parameters.function_to_apply or self._function())
        return Prediction.from_json(ranked(self.labels, scores, parameters.top_k or TOP), item.axes)

    def value(self, objective: Objective, outputs: Any, item: Item, prediction: Prediction) -> Tensor:
        """A label's logit."""
        return of_label(objective, outputs.logits[0], list(self.labels.values()))

    def _function(self) -> str:
        """What makes scores of this model's logits."""
        kind, labels = getattr(self.loaded.config, "problem_type", None), self.loaded.config.num_labels
        if kind == "regression":
            return "none"
        return "sigmoid" if kind == "multi_label_classification" or labels == 1 else "softmax"
