"""Titles of abstracts: papers, their split by date, what a title is compared with, and a training run."""

import csv
import json
import lzma
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from heedmap.model.errors import CheckpointError, InputError
from heedmap.model.native import checkpoint
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.native.transformer import TransformerConfig
from heedmap.model.training.data import Batches, Pair, Reference, sha256
from heedmap.model.training.loop import Recipe, Trainer
from heedmap.model.training.run import FACTS, run_tokenizer, write_references

VALID_FROM, TEST_FROM = "2019-07-01", "2019-10-01"
"""Dates of first versions: later papers are held out, so that no later version or sequel leaks into training."""

WORDS = 128
"""Of an abstract that are read: 78% of the words of titles are among them, in all of it 80%."""

LONGEST = 320  # tokens of an abstract: 128 words have 170 as a rule, names and numbers more
VOCABULARY = 8000
SHAPE = {
    "width": 256,
    "feed_forward": 768,
    "heads": 8,
    "kv_heads": 8,
    "encoder_layers": 4,
    "decoder_layers": 2,
    "max_positions": 512,
    "copying": {"layer": 1, "head": 0},
    "source_words": WORDS,
}
RECIPE = {"epochs": 6, "batch_tokens": 3000, "learning_rate": 1e-3, "warmup_steps": 1000}
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
COLUMNS = 5


@dataclass(frozen=True)
class Paper:
    """A paper: the date of its first version as YYYY-MM-DD, its title and its abstract."""

    date: str
    title: str
    abstract: str


@dataclass(frozen=True)
class Papers:
    """Three parts, each later than the one before."""

    train: list[Paper]
    valid: list[Paper]
    test: list[Paper]


def read_papers(path: Path) -> list[Paper]:
    """Papers of a tab-separated file, .xz or not: identifier, date, category, title, abstract; no header.

    Raises:
        InputError: a line has other columns or a date that is none, or the file is no UTF-8 or no archive.
    """
    papers = []
    try:
        with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as file:
            for number, row in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
                if len(row) != COLUMNS or not re.fullmatch(r"\d{4}-\d\d-\d\d", row[1]):
                    raise InputError(
                        f"{path.name} line {number}: expected identifier, date (YYYY-MM-DD), category, title and "
                        "abstract with tabs between"
                    )
                papers.append(Paper(row[1], row[3].strip(), row[4].strip()))
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8: byte {error.start}") from error
    except (lzma.LZMAError, EOFError) as error:
        raise InputError(f"{path.name} is no whole xz archive, though its name says so") from error
    return papers


def by_date(papers: Sequence[Paper]) -> Papers:
    """Papers before July 2019, of that quarter, and from October on.

    Raises:
        InputError: a part is empty.
    """
    parts = Papers(
        [paper for paper in papers if paper.date < VALID_FROM],
        [paper for paper in papers if VALID_FROM <= paper.date < TEST_FROM],
        [paper for paper in papers if paper.date >= TEST_FROM],
    )
    for name, part in vars(parts).items():
        if not part:
            raise InputError(f"no paper is of the {name} part: it takes dates before {VALID_FROM}, until {TEST_FROM}, "
                             "and later")  # fmt: skip
    return parts


def first_words(text: str, count: int) -> str:
    """The beginning of a text, word by word."""
    return " ".join(text.split()[:count])


def first_sentence(text: str) -> str:
    """The first sentence of a text: up to a full stop that a capital, a quotation or a bracket follows."""
    return SENTENCE.split(text, maxsplit=1)[0]


def train_titles(
    data: Path,
    out: Path,
    recipe: Recipe,
    device: torch.device,
    *,
    vocabulary: int = VOCABULARY,
    tokenizer: Path | None = None,
    shape: dict[str, Any] | None = None,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> Papers:
    """Train a network that writes titles, or go on with the run that `out` holds.

    Args:
        data: papers, as `read_papers` takes them.
        out: the folder for state, held-out parts and, after each epoch, the checkpoint (float16).
        vocabulary: the tokenizer's, which is trained on the training part unless `tokenizer` is one to share.
        shape: fields of the network's configuration that differ from SHAPE.
        report: called with each epoch's figures.

    Raises:
        InputError: the data does not read. CheckpointError: `out` holds a run of another network.
    """
    torch.manual_seed(recipe.seed)
    parts = by_date(read_papers(data))
    out.mkdir(parents=True, exist_ok=True)
    for name in ("valid", "test"):
        held = [Reference(paper.abstract, (paper.title,)) for paper in getattr(parts, name)]
        write_references(out / f"{name}.jsonl", held)
    fields: dict[str, Any] = {**SHAPE, **(shape or {})}
    words = fields["source_words"]
    pairs = [Pair(first_words(paper.abstract, words), paper.title) for paper in parts.train]
    texts = (text for pair in pairs for text in (pair.source, pair.target))
    tokens = run_tokenizer(out, tokenizer, lambda: Tokenizer.train(texts, vocabulary))
    names = {"task": "summarization", "source_language": "en", "target_language": "en", "vocabulary": len(tokens)}
    network = checkpoint.build(TransformerConfig.model_validate({**names, **fields}))
    trainer = Trainer(network, recipe, out, device)
    trainer.resume()
    for row in trainer.run(Batches(pairs, tokens, recipe.batch_tokens, LONGEST)):
        report(row)
        checkpoint.save(out, network, tokens, torch.float16)
    checkpoint.save(out, network, tokens, torch.float16)  # once more where nothing was left to train
    facts = {
        "config": network.config.model_dump(),
        "data_sha256": sha256(data),
        "split": {"valid": VALID_FROM, "test": TEST_FROM},
        "papers": {name: len(part) for name, part in vars(parts).items()},
        "parameters": sum(p.numel() for p in network.parameters()),
        "recipe": recipe.model_dump(),
    }
    (out / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return parts


def read_facts(folder: Path) -> dict[str, Any]:
    """What a finished run wrote down.

    Raises:
        CheckpointError: the folder is not a finished run.
    """
    path = folder / FACTS
    if not path.is_file():
        raise CheckpointError(f"no {FACTS} in {folder}: let `heedmap train` finish there first")
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts
