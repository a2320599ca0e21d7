"""What the tasks that produce text share: outputs in batches, generated, or scored where they were given."""

import inspect
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from heedmap.model.choices import places
from heedmap.model.contract import DECODING, Objective, Parameters, Prediction, Request, taken
from heedmap.model.errors import CheckpointError
from heedmap.model.generated import WRITTEN, Generated
from heedmap.model.hub.axes.written import Written
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item, Task, embeddings
from heedmap.model.hub.tasks.generation_settings import FILE, culprits, settle
from heedmap.model.hub.tasks.static_cache import TRIAL, Choice, StaticCache, candidate, proven
from heedmap.model.hub.tasks.text import pad_token
from heedmap.model.hub.tasks.transformers_generate import end_tokens, generate, score
from heedmap.model.likeliest import Place
from heedmap.model.messages import library_message
from heedmap.model.padding import padded
from heedmap.model.prefix import check_room, prefix_ids
from heedmap.model.trace.gradient import of_tokens
from heedmap.model.trace.writing import Writing
from heedmap.model.watch import Stop, Watch, never

ATTEMPT = 3  # tokens: the first is chosen by rules of its own, the second by a cache, the third follows a repetition


class GenerativeTask(Task):
    """A task whose output is a text.

    Facts of its items: `limit`, the most tokens of an output; `given`, the ids of one that is to be scored, or None;
    `settings`, what else the generation is to know.
    """

    chunk: int | None = None  # tokens of a prompt that go in at once, where the model was found to take it in by chunks
    begins: ClassVar[bool] = False  # whether an output can go on from a given beginning, the fact `prefix` of its items
    most: ClassVar[int] = WRITTEN  # tokens of an output, where neither request nor checkpoint names a number

    def __init__(self, loaded: Loaded) -> None:
        """Raises:
        CheckpointError: its generation_config.json asks for what is not followed.
        """
        super().__init__(loaded)
        self.settings_of_checkpoint = settle(loaded.model, loaded.tokenizer)
        self.cache = Choice()

    def describe_generation(self) -> dict[str, Any]:
        """What becomes of the checkpoint's generation settings, and the longest output where nobody names a length."""
        longest = self.output_limit(Parameters(), self.capacity, 1)
        return {"max_new_tokens": longest, "cache": self.cache.to_json(), **self.settings_of_checkpoint.to_json()}

    @property
    def capacity(self) -> int | None:
        """How many tokens its decoder has positions for; None where nothing but memory bounds them."""
        return None

    def output_limit(self, parameters: Parameters, room: int | None, read: int) -> int:
        """The longest output; `room` is how many positions are left, `read` what the decoder reads before it."""
        return self.settings_of_checkpoint.limit(parameters.max_new_tokens, room, read, self.most)

    def attempt(self) -> None:
        """Write a few tokens about the example: what would fail in every answer fails when the model is loaded.

        Raises:
            CheckpointError: it cannot write, with the setting that is at fault where one is.
        """
        parameters = self.probe_parameters.model_copy(update={"max_new_tokens": ATTEMPT})
        item = self.prepare(Request(self.example, None, parameters))
        try:
            self.predict([item], never)
        except Exception as error:  # of whatever kind: in a request it would have been the service's fault
            said = library_message(error)
            fault = next((name for name in culprits(self.writer.model) if self._writes_without(name, item)), None)
            cause = f": without {fault} it can, take {fault} out of {FILE} or mend it" if fault else ""
            raise CheckpointError(f"the model cannot write about its own example ({said}){cause}") from error

    def choose_cache(self) -> None:
        """Try a static cache where one may be faster, and keep it where it is, and writes the same."""
        choice = candidate(self.writer, self.capacity)
        self.cache = choice if choice.cache is None else proven(choice.cache, self._tried)

    def _tried(self, cache: StaticCache | None) -> Any:
        """What the model writes about the example with a cache."""
        parameters = self.probe_parameters.model_copy(update={"max_new_tokens": TRIAL})
        self.cache = Choice(cache)
        item = self.prepare(Request(self.example, None, parameters))
        [written] = self.predict([item], never)
        return written.text, written.tokens

    def _writes_without(self, name: str, item: Item) -> bool:
        config = self.writer.model.generation_config
        value = getattr(config, name)
        try:
            setattr(config, name, None)
            self.predict([item], never)
        except Exception:  # then this setting is not it, or not alone
            return False
        finally:
            setattr(config, name, value)
        return True

    def takes(self) -> dict[str, dict[str, Any]]:
        """How to decode."""
        return taken(
            *DECODING,
            *(("prefix",) if self.begins else ()),
            max_new_tokens=self.output_limit(Parameters(), self.capacity, 1),
        )

    def begun(self, request: Request, encode: Callable[[str], Sequence[int]], room: int | None) -> list[int]:
        """What a request's output begins with, as ids.

        Args:
            encode: a text's ids, as they stand in an output, without an end token.
            room: positions that the output has.

        Raises:
            InputError: they are none of the vocabulary, or leave no room; `field` says which.
        """
        size, model = embeddings(self.loaded), self.loaded.model
        vocabulary = len(self.loaded.tokenizer) if size is None else size
        prefix = request.parameters.prefix
        ids = prefix_ids(prefix, request.target, encode, vocabulary, ends=end_tokens(model))
        check_room(ids, room)
        return ids

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
                stops = self.settings_of_checkpoint.stop_strings
                more = {"chunk": self.chunk, "stop_strings": stops, **dict(settings)}
                more |= {"writing": self._writing(chosen[0], cancelled), "cache": self.cache.cache}
                if chosen[0].whole:  # edits and embeddings count positions from the first: no cache, no chunks
                    more |= {"use_cache": False, "cache": None, "chunk": None}
                prefix = chosen[0].facts.get("prefix", ())  # what shares its parameters begins alike
                more["prefix"] = prefix
                generated = generate(self.writer, inputs, parameters, len(prefix) + limit, cancelled, **more)
            else:
                targets = [item.facts["given"] for item in chosen]
                chunk = None if chosen[0].whole else self.chunk
                totals = score(self.writer, inputs, self.starts(chosen, inputs), targets, chunk)
                generated = [Generated(ids, total) for ids, total in zip(targets, totals, strict=True)]
            outputs.update(zip(members, generated, strict=True))
        return [self.prediction(item, outputs[index]) for index, item in enumerate(items)]

    def _writing(self, item: Item, cancelled: Stop) -> Writing | None:
        """The output of an item while it is written, where somebody watches."""
        if not isinstance(cancelled, Watch):
            return None
        written = Written(self.loaded.tokenizer, self.said(item))
        return Writing.to(cancelled, item.axes, written.detokenizer(), written.label)

    def said(self, item: Item) -> list[int]:
        """What the text of an output begins with, before the first token that is written."""
        return []

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
    def prediction(self, item: Item, output: Generated) -> Prediction:
        """The prediction, with the axes of the pass that is recorded."""

    def answering(self, inputs: Mapping[str, Any], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """Logits of every token of the output, and of the one before it."""
        kept = {"logits_to_keep": _written(predictions[0]) + 1} if "logits_to_keep" in inputs else {}
        return {**inputs, **kept}

    def trace(self, items: Sequence[Item], cancelled: Stop) -> tuple[list[Prediction], dict[str, Any]]:
        """Generate or score, and make ready the pass that is recorded."""
        predictions = self.predict(items, cancelled)
        return predictions, self.taught(items, predictions)

    @abstractmethod
    def taught(self, items: Sequence[Item], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """The inputs of one pass over input and output."""

    def value(self, objective: Objective, outputs: Any, item: Item, prediction: Prediction) -> Tensor:
        """The log-probability of tokens of the output."""
        told = max(len(item.facts["start"]) - 1, 0) if "prefix" in prediction.axes else 0
        return of_tokens(objective, *written_logits(outputs, prediction), self.one_token, told)

    def places(self, outputs: Any, prediction: Prediction, count: int) -> Iterator[Place]:
        """The likeliest tokens at each place of the output."""
        written = Written(self.loaded.tokenizer, [])
        yield from places(*written_logits(outputs, prediction), count, written.label)

    def lean(self) -> dict[str, Any]:
        """Arguments that keep a recorded pass from computing what nobody reads: a cache, logits of every position."""
        accepted = inspect.signature(self.loaded.model.forward).parameters
        return {name: value for name, value in (("use_cache", False), ("logits_to_keep", 1)) if name in accepted}

    def right_padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Rows of ids and their mask, on the model's device."""
        ids, mask = padded(rows, pad_token(self.loaded))
        return ids.to(self.loaded.device), mask.to(self.loaded.device)


def written_logits(outputs: Any, prediction: Prediction) -> tuple[Tensor, list[int]]:
    """What each token of an output was chosen from, its logits, and the tokens' ids."""
    count, tokens = _written(prediction), len(prediction.tokens)
    if "prefix" not in prediction.axes:
        ids = prediction.axes["tokens"].ids
        return outputs.logits[0, -count - 1 : -1], ids[len(ids) - count :]
    # What the decoder had read at each position of the target; the end token, read as well, is followed by nothing.
    return outputs.logits[0, -count:][:tokens], prediction.axes["target"].ids[:tokens]


def _written(prediction: Prediction) -> int:
    """Tokens of the output."""
    return len(prediction.axes["target"]) if "prefix" in prediction.axes else len(prediction.tokens)
