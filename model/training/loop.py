"""Training: one loop for every network, resumable after a kill.

The state between steps is a safetensors file (weights and both Adam moments) with its progress in the header, written
aside and renamed, so that a kill at any moment loses at most the steps since the last one.
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from heedmap.model.errors import CheckpointError
from heedmap.model.native.checkpoint import Network
from heedmap.model.native.tokenizer import PAD
from heedmap.model.native.transformer import Transformer
from heedmap.model.training.data import Batch, Epochs
from heedmap.model.training.guide import Guide
from heedmap.model.training.loss import smoothed_cross_entropy

STATE = "training.safetensors"
LONG = 512  # tokens from which the fused kernel's backward pass is the faster one, measured on two CPU cores
SAVE_EVERY = 120.0  # seconds: the most work that a kill can lose


class Recipe(BaseModel):
    """What a training run is, beyond its data and its network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: PositiveInt = 14
    batch_tokens: PositiveInt = 3000
    learning_rate: PositiveFloat = 1.5e-3
    warmup_steps: PositiveInt = 800
    label_smoothing: float = 0.1
    weight_decay: float = 0.01
    clip: PositiveFloat = 1.0
    seed: int = 20261122

    def rate(self, step: int, steps: int) -> float:
        """Linear warm-up to the peak, then a cosine down to a hundredth of it."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        done = min(1.0, (step - self.warmup_steps) / max(1, steps - self.warmup_steps))
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


@runtime_checkable
class Teacher(Protocol):
    """A loss beside that of the output, of something else that a pass shows."""

    def hidden(self, network: Any, inputs: Sequence[Tensor], reference: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states of a batch under teacher forcing, and the weighted loss of what they came from."""


@runtime_checkable
class TaughtBatch(Batch, Protocol):
    """A batch with what a teacher wants."""

    @property
    def reference(self) -> Tensor:
        """What it compares with."""


def precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the machine multiplies it in hardware, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


class Trainer:
    """A network, its optimiser and how far they have come."""

    def __init__(
        self, network: Network, recipe: Recipe, folder: Path, device: torch.device, teacher: Teacher | None = None
    ) -> None:
        self.teacher = teacher
        self.network, self.recipe, self.folder, self.device = network.to(device), recipe, folder, device
        self.dtype = precision(device)
        decay = recipe.weight_decay
        if isinstance(teacher, Guide) and teacher.alone:
            assert isinstance(network, Transformer)
            teacher.freeze(network)
            decay = 0.0  # it would take from the rest too
        learning = [p for p in network.parameters() if p.requires_grad]
        matrices, vectors = [p for p in learning if p.dim() > 1], [p for p in learning if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), fused=True)
        self.step = self.epoch = self.done = 0  # steps in all, whole epochs, and batches of the epoch under way

    def run(self, batches: Epochs, evaluate: Any = None) -> Iterator[dict[str, float]]:
        """Train to the recipe's last epoch from wherever it stands; yields a report at the end of each epoch."""
        per_epoch = len(batches.epoch(0))
        steps = per_epoch * self.recipe.epochs  # for the schedule: epochs differ by a few batches
        self.network.train()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        saved, seconds, loss_sum, tokens = time.monotonic(), 0.0, 0.0, 0
        with Progress(*columns, TimeRemainingColumn(), refresh_per_second=1) as progress:
            bar = progress.add_task("training", total=steps, completed=self.step)
            while self.epoch < self.recipe.epochs:
                for batch in batches.epoch(self.recipe.seed + self.epoch)[self.done :]:
                    start = time.monotonic()
                    loss = self._update(batch, steps)
                    seconds, tokens = seconds + time.monotonic() - start, tokens + batch.tokens
                    loss_sum += loss * batch.tokens
                    rate = tokens / seconds
                    progress.update(bar, completed=self.step, description=f"loss {loss:.3f}  {rate:,.0f} tokens/s")
                    if time.monotonic() - saved > SAVE_EVERY:
                        self.save()
                        saved = time.monotonic()
                self.epoch, self.done = self.epoch + 1, 0
                if tokens:  # a run resumed at an epoch's very end has nothing to report of it
                    yield {"epoch": self.epoch, "loss": loss_sum / tokens, "tokens_per_second": tokens / seconds}
                self.network.train()
                seconds, loss_sum, tokens = 0.0, 0.0, 0
        self.save()

    def _update(self, batch: Batch, steps: int) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step, steps)
        torch.manual_seed(self.recipe.seed + self.step)  # a resumed run drops out what an unbroken one would
        inputs, labels = [part.to(self.device) for part in batch.inputs], batch.labels.to(self.device)
        with self._precision(), short_attention(self.device, labels.shape[1]):
            loss = self._loss(batch, inputs, labels)
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch leaves it so
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step, self.done = self.step + 1, self.done + 1
        return loss.item()

    def _loss(self, batch: Batch, inputs: list[Tensor], labels: Tensor) -> Tensor:
        """Of a network that copies its mixture's; of others the smoothed cross-entropy, and a teacher's besides."""
        if isinstance(self.network, Transformer) and self.network.config.copying is not None:
            source, lengths, target = inputs
            return self.network.parts(source, lengths, target).loss(labels, PAD, self.recipe.label_smoothing)
        if self.teacher is None:
            read: Callable[..., Tensor] = self.network.hidden  # what it takes is the batch's
            hidden, guided = read(*inputs), None
        else:
            assert isinstance(batch, TaughtBatch)
            hidden, guided = self.teacher.hidden(self.network, inputs, batch.reference.to(self.device))
        loss = smoothed_cross_entropy(
            hidden.flatten(0, 1),
            self.network.output_weight,
            labels.flatten(),
            PAD,
            self.recipe.label_smoothing,
            self.dtype,
        )
        return loss if guided is None else loss + guided

    def _precision(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(self.device.type, self.dtype)

    def save(self) -> None:
        """Write the whole state aside, then rename it into place."""
        tensors: dict[str, Tensor] = {f"weight.{n}": p.detach() for n, p in self.network.named_parameters()}
        for name, parameter in self.network.named_parameters():
            for moment in ("exp_avg", "exp_avg_sq"):
                if parameter in self.optimizer.state:
                    tensors[f"{moment}.{name}"] = self.optimizer.state[parameter][moment]
        place = {"step": self.step, "epoch": self.epoch, "done": self.done}
        progress = {**place, "recipe": self.recipe.model_dump(), "config": self.network.config.model_dump()}
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / (STATE + ".partial")
        save_file({n: t.contiguous() for n, t in tensors.items()}, aside, metadata={"progress": json.dumps(progress)})
        os.replace(aside, self.folder / STATE)

    def resume(self) -> bool:
        """Take up the state that `save` left in the folder; False where there is none.

        Raises:
            CheckpointError: the state is of another network.
        """
        path = self.folder / STATE
        if not path.is_file():
            return False
        with safe_open(path, framework="pt", device=str(self.device)) as file:
            progress = json.loads(file.metadata()["progress"])
            if progress["config"] != self.network.config.model_dump(mode="json"):
                raise CheckpointError(f"{path} holds a run of another network; choose another --out or remove it")
            with torch.no_grad():
                there = set(file.keys())
                for name, parameter in self.network.named_parameters():
                    parameter.copy_(file.get_tensor(f"weight.{name}"))
                    if f"exp_avg.{name}" not in there:  # it does not learn
                        continue
                    self.optimizer.state[parameter] = {
                        "step": torch.tensor(float(progress["step"]), device=self.device),
                        "exp_avg": file.get_tensor(f"exp_avg.{name}"),
                        "exp_avg_sq": file.get_tensor(f"exp_avg_sq.{name}"),
                    }
        self.step, self.epoch, self.done = progress["step"], progress["epoch"], progress["done"]
        return True


def short_attention(device: torch.device, length: int) -> AbstractContextManager[Any]:
    """On the CPU the fused kernel's backward pass takes five times the plain one's at sentence lengths."""
    short = device.type == "cpu" and length < LONG
    return sdpa_kernel(SDPBackend.MATH) if short else nullcontext()
