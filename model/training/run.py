"""A whole training run of a translation model: data, split, tokenizer, network, loop, checkpoint."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from heedmap.model.contract import Parameters
from heedmap.model.errors import CheckpointError, InputError
from heedmap.model.native import checkpoint
from heedmap.model.native.recurrent import RecurrentConfig
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.native.transformer import AlignmentHead, Transformer, TransformerConfig
from heedmap.model.training.data import Batches, Pair, PairBatch, Reference, Split, read_pairs, sha256, split
from heedmap.model.training.evaluate import Scores, evaluate
from heedmap.model.training.guide import Guide, GuidedBatches, read_links, with_links
from heedmap.model.training.languages import GERMAN, Languages
from heedmap.model.training.loop import STATE, Recipe, Trainer
from heedmap.model.training.model_card import write_card
from heedmap.model.training.settle import settle

VALID, TEST, SPLIT_SEED = 1000, 2000, 20261122
FACTS = "training.json"
SETTLED = 9_000  # pairs of all lengths: a hundred tokens for each row of the largest matrix that is solved for


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


def run_tokenizer(out: Path, given: Path | None, make: Callable[[], Tokenizer]) -> Tokenizer:
    """The tokenizer of a run: that which is given, that which the run in `out` was begun with, or a new one.

    One is kept from the start: another with the same entries in another order would be another language.
    """
    kept = out / checkpoint.TOKENIZER
    if given is not None:
        return Tokenizer.load(given)
    if kept.is_file() and (out / STATE).is_file():
        return Tokenizer.load(kept)
    made = make()
    made.save(kept)
    return made


def train_translation(
    data: Path,
    out: Path,
    architecture: str,
    recipe: Recipe,
    device: torch.device,
    *,
    swap: bool = True,
    between: Languages = GERMAN,
    vocabulary: int | None = None,
    tokenizer: Path | None = None,
    shape: dict[str, Any] | None = None,
    start: Path | None = None,
    align: Path | None = None,
    guide: Guide | None = None,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> Split:
    """Train a translation model from a file of pairs, or go on with the run that `out` holds.

    Args:
        data: tab-separated pairs, or a zip of them; swap: whether its first column is the target.
        out: the folder for state, held-out parts and, at the end, the checkpoint (float16).
        architecture: "transformer" or "recurrent"; shape: fields of its config.
        between: the languages, with what is done to their texts; vocabulary: the tokenizer's, theirs if None.
        tokenizer: a trained tokenizer to share; one is trained on the training part if None.
        start: the folder of a Transformer checkpoint to begin with, whose shape and tokenizer are taken.
        align: links between the words of the pairs, a line in Pharaoh's format for each; guide: the head that is
            taught by them.
        report: called with each epoch's figures.

    Raises:
        InputError: the data or the links do not read. CheckpointError: `start` cannot be taught to align.
    """
    torch.manual_seed(recipe.seed)
    pairs = [Pair(between.prepare(pair.source), pair.target) for pair in read_pairs(data, swap)]
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
        texts = (text for p in parts.train for text in (p.source, p.target))
        tokens = run_tokenizer(out, tokenizer, lambda: between.tokenizer(texts, vocabulary or between.vocabulary))
        named = {"source_language": between.source, "target_language": between.target, "vocabulary": len(tokens)}
        kind = TransformerConfig if architecture == "transformer" else RecurrentConfig
        usual = between.shape if architecture == "transformer" else {}
        network = checkpoint.build(kind(**{**named, **usual, **(shape or {})}))
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
    checkpoint.save(out, network, tokens, torch.float16)  # once more where nothing was left to train
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


def score_and_card(
    folder: Path, device: str = "cpu", beam_size: int = 5, storage: str = "float16"
) -> dict[tuple[str, str], Scores]:
    """Score a finished run on the held-out parts beside it, greedy and by beam, and write its model card.

    storage: "float16", as the run left it, or "int8": then the weights are stored so, scored again, and the card has
    both scores.

    Raises:
        CheckpointError: the folder is not a finished run.
    """
    facts_path = folder / FACTS
    if not facts_path.is_file():
        raise CheckpointError(f"no {FACTS} in {folder}: let `heedmap train` finish there first")
    scores = {"float16": _scores(folder, device, beam_size)}
    if storage != "float16":
        loaded = checkpoint.load(folder)
        checkpoint.save(folder, loaded.network, loaded.tokenizer, checkpoint.STORAGES[storage])
        scores[storage] = _scores(folder, device, beam_size)
    write_card(folder, json.loads(facts_path.read_text(encoding="utf-8")), scores, beam_size)
    return scores[storage]


def _scores(folder: Path, device: str, beam_size: int) -> dict[tuple[str, str], Scores]:
    return {
        (part, decoding): evaluate(folder, read_references(folder / f"{part}.jsonl"), device, parameters)
        for part in ("valid", "test")
        for decoding, parameters in (("greedy", Parameters()), (f"beam {beam_size}", Parameters(beam_size=beam_size)))
    }
