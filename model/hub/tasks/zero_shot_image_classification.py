"""zero-shot-image-classification: a picture to scores of labels that the caller names (CLIP, SigLIP)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from heedmap.model.contract import Objective, Parameters, Prediction, Request, taken, unanswered
from heedmap.model.errors import ParameterError
from heedmap.model.hub.axes.image import picture_axes
from heedmap.model.hub.families import family_of
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, Task, collate
from heedmap.model.hub.tasks.pictures import one_shape, picture_of, preprocess, ranked, tower_of
from heedmap.model.hub.tasks.text import Encoded, encode, filled, positions
from heedmap.model.media import example_image
from heedmap.model.trace.gradient import label_index, of_label
from heedmap.model.watch import Stop

TEMPLATE = "This is a photo of {}."


class ZeroShotImageClassification(Task):
    """How well each of the caller's labels, put into a sentence, describes a picture; best first.

    The scores are a softmax over the labels, in SigLIP a sigmoid of each. The recorded pass sees the picture and reads
    the best label's sentence: the site `text` is that sentence's.
    """

    name = "zero-shot-image-classification"
    rowwise = False  # every picture is compared with every sentence
    auto_class = "AutoModelForZeroShotImageClassification"
    example: Any = {"image": example_image()}  # noqa: RUF012
    probe_parameters = Parameters(candidate_labels=("a red ball", "a green field"))

    def __init__(self, loaded: Loaded) -> None:
        """Raises:
        CheckpointError: the checkpoint has no image processor, or the layout of its patches is not known.
        """
        super().__init__(loaded)
        self.tower, self.limit = tower_of(loaded), positions(loaded)
        self.family = family_of(loaded.config)

    @property
    def batchable(self) -> bool:
        """Pictures that are resized to one shape can share a pass."""
        return one_shape(self.loaded.image_processor)

    def takes(self) -> dict[str, dict[str, Any]]:
        """The labels, their sentence, and how many to show."""
        return taken("candidate_labels", "top_k", hypothesis_template=TEMPLATE)

    def prepare(self, request: Request) -> Item:
        """Decode and preprocess the picture, tokenize a sentence for each label; without labels a trace is possible."""
        labels = request.parameters.candidate_labels
        template = TEMPLATE if (own_template := request.parameters.hypothesis_template) is None else own_template
        if "{}" not in template:
            raise ParameterError(
                f"the template needs a {{}} where the label goes: {TEMPLATE}", field="parameters.hypothesis_template"
            )
        tensors, geometry = preprocess(self.loaded, picture_of(request.inputs, self.name))
        sentences = [template.replace("{}", filled(label, "parameters.candidate_labels")) for label in labels]
        encoded = [self._encode(sentence) for sentence in sentences]
        refusal = ParameterError(
            'give the labels to choose from: "parameters": {"candidate_labels": ["cat", "dog"]}',
            field="parameters.candidate_labels",
        )
        axes, facts = picture_axes(geometry, self.tower, "vision"), {"sentences": encoded}
        return Item(request, axes, tensors, facts, None if labels else refusal)

    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """All labels against the pictures, in one pass, or in one for each picture where their shapes differ."""
        batches = [items] if self.batchable else [[item] for item in items]
        return [self._answer(row, item) for batch in batches for row, item in self._compared(batch)]

    def trace(self, items: Sequence[Item], cancelled: Stop) -> tuple[list[Prediction], dict[str, Any]]:
        """The pass that is recorded reads the best label's sentence alone; without labels it only sees."""
        if any(item.refusal is not None for item in items):
            empty: list[Prediction] = [
                unanswered(item.axes, item.refusal) for item in items if item.refusal is not None
            ]
            return empty, dict(collate(items, self.loaded))
        predictions = self.predict(items, cancelled)
        pairs = zip(predictions, items, strict=True)
        chosen = [
            item.with_(tensors={**_shown(prediction, item).tensors, **item.tensors}) for prediction, item in pairs
        ]
        return predictions, dict(collate(chosen, self.loaded))

    def value(self, objective: Objective, outputs: Any, item: Item, prediction: Prediction) -> Tensor:
        """How well the label's sentence, which the recorded pass reads, describes the picture: its logit.

        Raises:
            InputError: there are no labels, or the objective is not of one of them alone.
        """
        if item.refusal is not None:
            raise item.refusal
        names = item.request.parameters.candidate_labels
        if objective.minus is not None:
            raise ParameterError(
                "the pass reads one label's sentence, and no other to compare with: leave minus out",
                field="objective.minus",
            )
        return of_label(objective, outputs.logits_per_image[0].expand(len(names)), names)

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        """The pass to record: of the vision tower alone where there is no sentence."""
        model = self.loaded.model
        return model(**inputs) if "input_ids" in inputs else model.vision_model(**inputs)

    def _encode(self, sentence: str) -> Encoded:
        length = self.family.label_tokens
        filling: dict[str, Any] = {} if length is None else {"padding": "max_length", "max_length": length}
        return encode(self.loaded, sentence, limit=self.limit, field="parameters.candidate_labels", **filling)

    def _compared(self, items: Sequence[Item]) -> list[tuple[torch.Tensor, Item]]:
        """For each item the scores of its labels; all items have the same ones."""
        sentences = [Item(items[0].request, {}, one.tensors) for one in items[0].facts["sentences"]]
        outputs = self.forward({**collate(sentences, self.loaded), **collate(items, self.loaded)})
        logits = outputs.logits_per_image.float().cpu()
        scores = logits.sigmoid() if self.family.independent_labels else logits.softmax(dim=-1)
        return list(zip(scores, items, strict=True))

    def _answer(self, scores: torch.Tensor, item: Item) -> Prediction:
        labels = item.request.parameters.candidate_labels
        best = item.facts["sentences"][_chosen(item, int(scores.argmax()))]
        output = ranked(labels, scores, item.request.parameters.top_k or len(labels))
        return Prediction.from_json(output, {"text": best.axis, **item.axes})


def _chosen(item: Item, best: int) -> int:
    """The label whose sentence is shown: the objective's, where there is one, else the best."""
    objective = item.request.objective
    if objective is None or objective.label is None:
        return best
    return label_index(objective.label, item.request.parameters.candidate_labels, "objective.label")


def _shown(prediction: Prediction, item: Item) -> Encoded:
    """The sentence of the label that a prediction names first, or the objective's."""
    labels = item.request.parameters.candidate_labels
    sentence: Encoded = item.facts["sentences"][_chosen(item, labels.index(prediction.text))]
    return sentence
