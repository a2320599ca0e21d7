"""Passes of transformers' models as functions of a text's embeddings: a hook on their table, while a call runs."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from heedmap.model.contract import Objective, Request
from heedmap.model.edits import Replace
from heedmap.model.errors import HeedmapError, InputTooLong, ParameterError
from heedmap.model.hub.attention.bands import banded
from heedmap.model.hub.quiet import quiet
from heedmap.model.hub.served import HubModel
from heedmap.model.hub.tasks.base import Item, SinglePass
from heedmap.model.hub.tasks.fill_mask import FillMask
from heedmap.model.hub.tasks.generative import GenerativeTask
from heedmap.model.hub.tasks.question_answering import QuestionAnswering, best_span
from heedmap.model.hub.tasks.text_classification import TextClassification
from heedmap.model.hub.tasks.token_classification import TokenClassification
from heedmap.model.isolation import isolated
from heedmap.model.robustness.embeddings import FIELD, MOST_TOKENS, EmbeddedPass, Embeddings
from heedmap.model.trace.gradient import of_tokens
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never

Value = Callable[[Any], Tensor]


class HubPass(EmbeddedPass):
    """A text's answer, of the embeddings of its tokens, as the model looks them up.

    Raises:
        InputError: the input cannot be used, or this model's answers have no gradient at embeddings.
    """

    def __init__(self, model: HubModel, request: Request, cancelled: Stop = never) -> None:
        if any(not isinstance(edit, Replace) for edit in request.edits):
            raise ParameterError("the attention of such a pass cannot be edited: replace tokens alone", field="edits")
        self.model, runner = model, model.runner
        if getattr(runner, "generator", None) is not None:
            raise ParameterError(
                "another service writes this model's answers, from tokens alone: perturb its texts instead", field=FIELD
            )
        with torch.inference_mode(), self._calm():
            item = runner.replaced(runner.prepare(request))
            if item.refusal is not None:
                raise item.refusal
            self.axis = _axis_of(item, runner.name)
            self.tower, self.table = _table(model.loaded.model, runner.name)
            self.item = item.with_(facts=_bounded(item, self.axis))
            model.state.restore()
            predictions, inputs = runner.trace([self.item], cancelled)
            outputs = None
            if isinstance(runner, SinglePass):
                outputs = runner.forward(inputs)
                predictions = runner.read(outputs, [self.item])
            self.prediction = predictions[0]
            self._value = self._frozen(outputs)
        with torch.inference_mode(False):  # what was made for inference alone cannot be kept for a backward pass
            inputs = {n: x.clone() if isinstance(x, Tensor) else x for n, x in inputs.items()}
        self.inputs = runner.answering(inputs, predictions)
        if isinstance(runner, TextClassification):
            self.objective = f"logit of {self.prediction.text}"
        axis = item.axes[self.axis]
        self.ids = torch.tensor([axis.ids], device=model.loaded.device)
        super().__init__(self.embed(self.ids[0]), axis.special)

    def value(self, embeddings: Embeddings) -> Float[Tensor, ""]:
        with self._calm(), self._moved(embeddings):
            self.model.state.restore()
            return self._value(self.model.runner.forward(self.inputs))

    def trace(self, embeddings: Embeddings, cancelled: Stop = never) -> Trace | HeedmapError:
        with torch.inference_mode(), self._calm(), self._moved(embeddings):
            [outcome] = isolated(lambda some: self.model.recorded(some, cancelled), [self.item])
        return outcome

    def embed(self, ids: Int[Tensor, "R"]) -> Float[Tensor, "R M"]:
        with torch.no_grad():
            rows: Tensor = self.table(ids[None])
        return rows[0]

    def allowed(self) -> Bool[Tensor, "V"]:
        tokenizer = self.model.loaded.tokenizer
        allowed = torch.ones(self.table.num_embeddings, dtype=torch.bool, device=self.ids.device)
        allowed[len(tokenizer) :] = False
        allowed[[token for token in tokenizer.all_special_ids if token < len(allowed)]] = False
        return allowed

    @contextlib.contextmanager
    def _calm(self) -> Iterator[None]:
        with quiet(), banded(self.model.bands):
            yield

    @contextlib.contextmanager
    def _moved(self, embeddings: Embeddings) -> Iterator[None]:
        """While inside, the text's tokens have these embeddings, wherever a pass begins with them.

        Raises:
            ParameterError: no pass looked the text up.
        """
        count, looked, reading = self.ids.shape[1], 0, self.tower is None

        def begin(*_: Any) -> None:
            nonlocal reading
            reading = True

        def end(*_: Any) -> None:
            nonlocal reading
            reading = False

        def swap(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any], found: Tensor) -> Tensor | None:
            nonlocal looked
            ids = given[0] if given else named["input"]
            if not reading or ids.shape[-1] < count or not bool((ids[:, :count] == self.ids.to(ids.device)).all()):
                return None
            looked += 1
            rows = embeddings.to(found)[None].expand(len(found), -1, -1)
            return torch.cat([rows, found[:, count:]], dim=1)

        with contextlib.ExitStack() as stack:
            if self.tower is not None:  # its table may be the decoder's too, which reads other tokens
                stack.callback(self.tower.register_forward_pre_hook(begin).remove)
                stack.callback(self.tower.register_forward_hook(end, always_call=True).remove)
            stack.callback(self.table.register_forward_hook(swap, with_kwargs=True).remove)
            yield
        if not looked:
            raise ParameterError(
                "this model does not look its text up in its table of embeddings: perturb its texts instead",
                field=FIELD,
            )

    def _frozen(self, outputs: Any) -> Value:
        """What the answer is differentiated by: that which was answered to the text as it is, whatever comes later."""
        runner, item = self.model.runner, self.item
        if isinstance(runner, GenerativeTask):
            return lambda later: runner.value(Objective(tokens="all"), later, item, self.prediction)
        if isinstance(runner, TextClassification):
            label = Objective(label=self.prediction.text)
            return lambda later: runner.value(label, later, item, self.prediction)
        if isinstance(runner, QuestionAnswering):
            answers, most = list(item.facts["answers"]), item.request.parameters.max_answer_len
            first, last = (
                side[0].float()[answers].softmax(dim=0) for side in (outputs.start_logits, outputs.end_logits)
            )
            _, *span = best_span(first, last, most)
            return _likelihood(
                lambda later: torch.stack([later.start_logits[0], later.end_logits[0]]), [answers[at] for at in span]
            )
        places = item.facts["places"] if isinstance(runner, FillMask) else slice(None)
        if isinstance(runner, FillMask | TokenClassification):
            return _likelihood(lambda later: later.logits[0, places], outputs.logits[0, places].argmax(-1).tolist())
        raise ParameterError(
            f"{runner.name} answers with nothing that has a gradient at its embeddings: perturb its inputs instead",
            field=FIELD,
        )


def _likelihood(logits: Value, ids: list[int]) -> Value:
    """The summed log-probability of these, one a row."""
    return lambda outputs: of_tokens(Objective(tokens="all"), logits(outputs), ids, lambda word, field: int(word))


def _axis_of(item: Item, task: str) -> str:
    """The axis that the ids of an item's text are.

    Raises:
        ParameterError: there is no text, or none alone.
    """
    ids = item.tensors.get("input_ids")
    name = None
    if ids is not None and "others" not in item.facts:
        rows = ids[0].tolist()
        name = next((n for n, axis in item.axes.items() if axis.ids == rows and axis.kind == "text"), None)
    if name is None:
        raise ParameterError(
            f"{task} reads no text alone whose embeddings could be moved: perturb its inputs instead", field=FIELD
        )
    return name


def _bounded(item: Item, axis: str) -> dict[str, Any]:
    """The item's facts for passes in one piece.

    Raises:
        InputTooLong: the text is no such.
    """
    if len(item.axes[axis]) > MOST_TOKENS:
        raise InputTooLong(
            f"{len(item.axes[axis]):,} tokens, and embeddings of at most {MOST_TOKENS:,} are moved: shorten the text",
            field="inputs",
        )
    limit = {"limit": min(item.facts["limit"], MOST_TOKENS)} if "limit" in item.facts else {}
    return {**item.facts, **limit, "whole": True}


def _table(model: Any, task: str) -> tuple[nn.Module | None, nn.Embedding]:
    """Who reads the text, where somebody else reads by the same table too, and the table.

    Raises:
        ParameterError: there is none.
    """
    tower = model.get_encoder() if model.config.is_encoder_decoder else None
    try:
        table = (model if tower is None else tower).get_input_embeddings()
    except (AttributeError, NotImplementedError):
        table = None
    if not isinstance(table, nn.Embedding):
        raise ParameterError(
            f"this model has no table of embeddings that {task} reads by: perturb its inputs instead", field=FIELD
        )
    return tower, table
