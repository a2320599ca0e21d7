"""A whole training run: data, split, tokenizer, network, loop, checkpoint."""

import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from heedmap.model.contract import Parameters
from heedmap.model.errors import CheckpointError, InputError
from heedmap.model.native import checkpoint
from heedmap.model.native.language_model import LanguageModel, LanguageModelConfig
from heedmap.model.native.recurrent import RecurrentConfig
from heedmap.model.native.tokenizer import ByteTokenizer, Tokenizer
from heedmap.model.native.transformer import AlignmentHead, Transformer, TransformerConfig
from heedmap.model.training.data import Batches, PairBatch, Reference, Split, read_pairs, sha256, split
from heedmap.model.training.evaluate import Scores, evaluate
from heedmap.model.training.guide import Guide, GuidedBatches, read_links, with_links
from heedmap.model.training.loop import Recipe, Trainer
from heedmap.model.training.model_card import write_card, write_text_card
from heedmap.model.training.settle import settle
from heedmap.model.training.text import TextSplit, Windows, bits_per_byte, read_text

VALID, TEST, SPLIT_SEED = 1000, 2000, 20261122
FACTS = "training.json"
BEST = "best.json"
SETTLED = 9_000  # pairs of all lengths: a hundred tokens for each row of the largest matrix that is solved for
TEXT = {"epochs": 12, "batch_tokens": 4096, "learning_rate": 2e-3, "warmup_steps": 200, "label_smoothing": 0.0}
LENGTHS = (256, 256, 256, 1024)  # bytes: what a speech needs, and what a scene does


def write_references(path: Path, part: list[Reference]) -> None:
    """A held-out part as JSON lines: {"source": ..., "targets": [...]}."""
    lines = [json.dumps({"source": r.source, "targets": r.targets}, ensure_ascii=False) for r in part]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_references(path: Path) -> list[Reference]:
    """A held-out part that `write_references` wrote.

    Raises:
        InputError: a line is not of that form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8: byte {error.start}") from error
    references: list[Reference] = []
    for line in lines:
        try:
            row = json.loads(line)
            references.append(Reference(row["source"], tuple(row["targets"])))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path.name} line {len(references) + 1}: expected a line of JSON, "
                '{"source": "...", "targets": ["...", ...]}'
            ) from error
    return references


def train_translation(
    data: Path,
    out: Path,
    architecture: str,
    recipe: Recipe,
    device: torch.device,
    *,
    swap: bool = True,
    vocabulary: int = 8000,
    tokenizer: Path | None = None,
    shape: dict[str, Any] | None = None,
    start: Path | None = None,
    align: Path | None = None,
    guide: Guide | None = None,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> Split:
    """Train German to English from a file of pairs, or go on with the run that `out` holds.

    Args:
        data: tab-separated pairs, or a zip of them; swap: whether its first column is the target.
        out: the folder for state, held-out parts and, at the end, the checkpoint (float16).
        architecture: "transformer" or "recurrent"; shape: fields of its config.
        tokenizer: a trained tokenizer to share; one is trained on the training part if None.
        start: the folder of a Transformer checkpoint to begin with, whose shape and tokenizer are taken.
        align: links between the words of the pairs, a line in Pharaoh's format for each; guide: the head that is
            taught by them.
        report: called with each epoch's figures.

    Raises:
        InputError: the data or the links do not read. CheckpointError: `start` cannot be taught to align.
    """
    torch.manual_seed(recipe.seed)
    pairs = read_pairs(data, swap)
    if align is not None:
        pairs = with_links(pairs, read_links(align))
    parts = split(pairs, VALID, TEST, SPLIT_SEED)
    out.mkdir(parents=True, exist_ok=True)
    write_references(out / "valid.jsonl", parts.valid)
    write_references(out / "test.jsonl", parts.test)
    if start is not None:
        begun = checkpoint.load(start)
        network, tokens = begun.network, begun.tokenizer
    else:
        if tokenizer is None:
            tokens = Tokenizer.train((text for p in parts.train for text in (p.source, p.target)), vocabulary)
        else:
            tokens = Tokenizer.load(tokenizer)
        languages = {"source_language": "de", "target_language": "en", "vocabulary": len(tokens)}
        kind = TransformerConfig if architecture == "transformer" else RecurrentConfig
        network = checkpoint.build(kind(**languages, **(shape or {})))
    if guide is not None:
        network = taught(network, guide.head)
    trainer = Trainer(network, recipe, out, device, guide)
    trainer.resume()
    batches = (
        Batches(parts.train, tokens, recipe.batch_tokens)
        if guide is None
        else GuidedBatches(parts.train, tokens, recipe.batch_tokens, guide.head.reading)
    )
    for row in trainer.run(batches):
        report(row)
        checkpoint.save(out, network, tokens, torch.float16)
    if guide is not None and guide.alone and start is not None:
        assert isinstance(network, Transformer)
        some = random.Random(recipe.seed).sample(parts.train, min(SETTLED, len(parts.train)))
        settled(network, start, guide, Batches(some, tokens, recipe.batch_tokens).epoch(recipe.seed))
        checkpoint.save(out, network, tokens, torch.float16)
    facts = {
        "config": network.config.model_dump(),
        "data_sha256": sha256(data),
        "split_seed": SPLIT_SEED,
        "pairs": {"train": len(parts.train), "valid": len(parts.valid), "test": len(parts.test)},
        "parameters": sum(p.numel() for p in network.parameters()),
        "recipe": recipe.model_dump(),
    }
    if start is not None and (start / FACTS).is_file():
        facts["start"] = {"recipe": json.loads((start / FACTS).read_text(encoding="utf-8"))["recipe"]}
    if guide is not None:
        facts["alignment"] = {**guide.head.model_dump(), "weight": guide.weight, "alone": guide.alone}
    (out / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return parts


def settled(network: Transformer, start: Path, guide: Guide, batches: Sequence[PairBatch]) -> None:
    """Fit what follows a head that was taught alone to what the checkpoint that it began from does."""
    former = checkpoint.load(start).network
    assert isinstance(former, Transformer)
    settle(network.cpu().eval(), former, guide.head.layer, batches)


def taught(network: checkpoint.Network, head: AlignmentHead) -> Transformer:
    """The same Transformer, whose configuration says that this head aligns.

    Raises:
        CheckpointError: it is none, or has no such head.
    """
    if not isinstance(network, Transformer):
        raise CheckpointError("only a Transformer's cross heads are taught to align: choose that architecture")
    config = network.config
    for name, value, count in (("layer", head.layer, config.decoder_layers), ("head", head.head, config.heads)):
        if value >= count:
            raise CheckpointError(f"there is no cross {name} {value} to teach: the network has 0 to {count - 1}")
    network.config = config.model_copy(update={"alignment": head})
    return network


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


def score_and_card(folder: Path, device: str = "cpu", beam_size: int = 5) -> dict[tuple[str, str], Scores]:
    """Score a finished run on the held-out parts beside it, greedy and by beam, and write its model card.

    Raises:
        CheckpointError: the folder is not a finished run.
    """
    facts_path = folder / FACTS
    if not facts_path.is_file():
        raise CheckpointError(f"no {FACTS} in {folder}: let `heedmap train` finish there first")
    scores = {
        (part, decoding): evaluate(folder, read_references(folder / f"{part}.jsonl"), device, parameters)
        for part in ("valid", "test")
        for decoding, parameters in (("greedy", Parameters()), (f"beam {beam_size}", Parameters(beam_size=beam_size)))
    }
    write_card(folder, json.loads(facts_path.read_text(encoding="utf-8")), scores, beam_size)
    return scores
