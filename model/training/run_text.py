"""A whole training run of a language model: text, parts, network, loop, the best epoch's checkpoint."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from heedmap.model.errors import CheckpointError
from heedmap.model.native import checkpoint
from heedmap.model.native.language_model import LanguageModel, LanguageModelConfig
from heedmap.model.native.tokenizer import ByteTokenizer
from heedmap.model.training.data import sha256
from heedmap.model.training.loop import Recipe, Trainer
from heedmap.model.training.model_card import write_text_card
from heedmap.model.training.run import FACTS
from heedmap.model.training.text import TextSplit, Windows, bits_per_byte, read_text

BEST = "best.json"
TEXT = {"epochs": 12, "batch_tokens": 4096, "learning_rate": 2e-3, "warmup_steps": 200, "label_smoothing": 0.0}
LENGTHS = (256, 256, 256, 1024)  # bytes: what a speech needs, and what a scene does


def train_text(
    data: Path,
    out: Path,
    recipe: Recipe,
    device: torch.device,
    *,
    language: str = "en",
    lengths: Sequence[int] = LENGTHS,
    shape: dict[str, Any] | None = None,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> TextSplit:
    """Train a language model on the bytes of a text, or go on with the run that `out` holds.

    Args:
        data: UTF-8 text.
        out: the folder for state, held-out parts and the checkpoint of the best epoch (float16).
        lengths: of the windows, in bytes; shape: fields of the config.
        report: called with each epoch's figures, and `valid`: bits per byte of the validation part.
    """
    torch.manual_seed(recipe.seed)
    parts, tokens = read_text(data), ByteTokenizer.build()
    out.mkdir(parents=True, exist_ok=True)
    for name in ("valid", "test"):
        (out / f"{name}.txt").write_text(getattr(parts, name), encoding="utf-8")
    network = checkpoint.build(LanguageModelConfig(language=language, vocabulary=len(tokens), **(shape or {})))
    assert isinstance(network, LanguageModel)
    trainer = Trainer(network, recipe, out, device)
    trainer.resume()
    best = _best(out)
    for row in trainer.run(Windows(parts.train, tokens, recipe.batch_tokens, lengths)):
        row = {**row, "valid": surprise(network, tokens, parts.valid, max(lengths))}
        report(row)
        if row["valid"] < best["valid"]:  # a text of this size is learnt by heart before the last epoch
            best = {"epoch": row["epoch"], "valid": row["valid"]}
            checkpoint.save(out, network, tokens, torch.float16)
            (out / BEST).write_text(json.dumps(best) + "\n", encoding="utf-8")
    facts = {
        "config": network.config.model_dump(),
        "data_sha256": sha256(data),
        "characters": {"train": len(parts.train), "valid": len(parts.valid), "test": len(parts.test)},
        "parameters": sum(p.numel() for p in network.parameters()),
        "recipe": recipe.model_dump(),
        "lengths": list(lengths),
        "best": best,
    }
    (out / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return parts


def _best(out: Path) -> dict[str, float]:
    """The epoch whose checkpoint stands in the folder, and its bits per byte."""
    if not (out / BEST).is_file():
        return {"epoch": 0.0, "valid": math.inf}
    record = json.loads((out / BEST).read_text(encoding="utf-8"))
    return {name: float(record[name]) for name in ("epoch", "valid")}


@torch.inference_mode()
def surprise(network: LanguageModel, tokenizer: ByteTokenizer, text: str, length: int) -> float:
    """Bits per byte of a text, read in windows of `length` of which each but the first scores its second half."""
    ids = torch.tensor(tokenizer.encode(text).ids, device=network.output_weight.device)
    network.eval()
    step, nats, count = max(1, length // 2), 0.0, 0
    for start in range(0, len(ids) - 1, step):
        window = ids[start : start + length + 1]
        first = 0 if start == 0 else length - step
        if len(window) - 1 <= first:
            break
        scored = network(window[None, :-1])[0, first:].float().log_softmax(-1)
        nats -= float(scored.gather(1, window[1 + first :, None]).sum())
        count += len(window) - 1 - first
    return bits_per_byte(nats, count)


def score_text(folder: Path, device: str = "cpu") -> dict[str, float]:
    """Bits per byte of a finished language model on the held-out parts beside it; writes its model card.

    Raises:
        CheckpointError: the folder is not a finished run.
    """
    facts_path = folder / FACTS
    if not facts_path.is_file():
        raise CheckpointError(f"no {FACTS} in {folder}: let `heedmap train` finish there first")
    facts = json.loads(facts_path.read_text(encoding="utf-8"))
    loaded = checkpoint.load(folder, device)
    assert isinstance(loaded.network, LanguageModel)
    assert isinstance(loaded.tokenizer, ByteTokenizer)
    bits = {
        part: surprise(
            loaded.network,
            loaded.tokenizer,
            (folder / f"{part}.txt").read_text(encoding="utf-8"),
            max(facts["lengths"]),
        )
        for part in ("valid", "test")
    }
    write_text_card(folder, facts, bits)
    return bits
