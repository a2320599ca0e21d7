"""What the tasks that produce text share: outputs in batches, generated, or scored where they were given."""

import inspect
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from heedmap.model.contract import DECODING, Prediction, taken
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, Task
from heedmap.model.hub.tasks.text import pad_token, padded
from heedmap.model.hub.tasks.transformers_generate import generate, score
from heedmap.model.native.decoding import Generated
from heedmap.model.watch import Stop


class GenerativeTask(Task):
    """A task whose output is a text.

    Facts of its items: `limit`, the most tokens of an output; `given`, the ids of one that is to be scored, or None;
    `settings`, what else the generation is to know.
    """

    piece: int | None = None  # tokens of a prompt that go in at once, where the model was found to take it in by pieces

    def takes(self) -> dict[str, dict[str, Any]]:
        """How to decode."""
        return taken(*DECODING)

    def predict(self, items: Sequence[Item], cancelled: Stop) -> list[Prediction]:
        """Generate what was not given and score what was; what shares limit and settings shares a batch."""
        groups: dict[Any, list[int]] = defaultdict(list)
        for index, item in enumerate(items):
            groups[item.facts["given"] is None, item.facts["limit"], *sorted(item.facts["settings"].items())].append(
                index
            )
        outputs: dict[int, Generated] = {}
        for (free, limit, *settings), members in groups.items():
            chosen = [items[index] for index in members]
            inputs = self.batch(chosen)
            if free:
                parameters = chosen[0].request.parameters
                found = generate(self.writer, inputs, parameters, limit, cancelled, self.piece, **dict(settings))
            else:
                given = [item.facts["given"] for item in chosen]
                totals = score(self.writer, inputs, self.starts(chosen, inputs), given, self.piece)
                found = [Generated(ids, total) for ids, total in zip(given, totals, strict=True)]
            outputs.update(zip(members, found, strict=True))
        return [self.told(item, outputs[index]) for index, item in enumerate(items)]

    @property
    def writer(self) -> Loaded:
        """What generates: the model, unless that leaves it to a part of its own."""
        return self.loaded

    @abstractmethod
    def batch(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """The inputs of `generate` for these items."""

    @abstractmethod
    def starts(self, items: Sequence[Item], inputs: dict[str, Tensor]) -> Tensor:
        """What each output follows, as ids: the prompts of the batch, or the decoder's start tokens."""

    @abstractmethod
    def told(self, item: Item, output: Generated) -> Prediction:
        """The prediction, with the axes of the pass that is recorded."""

    def lean(self) -> dict[str, Any]:
        """Arguments that keep a recorded pass from computing what nobody reads: a cache, logits of every position."""
        known = inspect.signature(self.loaded.model.forward).parameters
        return {name: value for name, value in (("use_cache", False), ("logits_to_keep", 1)) if name in known}

    def right_padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Rows of ids and their mask, on the model's device."""
        ids, mask = padded(rows, pad_token(self.loaded))
        return ids.to(self.loaded.device), mask.to(self.loaded.device)
