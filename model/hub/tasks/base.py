"""What a task is: requests to model inputs, model outputs to predictions, and what the axes of its maps stand for."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from heedmap.model.contract import Axis, Objective, Parameters, Prediction, Request
from heedmap.model.edits import Replace
from heedmap.model.errors import InputError, ParameterError, RangeError
from heedmap.model.hub.axes.text import with_token
from heedmap.model.hub.loaded import Loaded
from heedmap.model.one_token import one_token
from heedmap.model.watch import Stop


@dataclass(frozen=True, eq=False)
class Item:
    """One request, ready for the model: its axes, and the tensors of a batch of one.

    axes: of the input, by name; a generated output adds its own later. tensors: keyword arguments of the model's
    forward, with a leading axis of length 1. facts: whatever the task wants to find again when it reads the outputs.
    refusal: why there is nothing to answer, where the maps can be had all the same: such an item is traced, with an
    empty prediction, and never predicted.
    """

    request: Request
    axes: dict[str, Axis]
    tensors: dict[str, Tensor]
    facts: dict[str, Any] = field(default_factory=dict)
    refusal: InputError | None = None

    @property
    def whole(self) -> bool:
        """Whether each of its passes reads all from the first token on: what is done to it counts positions."""
        return bool(self.request.edits) or bool(self.facts.get("whole"))

    def with_(self, **changes: Any) -> "Item":
        """The same item, changed."""
        return replace(self, **changes)


class Task(ABC):
    """One kind of question that a model answers; subclasses are registered in `heedmap.model.hub.tasks`.

    A task is made once per loaded checkpoint and keeps no state between calls.
    """

    name: ClassVar[str]  # as model hubs call it: text-classification
    auto_class: ClassVar[str]  # the transformers class that loads its head: AutoModelForSequenceClassification
    example: Any  # an input to begin with; also what the checks at loading run on
    probe_target: ClassVar[str | None] = None  # a given output for that example, where the task generates
    probe_parameters: Parameters = Parameters()  # what the example needs besides
    rowwise: ClassVar[bool] = True  # whether outputs of a batch have what belongs to each row of it in a row

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    @classmethod
    def for_config(cls, config: Any) -> "type[Task]":
        """The class for checkpoints of this configuration, where heads of several kinds answer one task."""
        return cls

    def takes(self) -> dict[str, dict[str, Any]]:
        """The parameters that this model takes: of each its `default`, and its `choices` where they can be listed."""
        return {}

    @abstractmethod
    def prepare(self, request: Request) -> Item:
        """Tokenize or decode one request.

        Raises:
            InputError: it cannot be used; `field` says which part ("inputs", "parameters.candidate_labels", ...).
        """

    @abstractmethod
    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """Answer a batch of items that all have the same parameters, in order.

        Raises:
            Cancelled: `cancelled` became true between two steps.
        """

    @abstractmethod
    def trace(self, items: Sequence[Item], cancelled: Stop) -> tuple[list[Prediction], dict[str, Any]]:
        """Answer them, and give the keyword arguments of the one forward pass to record: right-padded, batched.

        The axes of the predictions are those of the maps: for every row of the batch, the first len(axis) queries and
        keys of a site are that row's own and the rest is padding.
        """

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        """The pass to record."""
        return self.loaded.model(**inputs)

    def replaced(self, item: Item) -> Item:
        """An item with other tokens in the place of some, as the request's edits say.

        Raises:
            InputError: there is no such token, or the task reads no tokens.
        """
        for place, edit in enumerate(item.request.edits):
            if isinstance(edit, Replace):
                item = self._replaced(item, edit, f"edits.{place}")
        return item

    def _replaced(self, item: Item, edit: Replace, field: str) -> Item:
        ids = item.tensors.get("input_ids")
        name = next((n for n, axis in item.axes.items() if ids is not None and axis.ids == ids[0].tolist()), None)
        if ids is None or name is None:
            raise ParameterError(f"{self.name} reads no text whose tokens could be replaced", field=field)
        axis = item.axes[name]
        if edit.token >= len(axis):
            raise RangeError(
                f"token {edit.token} does not exist: the input has {len(axis)}, 0 to {len(axis) - 1}",
                field=f"{field}.token",
            )
        token, ids = self.one_token(edit.by, f"{field}.by"), ids.clone()
        ids[0, edit.token] = token
        axes = {**item.axes, name: with_token(self.loaded.tokenizer, axis, edit.token, token)}
        return item.with_(axes=axes, tensors={**item.tensors, "input_ids": ids})

    def answering(self, inputs: Mapping[str, Any], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """The inputs of a pass whose outputs an objective is read from: logits of the whole answer."""
        return dict(inputs)

    def value(self, objective: Objective, outputs: Any, item: Item, prediction: Prediction) -> Tensor:
        """The objective in what the recorded pass of a single item returned, to be differentiated.

        Raises:
            InputError: the task has none, or not this one; `field` is a part of the objective.
        """
        raise ParameterError(
            f"{self.name} answers with nothing that a gradient is taken of: leave the objective out", field="objective"
        )

    def settled(self, outputs: Any, item: Item) -> Item:
        """The item with what it is answered in these outputs, where its objective is about that, whatever others say.

        It is what a pass under edits is measured by: the value of the same answer.
        """
        return item

    def one_token(self, word: int | str, field: str) -> int:
        """The id of a word that is one token.

        Raises:
            ParameterError: it is several, or none; `field` is to blame.
        """
        tokenizer = self.loaded.tokenizer

        def encode(text: str) -> list[int]:
            return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

        size = embeddings(self.loaded) or len(tokenizer)
        return one_token(word, field, size, encode, tokenizer.get_vocab().get, tokenizer.unk_token_id)

    @property
    def batchable(self) -> bool:
        """Whether several items can share one recorded pass; if not, `trace` is called for each alone."""
        return True

    def site_axes(self, site: str, axes: Mapping[str, Axis]) -> tuple[str, str]:
        """The names of the query and key axes of a site, among the axes of a prediction."""
        if site == "cross":
            return "target", "source"
        if "source" in axes:
            return ("source", "source") if site == "encoder" else ("target", "prefix")
        first = next(iter(axes)) if site not in axes else site
        return first, first


class SinglePass(Task):
    """A task that one forward pass answers."""

    @abstractmethod
    def read(self, outputs: Any, items: Sequence[Item]) -> list[Prediction]:
        """The predictions in what the model's forward returned for the collated items."""

    def collate(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """One batch: texts are padded on the right, everything else is stacked."""
        return collate(items, self.loaded)

    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """One forward pass over the batch."""
        return self.read(self.forward(self.collate(items)), items)

    def trace(self, items: Sequence[Item], cancelled: Stop) -> tuple[list[Prediction], dict[str, Any]]:
        """The pass that is recorded also answers: its outputs go to `read`."""
        return [], dict(self.collate(items))


def embeddings(loaded: Loaded) -> int | None:
    """How many tokens a model has embeddings for; None where it does not say."""
    try:
        table = loaded.model.get_input_embeddings()
    except (AttributeError, NotImplementedError):  # a model that reads no ids
        table = None
    if isinstance(table, nn.Embedding):
        return table.num_embeddings
    size = getattr(loaded.config.get_text_config(), "vocab_size", None)
    return size if isinstance(size, int) and size > 0 else None


def padding(loaded: Loaded) -> int:
    """What fills a batch: nobody attends to it, so that any token will do where none is named that the model knows."""
    size = embeddings(loaded)
    for source in (loaded.tokenizer, loaded.config):
        token = getattr(source, "pad_token_id", None)
        if isinstance(token, int) and token >= 0 and (size is None or token < size):
            return token
    return 0


PADDED = {"input_ids": None, "attention_mask": 0, "token_type_ids": 0, "special_tokens_mask": 1, "mm_token_type_ids": 0}


def collate(items: Sequence[Item], loaded: Loaded) -> dict[str, Tensor]:
    """The items' tensors as one batch on the model's device: texts padded on the right, everything else joined.

    Raises:
        ParameterError: tensors of other kinds have different shapes.
    """
    batch: dict[str, Tensor] = {}
    pad = padding(loaded)
    for name in items[0].tensors:
        parts = [item.tensors[name] for item in items]
        if name in PADDED:
            width, fill = max(part.shape[1] for part in parts), PADDED[name]
            value = pad if fill is None else fill
            parts = [torch.nn.functional.pad(part, (0, width - part.shape[1]), value=value) for part in parts]
        elif len({part.shape[1:] for part in parts}) > 1:
            raise ParameterError(f"inputs of different shapes cannot share one batch: {name}", field="inputs")
        batch[name] = torch.cat(parts).to(loaded.device)
        if batch[name].is_floating_point():
            batch[name] = batch[name].to(loaded.dtype)
    return batch
