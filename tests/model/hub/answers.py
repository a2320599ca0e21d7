"""A task on its own: answers to requests, and what the pass that it records returns."""

from pathlib import Path
from typing import Any

import torch

from heedmap.model.contract import Prediction, Request
from heedmap.model.hub.load import loading
from heedmap.model.hub.tasks.base import Task
from heedmap.model.watch import never


def opened(folder: Path, task: type[Task]) -> Any:
    """The task of a checkpoint, the class that suits its configuration."""
    for_config = task.for_config(loading.read_config(folder))
    return for_config(loading.load(folder, for_config.auto_class))


def answered(task: Any, *requests: Request) -> list[Prediction]:
    """The predictions of a batch."""
    with torch.inference_mode():
        predictions: list[Prediction] = task.predict([task.prepare(request) for request in requests], never)
    return predictions


def traced(task: Any, *requests: Request) -> tuple[list[Prediction], Any]:
    """The predictions, and what the recorded pass returns, with the model's own eager weights."""
    task.loaded.model.set_attn_implementation("eager")
    with torch.inference_mode():
        predictions, inputs = task.trace([task.prepare(request) for request in requests], never)
        inputs.pop("logits_to_keep", None)
        return predictions, task.forward({**inputs, "output_attentions": True})


def total(logits: torch.Tensor, ids: list[int]) -> float:
    """The log-probability of ids under the last of these logits."""
    rows = logits[-len(ids) :].double().log_softmax(dim=-1)
    return float(rows[torch.arange(len(ids)), torch.tensor(ids)].sum())
